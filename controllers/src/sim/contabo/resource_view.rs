//! Everything but instances as the API shows it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::view::{IpConfigView, milliseconds, whole_seconds};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageView {
    pub image_id: String,
    pub tenant_id: String,
    pub customer_id: String,
    pub name: String,
    pub description: String,
    pub url: String,
    pub size_mb: i64,
    pub uploaded_size_mb: i64,
    pub os_type: String,
    pub version: String,
    pub format: String,
    pub status: String,
    pub error_message: String,
    pub standard_image: bool,
    #[serde(serialize_with = "whole_seconds")]
    pub creation_date: Timestamp,
    #[serde(serialize_with = "whole_seconds")]
    pub last_modified_date: Timestamp,
    /// Only list items have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<AssignedTagView>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditView {
    pub id: i64,
    pub action: String,
    #[serde(serialize_with = "milliseconds")]
    pub timestamp: Timestamp,
    pub tenant_id: String,
    pub customer_id: String,
    pub changed_by: String,
    pub username: String,
    pub request_id: String,
    pub trace_id: Option<String>,
    /// Which of these are there depends on the list; 0 while the account does not know it yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_network_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagView {
    pub tenant_id: String,
    pub customer_id: String,
    pub tag_id: i64,
    pub name: String,
    pub color: String,
    pub description: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TagCreatedView {
    pub tenant_id: String,
    pub customer_id: String,
    pub tag_id: i64,
}

/// A tag as list items of images carry it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignedTagView {
    pub tag_id: i64,
    pub tag_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssignmentView {
    pub tenant_id: String,
    pub customer_id: String,
    pub tag_id: i64,
    pub tag_name: String,
    pub resource_type: String,
    pub resource_id: String,
    pub resource_name: String,
}

/// What creating or changing a custom image answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageChangedView {
    pub tenant_id: String,
    pub customer_id: String,
    pub image_id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageStatsView {
    pub tenant_id: String,
    pub customer_id: String,
    pub current_images_count: u64,
    pub total_size_mb: i64,
    pub used_size_mb: i64,
    pub free_size_mb: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotView {
    pub tenant_id: String,
    pub customer_id: String,
    pub snapshot_id: String,
    pub name: String,
    pub description: String,
    pub instance_id: i64,
    #[serde(serialize_with = "milliseconds")]
    pub created_date: Timestamp,
    #[serde(serialize_with = "milliseconds")]
    pub auto_delete_date: Timestamp,
    pub image_id: String,
    pub image_name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretView {
    pub tenant_id: String,
    pub customer_id: String,
    pub secret_id: i64,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    /// Only single objects have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    #[serde(serialize_with = "whole_seconds")]
    pub created_at: Timestamp,
    #[serde(serialize_with = "whole_seconds")]
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DataCenterView {
    pub tenant_id: String,
    pub customer_id: String,
    pub name: &'static str,
    pub slug: &'static str,
    pub capabilities: &'static [&'static str],
    pub s3_url: String,
    pub region_name: &'static str,
    pub region_slug: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkView {
    pub tenant_id: String,
    pub customer_id: String,
    pub private_network_id: i64,
    pub data_center: String,
    pub region: String,
    pub region_name: String,
    pub name: String,
    pub description: String,
    pub cidr: String,
    pub available_ips: i64,
    #[serde(serialize_with = "whole_seconds")]
    pub created_date: Timestamp,
    pub instances: Vec<MemberView>,
}

/// An instance in a private network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberView {
    pub instance_id: i64,
    pub display_name: String,
    pub name: String,
    pub product_id: String,
    pub private_ip_config: PrivateIpConfigView,
    pub ip_config: Option<IpConfigView>,
    /// `ok`, `restart`, `reinstall` or `installing`.
    pub status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PrivateIpConfigView {
    pub v4: Vec<super::view::AddressView>,
}
