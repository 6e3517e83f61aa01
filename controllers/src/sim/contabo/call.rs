//! What a client can ask of the API: one enum of requests, their bodies and filters.
//!
//! Bodies are typed but not yet judged: lengths, enumerations, ids and the catalogue are checked by
//! the model ([`validate`](super::validate)); only "is it a number" is the business of the wire.

use serde::{Deserialize, Serialize};

use super::assignment::Assignment;
use super::body::{
    Action, ActionBody, CancelInstance, CreateInstance, ImageBody, NetworkBody, PatchInstance,
    ReinstallInstance, SecretBody, SnapshotBody, TagBody, UpgradeInstance,
};
use super::filter::{
    AuditFilter, DataCenterFilter, ImageFilter, InstanceFilter, NetworkFilter, Page, SecretFilter,
};
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
    UpgradeInstance {
        instance_id: i64,
        body: UpgradeInstance,
    },
    Act {
        instance_id: i64,
        action: Action,
        #[serde(default)]
        body: Box<ActionBody>,
    },
    ListInstanceAudits {
        filter: AuditFilter,
        page: Page,
    },
    ListActionAudits {
        filter: AuditFilter,
        page: Page,
    },
    ListSnapshots {
        instance_id: i64,
        name: Option<String>,
        page: Page,
    },
    GetSnapshot {
        instance_id: i64,
        snapshot_id: String,
    },
    CreateSnapshot {
        instance_id: i64,
        body: SnapshotBody,
    },
    UpdateSnapshot {
        instance_id: i64,
        snapshot_id: String,
        body: SnapshotBody,
    },
    DeleteSnapshot {
        instance_id: i64,
        snapshot_id: String,
    },
    RollbackSnapshot {
        instance_id: i64,
        snapshot_id: String,
    },
    ListSnapshotAudits {
        filter: AuditFilter,
        page: Page,
    },
    ListImages {
        filter: ImageFilter,
        page: Page,
    },
    GetImage {
        image_id: String,
    },
    CreateImage(ImageBody),
    UpdateImage {
        image_id: String,
        body: ImageBody,
    },
    DeleteImage {
        image_id: String,
    },
    GetImageStats,
    ListImageAudits {
        filter: AuditFilter,
        page: Page,
    },
    ListSecrets {
        filter: SecretFilter,
        page: Page,
    },
    GetSecret {
        secret_id: i64,
    },
    CreateSecret(SecretBody),
    UpdateSecret {
        secret_id: i64,
        body: SecretBody,
    },
    DeleteSecret {
        secret_id: i64,
    },
    ListSecretAudits {
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
    ListAssignments {
        tag_id: i64,
        resource_type: Option<String>,
        page: Page,
    },
    GetAssignment {
        assignment: Assignment,
    },
    CreateAssignment {
        assignment: Assignment,
    },
    DeleteAssignment {
        assignment: Assignment,
    },
    ListAssignmentAudits {
        filter: AuditFilter,
        page: Page,
    },
    ListNetworks {
        filter: NetworkFilter,
        page: Page,
    },
    GetNetwork {
        network_id: i64,
    },
    CreateNetwork(NetworkBody),
    UpdateNetwork {
        network_id: i64,
        body: NetworkBody,
    },
    DeleteNetwork {
        network_id: i64,
    },
    JoinNetwork {
        network_id: i64,
        instance_id: i64,
    },
    LeaveNetwork {
        network_id: i64,
        instance_id: i64,
    },
    ListNetworkAudits {
        filter: AuditFilter,
        page: Page,
    },
    ListDataCenters {
        filter: DataCenterFilter,
        page: Page,
    },
    /// A list of something this account has none of: users, roles, VIPs, object storages.
    ListOther {
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
            Request::UpgradeInstance { .. } => N::UpgradeInstance,
            Request::Act { action, .. } => action.name(),
            Request::ListInstanceAudits { .. } => N::ListInstanceAudits,
            Request::ListActionAudits { .. } => N::ListActionAudits,
            Request::ListSnapshots { .. } => N::ListSnapshots,
            Request::GetSnapshot { .. } => N::GetSnapshot,
            Request::CreateSnapshot { .. } => N::CreateSnapshot,
            Request::UpdateSnapshot { .. } => N::UpdateSnapshot,
            Request::DeleteSnapshot { .. } => N::DeleteSnapshot,
            Request::RollbackSnapshot { .. } => N::RollbackSnapshot,
            Request::ListSnapshotAudits { .. } => N::ListSnapshotAudits,
            Request::ListImages { .. } => N::ListImages,
            Request::GetImage { .. } => N::GetImage,
            Request::CreateImage(_) => N::CreateImage,
            Request::UpdateImage { .. } => N::UpdateImage,
            Request::DeleteImage { .. } => N::DeleteImage,
            Request::GetImageStats => N::GetImageStats,
            Request::ListImageAudits { .. } => N::ListImageAudits,
            _ => self.other_name(),
        }
    }

    /// The names of what is neither an instance nor an image.
    fn other_name(&self) -> OperationName {
        use OperationName as N;
        match self {
            Request::ListSecrets { .. } => N::ListSecrets,
            Request::GetSecret { .. } => N::GetSecret,
            Request::CreateSecret(_) => N::CreateSecret,
            Request::UpdateSecret { .. } => N::UpdateSecret,
            Request::DeleteSecret { .. } => N::DeleteSecret,
            Request::ListSecretAudits { .. } => N::ListSecretAudits,
            Request::ListTags { .. } => N::ListTags,
            Request::GetTag { .. } => N::GetTag,
            Request::CreateTag(_) => N::CreateTag,
            Request::UpdateTag { .. } => N::UpdateTag,
            Request::DeleteTag { .. } => N::DeleteTag,
            Request::ListTagAudits { .. } => N::ListTagAudits,
            Request::ListAssignments { .. } => N::ListAssignments,
            Request::GetAssignment { .. } => N::GetAssignment,
            Request::CreateAssignment { .. } => N::CreateAssignment,
            Request::DeleteAssignment { .. } => N::DeleteAssignment,
            Request::ListAssignmentAudits { .. } => N::ListAssignmentAudits,
            Request::ListNetworks { .. } => N::ListNetworks,
            Request::GetNetwork { .. } => N::GetNetwork,
            Request::CreateNetwork(_) => N::CreateNetwork,
            Request::UpdateNetwork { .. } => N::UpdateNetwork,
            Request::DeleteNetwork { .. } => N::DeleteNetwork,
            Request::JoinNetwork { .. } => N::JoinNetwork,
            Request::LeaveNetwork { .. } => N::LeaveNetwork,
            Request::ListNetworkAudits { .. } => N::ListNetworkAudits,
            Request::ListDataCenters { .. } => N::ListDataCenters,
            _ => N::ListOther,
        }
    }

    /// The instance named in the path, where there is one.
    pub fn instance_id(&self) -> Option<i64> {
        match self {
            Request::GetInstance { instance_id }
            | Request::PatchInstance { instance_id, .. }
            | Request::ReinstallInstance { instance_id, .. }
            | Request::CancelInstance { instance_id, .. }
            | Request::UpgradeInstance { instance_id, .. }
            | Request::Act { instance_id, .. }
            | Request::ListSnapshots { instance_id, .. }
            | Request::GetSnapshot { instance_id, .. }
            | Request::CreateSnapshot { instance_id, .. }
            | Request::UpdateSnapshot { instance_id, .. }
            | Request::DeleteSnapshot { instance_id, .. }
            | Request::RollbackSnapshot { instance_id, .. }
            | Request::JoinNetwork { instance_id, .. }
            | Request::LeaveNetwork { instance_id, .. } => Some(*instance_id),
            _ => None,
        }
    }
}
