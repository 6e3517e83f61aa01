//! What a client can ask of the API: one enum of requests, their bodies and filters.
//!
//! Bodies are typed but not yet judged: lengths, enumerations, ids and the catalogue are checked by
//! the model ([`validate`](super::validate)); only "is it a number" is the business of the wire.

use serde::{Deserialize, Serialize};

use super::operation::OperationName;

/// One call, as it arrives: its two headers and what it asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// `x-request-id`; a UUID, or the call is refused with 400. Empty means the header is missing.
    pub request_id: String,
    /// `x-trace-id`, free text.
    #[serde(default)]
    pub trace_id: Option<String>,
    pub request: Request,
}

impl Call {
    pub fn new(request_id: impl Into<String>, request: Request) -> Call {
        Call { request_id: request_id.into(), trace_id: None, request }
    }
}

/// Every operation of the part of the API that is modelled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "operation", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Request {
    /// The token endpoint. The model only counts it and lets faults hit it; the wire mints tokens.
    Grant,
    ListInstances {
        filter: Box<InstanceFilter>,
        page: Page,
    },
    GetInstance {
        instance_id: i64,
    },
    /// The purchase.
    CreateInstance(Box<CreateInstance>),
    PatchInstance {
        instance_id: i64,
        body: PatchInstance,
    },
    ReinstallInstance {
        instance_id: i64,
        body: Box<ReinstallInstance>,
    },
    CancelInstance {
        instance_id: i64,
        body: CancelInstance,
    },
    Act {
        instance_id: i64,
        action: Action,
    },
    ListImages {
        filter: ImageFilter,
        page: Page,
    },
    GetImage {
        image_id: String,
    },
    ListInstanceAudits {
        filter: AuditFilter,
        page: Page,
    },
    ListActionAudits {
        filter: AuditFilter,
        page: Page,
    },
    ListTags {
        name: Option<String>,
        page: Page,
    },
    GetTag {
        tag_id: i64,
    },
    CreateTag(TagBody),
    UpdateTag {
        tag_id: i64,
        body: TagBody,
    },
    DeleteTag {
        tag_id: i64,
    },
    ListTagAudits {
        filter: AuditFilter,
        page: Page,
    },
}

impl Request {
    pub fn name(&self) -> OperationName {
        use OperationName as N;
        match self {
            Request::Grant => N::Grant,
            Request::ListInstances { .. } => N::ListInstances,
            Request::GetInstance { .. } => N::GetInstance,
            Request::CreateInstance(_) => N::CreateInstance,
            Request::PatchInstance { .. } => N::PatchInstance,
            Request::ReinstallInstance { .. } => N::ReinstallInstance,
            Request::CancelInstance { .. } => N::CancelInstance,
            Request::Act { action, .. } => match action {
                Action::Start => N::Start,
                Action::Stop => N::Stop,
                Action::Restart => N::Restart,
                Action::Shutdown => N::Shutdown,
                Action::Rescue => N::Rescue,
                Action::ResetPassword => N::ResetPassword,
            },
            Request::ListImages { .. } => N::ListImages,
            Request::GetImage { .. } => N::GetImage,
            Request::ListInstanceAudits { .. } => N::ListInstanceAudits,
            Request::ListActionAudits { .. } => N::ListActionAudits,
            Request::ListTags { .. } => N::ListTags,
            Request::GetTag { .. } => N::GetTag,
            Request::CreateTag(_) => N::CreateTag,
            Request::UpdateTag { .. } => N::UpdateTag,
            Request::DeleteTag { .. } => N::DeleteTag,
            Request::ListTagAudits { .. } => N::ListTagAudits,
        }
    }

    /// The instance named in the path, where there is one.
    pub fn instance_id(&self) -> Option<i64> {
        match self {
            Request::GetInstance { instance_id }
            | Request::PatchInstance { instance_id, .. }
            | Request::ReinstallInstance { instance_id, .. }
            | Request::CancelInstance { instance_id, .. }
            | Request::Act { instance_id, .. } => Some(*instance_id),
            _ => None,
        }
    }
}

/// `page` (from 1), `size` and `orderBy=field:ASC|DESC`, as on every list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Page {
    pub page: Option<i64>,
    pub size: Option<i64>,
    /// Fields the model does not know are ignored, as the live API seems to do.
    pub order_by: Vec<String>,
}

impl Page {
    pub fn of(page: i64, size: i64) -> Page {
        Page { page: Some(page), size: Some(size), order_by: Vec::new() }
    }
}

/// The filters of `GET /v1/compute/instances`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct InstanceFilter {
    pub name: Option<String>,
    /// Exact or substring: nobody has said; a setting.
    pub display_name: Option<String>,
    pub data_center: Option<String>,
    pub region: Option<String>,
    pub instance_id: Option<i64>,
    pub instance_ids: Option<Vec<i64>>,
    pub statuses: Option<Vec<String>>,
    pub product_ids: Option<Vec<String>>,
    pub add_on_ids: Option<Vec<i64>>,
    pub product_types: Option<Vec<String>>,
    pub ip_config: Option<bool>,
    /// Full text over name, display name and address.
    pub search: Option<String>,
}

/// Body of `POST /v1/compute/instances`. Only `period` is required, and a body with nothing else
/// buys the default machine: so does the real API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CreateInstance {
    pub image_id: Option<String>,
    pub product_id: Option<String>,
    pub region: Option<String>,
    pub ssh_keys: Vec<i64>,
    pub root_password: Option<i64>,
    pub user_data: Option<String>,
    pub license: Option<String>,
    pub period: Option<i64>,
    pub display_name: Option<String>,
    pub default_user: Option<String>,
    pub add_ons: AddOns,
    pub application_id: Option<String>,
}

/// The add-ons of an order that are modelled, and the names of those that are not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AddOns {
    pub private_networking: bool,
    pub additional_ips: bool,
    pub backup: bool,
    /// Asked for but not modelled: the order is refused rather than priced wrongly.
    pub unsupported: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct PatchInstance {
    pub display_name: Option<String>,
}

/// Body of `PUT /v1/compute/instances/{id}`: what the freshly installed guest gets, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ReinstallInstance {
    pub image_id: Option<String>,
    pub ssh_keys: Vec<i64>,
    pub root_password: Option<i64>,
    pub user_data: Option<String>,
    pub default_user: Option<String>,
    pub application_id: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CancelInstance {
    /// RFC 3339 date-time or plain date; absent means the next possible date.
    pub cancel_date: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    Start,
    Stop,
    Restart,
    Shutdown,
    Rescue,
    ResetPassword,
}

impl Action {
    /// As it stands in the path and in the reply.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Restart => "restart",
            Action::Shutdown => "shutdown",
            Action::Rescue => "rescue",
            Action::ResetPassword => "resetPassword",
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ImageFilter {
    /// Substring.
    pub name: Option<String>,
    pub standard_image: Option<bool>,
    pub search: Option<String>,
}

/// The filters of the audit lists. Dates are `yyyy-mm-dd` in UTC, both inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AuditFilter {
    pub request_id: Option<String>,
    pub instance_id: Option<i64>,
    pub tag_id: Option<i64>,
    pub changed_by: Option<String>,
    pub start_date: Option<String>,
    pub end_date: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TagBody {
    pub name: Option<String>,
    pub color: Option<String>,
    pub description: Option<String>,
}
