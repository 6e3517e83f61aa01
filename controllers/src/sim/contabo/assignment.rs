//! Tags attached to instances and images. Instances do not show their tags: who wants to know asks
//! the tag. Attaching is a call of its own, never part of an order.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::audit::{AuditAction, Trail};
use super::call::Call;
use super::fault::{Drawn, FaultKind};
use super::filter::Page;
use super::reply::{Body, Reply};
use super::resource_view::{AssignedTagView, AssignmentView};
use super::tag::Tag;
use super::validate::Refusal;
use super::{Contabo, Note};

/// What a tag can be attached to. Object storages are not modelled: none exists.
pub const RESOURCE_TYPES: [&str; 3] = ["instance", "image", "object-storage"];

/// A tag on a resource, as its path names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assignment {
    pub tag_id: i64,
    pub resource_type: String,
    pub resource_id: String,
}

impl Contabo {
    pub(super) fn list_assignments(
        &self,
        tag_id: i64,
        resource_type: Option<&str>,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        let tag = self.known_tag(tag_id)?;
        let rows: Vec<&Assignment> = self
            .assignments
            .iter()
            .filter(|own| own.tag_id == tag_id)
            .filter(|own| resource_type.is_none_or(|kind| own.resource_type == kind))
            .collect();
        let rows = self.paged(rows, page, fault)?;
        Ok(Reply::read(Body::Assignments(rows.map(|own| self.assignment_view(tag, own)))))
    }

    pub(super) fn get_assignment(&self, wanted: &Assignment) -> Result<Reply, Refusal> {
        let tag = self.known_tag(wanted.tag_id)?;
        if !self.assignments.contains(wanted) {
            return Err(Refusal::not_found("Assignment", &wanted.resource_id));
        }
        Ok(Reply::read(Body::Assignment(self.assignment_view(tag, wanted))))
    }

    pub(super) fn create_assignment(
        &mut self,
        call: &Call,
        wanted: &Assignment,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        self.known_tag(wanted.tag_id)?;
        if !RESOURCE_TYPES.contains(&wanted.resource_type.as_str()) {
            let all = RESOURCE_TYPES.join(", ");
            let text = format!("resourceType must be one of the following values: {all}");
            return Err(Refusal::violations(vec![text]));
        }
        if self.resource_name(wanted).is_none() {
            return Err(Refusal::not_found("Resource", &wanted.resource_id));
        }
        if !self.assignments.insert(wanted.clone()) {
            return Err(Refusal::sentence(409, "Tag is already assigned to this resource"));
        }
        self.audit(call, drawn, note(AuditAction::Created, wanted));
        Ok(Reply::accepted(201, Body::AssignmentLinks))
    }

    pub(super) fn delete_assignment(
        &mut self,
        call: &Call,
        wanted: &Assignment,
        drawn: &Drawn,
    ) -> Result<Reply, Refusal> {
        self.known_tag(wanted.tag_id)?;
        if !self.assignments.remove(wanted) {
            return Err(Refusal::not_found("Assignment", &wanted.resource_id));
        }
        self.audit(call, drawn, note(AuditAction::Deleted, wanted));
        Ok(Reply::accepted(204, Body::Empty))
    }

    /// Whether anything carries the tag.
    pub(super) fn is_assigned(&self, tag_id: i64) -> bool {
        self.assignments.iter().any(|own| own.tag_id == tag_id)
    }

    /// The tags of a resource, as list items of images show them.
    pub(super) fn tags_of(&self, resource_type: &str, resource_id: &str) -> Vec<AssignedTagView> {
        let own = self
            .assignments
            .iter()
            .filter(|own| own.resource_type == resource_type && own.resource_id == resource_id);
        own.filter_map(|own| self.tags.get(&own.tag_id))
            .map(|tag| AssignedTagView { tag_id: tag.tag_id, tag_name: tag.name.clone() })
            .collect()
    }

    /// What is gone carries no tags.
    pub(super) fn untag(&mut self, resource_type: &str, resource_id: &str) {
        self.assignments
            .retain(|own| own.resource_type != resource_type || own.resource_id != resource_id);
    }

    fn resource_name(&self, wanted: &Assignment) -> Option<String> {
        match wanted.resource_type.as_str() {
            "instance" => {
                let instance = self.reachable(wanted.resource_id.parse().ok()?).ok()?;
                let shown = &instance.facts.display_name;
                Some(if shown.is_empty() { instance.name.clone() } else { shown.clone() })
            }
            "image" => self.image_ref(&wanted.resource_id).map(|image| image.name),
            _ => None,
        }
    }

    fn assignment_view(&self, tag: &Tag, own: &Assignment) -> AssignmentView {
        AssignmentView {
            tenant_id: self.settings.account.tenant_id.clone(),
            customer_id: self.settings.account.customer_id.clone(),
            tag_id: tag.tag_id,
            tag_name: tag.name.clone(),
            resource_type: own.resource_type.clone(),
            resource_id: own.resource_id.clone(),
            // An order that cannot be read yet has no name; its id stands for it.
            resource_name: self.resource_name(own).unwrap_or_else(|| own.resource_id.clone()),
        }
    }
}

fn note(action: AuditAction, own: &Assignment) -> Note {
    let link = json!({ "resourceType": own.resource_type, "resourceId": own.resource_id });
    let (prev, new) = match action {
        AuditAction::Deleted => (link, json!({})),
        _ => (json!({}), link),
    };
    Note {
        entry: Some(own.resource_id.clone()),
        resource_type: Some(own.resource_type.clone()),
        ..Note::new(Trail::Assignments, action, own.tag_id)
    }
    .changes(prev, new)
}
