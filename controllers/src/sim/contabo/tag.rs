//! Tags: names in the account that no instance is needed for. One that is on something stays.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::{AuditAction, Trail};
use super::body::TagBody;
use super::call::Call;
use super::fault::{Drawn, FaultKind};
use super::filter::Page;
use super::reply::{Body, Reply};
use super::resource_view::{TagCreatedView, TagView};
use super::validate::{self, Refusal};
use super::{Contabo, Note};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    pub tag_id: i64,
    pub name: String,
    pub color: String,
    pub description: String,
}

impl Contabo {
    /// `name` is a substring, as documented for tags.
    pub(super) fn list_tags(
        &self,
        name: Option<&str>,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        let tags = self.tags.values();
        let mut views: Vec<TagView> = tags
            .filter(|tag| name.is_none_or(|name| tag.name.contains(name)))
            .map(|tag| self.tag_view(tag))
            .collect();
        super::list::sort(&mut views, page, |view, field| match field {
            "name" => view.name.clone(),
            _ => String::new(),
        });
        Ok(Reply::read(Body::Tags(self.paged(views, page, fault)?)))
    }

    pub(super) fn get_tag(&self, id: i64) -> Result<Reply, Refusal> {
        Ok(Reply::read(Body::Tag(self.tag_view(self.known_tag(id)?))))
    }

    pub(super) fn known_tag(&self, id: i64) -> Result<&Tag, Refusal> {
        self.tags.get(&id).ok_or_else(|| Refusal::not_found("Tag", id))
    }

    pub(super) fn create_tag(
        &mut self,
        call: &Call,
        body: &TagBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        validate::tag(body, true)?;
        self.unused(None, body)?;
        self.next_tag += 1;
        let id = self.next_tag;
        let tag = Tag {
            tag_id: id,
            name: body.name.clone().unwrap_or_default(),
            color: body.color.clone().unwrap_or_default(),
            description: body.description.clone().unwrap_or_default(),
        };
        let note = Note::new(Trail::Tags, AuditAction::Created, id)
            .changes(json!({}), json!({ "name": tag.name }));
        self.audit(call, drawn, note);
        self.tags.insert(id, tag);
        let account = &self.settings.account;
        let view = TagCreatedView {
            tenant_id: account.tenant_id.clone(),
            customer_id: account.customer_id.clone(),
            tag_id: id,
        };
        Ok(Reply::accepted(201, Body::TagCreated(view)))
    }

    pub(super) fn update_tag(
        &mut self,
        call: &Call,
        id: i64,
        body: &TagBody,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        validate::tag(body, false)?;
        self.unused(Some(id), body)?;
        let tag = self.tags.get_mut(&id).ok_or_else(|| Refusal::not_found("Tag", id))?;
        let old = tag.clone();
        let set = |field: &mut String, new: &Option<String>| {
            if let Some(new) = new {
                field.clone_from(new);
            }
        };
        set(&mut tag.name, &body.name);
        set(&mut tag.color, &body.color);
        set(&mut tag.description, &body.description);
        let note = Note::new(Trail::Tags, AuditAction::Updated, id)
            .changes(json!({ "name": old.name }), json!({ "name": tag.name }));
        self.audit(call, drawn, note);
        Ok(Reply::accepted(200, Body::LinksOnly))
    }

    pub(super) fn delete_tag(
        &mut self,
        call: &Call,
        id: i64,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let note = Note::new(Trail::Tags, AuditAction::Deleted, id)
            .changes(json!({ "name": self.known_tag(id)?.name }), json!({}));
        if self.is_assigned(id) {
            return Err(Refusal::sentence(409, "Tag is still assigned to resources"));
        }
        self.tags.remove(&id);
        self.audit(call, drawn, note);
        Ok(Reply::accepted(204, Body::Empty))
    }

    /// Names are unique in an account.
    fn unused(&self, own: Option<i64>, body: &TagBody) -> Result<(), Refusal> {
        let taken = self
            .tags
            .values()
            .any(|tag| Some(&tag.name) == body.name.as_ref() && Some(tag.tag_id) != own);
        if taken {
            Err(Refusal::sentence(409, "Tag with this name already exists"))
        } else {
            Ok(())
        }
    }

    fn tag_view(&self, tag: &Tag) -> TagView {
        TagView {
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            tag_id: tag.tag_id,
            name: tag.name.clone(),
            color: tag.color.clone(),
            description: tag.description.clone(),
        }
    }
}
