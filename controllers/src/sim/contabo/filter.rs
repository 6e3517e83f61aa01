//! What lists can be narrowed to, and which page of them.

use serde::{Deserialize, Serialize};

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
    pub snapshot_id: Option<String>,
    pub image_id: Option<String>,
    pub secret_id: Option<i64>,
    pub tag_id: Option<i64>,
    /// Of assignments: what the tag is attached to.
    pub resource_id: Option<String>,
    pub network_id: Option<i64>,
    pub changed_by: Option<String>,
    pub start_date: Option<String>,
    pub end_date: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecretFilter {
    /// Substring.
    pub name: Option<String>,
    /// `password` or `ssh`; anything else finds nothing.
    pub kind: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DataCenterFilter {
    pub slug: Option<String>,
    pub name: Option<String>,
    pub region_name: Option<String>,
    pub region_slug: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NetworkFilter {
    /// Substring.
    pub name: Option<String>,
    pub instance_ids: Option<Vec<i64>>,
    pub region: Option<String>,
    pub data_center: Option<String>,
}
