//! Tags: names in the account that no instance is needed for. Assignments are not modelled.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::{AuditAction, Trail};
use super::call::{Call, Page, TagBody};
use super::fault::{Drawn, FaultKind};
use super::reply::{Body, Reply, TagCreatedView, TagView};
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
        let views = tags
            .filter(|tag| name.is_none_or(|name| tag.name.contains(name)))
            .map(|tag| self.tag_view(tag))
            .collect();
        Ok(Reply::read(Body::Tags(self.paged(views, page, fault)?)))
    }

    pub(super) fn get_tag(&self, id: i64) -> Result<Reply, Refusal> {
        let tag = self.tags.get(&id).ok_or_else(|| Refusal::not_found("Tag", id))?;
        Ok(Reply::read(Body::Tag(self.tag_view(tag))))
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
        self.audit(
            call,
            drawn,
            Note {
                trail: Trail::Tags,
                action: AuditAction::Created,
                resource_id: id,
                changes: Some(json!({ "prev": {}, "new": { "name": tag.name } })),
            },
        );
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
        let changes = json!({ "prev": { "name": old.name }, "new": { "name": tag.name } });
        self.audit(
            call,
            drawn,
            Note {
                trail: Trail::Tags,
                action: AuditAction::Updated,
                resource_id: id,
                changes: Some(changes),
            },
        );
        Ok(Reply::accepted(200, Body::LinksOnly))
    }

    pub(super) fn delete_tag(
        &mut self,
        call: &Call,
        id: i64,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        let tag = self.tags.remove(&id).ok_or_else(|| Refusal::not_found("Tag", id))?;
        self.audit(
            call,
            drawn,
            Note {
                trail: Trail::Tags,
                action: AuditAction::Deleted,
                resource_id: id,
                changes: Some(json!({ "prev": { "name": tag.name }, "new": {} })),
            },
        );
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
