//! Instances as the API shows them.
//!
//! The views carry the API's field names and its documented holes: hardware is null until it is
//! allocated, some fields are absent then. A world without sockets reads them directly; the wire
//! serialises them.

use jiff::{Timestamp, civil::Date};
use serde::{Serialize, Serializer};

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    pub tenant_id: String,
    pub customer_id: String,
    pub additional_ips: Vec<AdditionalIpView>,
    pub name: Option<String>,
    pub display_name: String,
    pub instance_id: i64,
    pub data_center: Option<String>,
    pub region: String,
    pub region_name: Option<String>,
    pub product_id: String,
    pub image_id: String,
    pub ip_config: Option<IpConfigView>,
    pub mac_address: Option<String>,
    pub ram_mb: Option<i64>,
    pub cpu_cores: Option<i64>,
    pub os_type: String,
    pub disk_mb: Option<i64>,
    /// Absent while provisioning, as seen live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_keys: Option<Vec<i64>>,
    #[serde(serialize_with = "whole_seconds")]
    pub created_date: Timestamp,
    pub cancel_date: Option<Date>,
    pub status: String,
    pub v_host_id: Option<i64>,
    pub v_host_number: Option<i64>,
    pub v_host_name: Option<String>,
    pub add_ons: Vec<AddOnView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    pub product_type: String,
    pub product_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_user: Option<String>,
    /// Not in the document, seen live.
    pub application_id: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AdditionalIpView {
    pub v4: AddressView,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct IpConfigView {
    pub v4: AddressView,
    pub v6: AddressView,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressView {
    pub ip: String,
    pub netmask_cidr: u8,
    pub gateway: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AddOnView {
    pub id: i64,
    pub quantity: i64,
}

/// The 201 of an order: no name, no address, no display name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedView {
    pub tenant_id: String,
    pub customer_id: String,
    pub instance_id: i64,
    #[serde(serialize_with = "whole_seconds")]
    pub created_date: Timestamp,
    pub image_id: String,
    pub product_id: String,
    pub region: String,
    pub add_ons: Vec<AddOnView>,
    pub os_type: String,
    pub status: String,
    pub ssh_keys: Vec<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedView {
    pub tenant_id: String,
    pub customer_id: String,
    pub instance_id: i64,
    #[serde(serialize_with = "whole_seconds")]
    pub created_date: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CancelledView {
    pub tenant_id: String,
    pub customer_id: String,
    pub instance_id: i64,
    pub cancel_date: Date,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActedView {
    pub tenant_id: String,
    pub customer_id: String,
    pub instance_id: i64,
    pub action: String,
}

/// Instances and images show `…:02.000Z`.
pub(super) fn whole_seconds<S: Serializer>(at: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
}

/// Audits show milliseconds.
pub(super) fn milliseconds<S: Serializer>(at: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
}
