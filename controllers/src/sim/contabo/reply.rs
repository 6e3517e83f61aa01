//! What comes back from a step: the response, how it is delivered, and whether anything happened.
//!
//! The views carry the API's field names and its documented holes: hardware is null until it is
//! allocated, some fields are absent then. A world without sockets reads them directly; the wire
//! serialises them.

use jiff::{SignedDuration, Timestamp, civil::Date};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

/// The outcome of one call.
#[derive(Clone, Debug, PartialEq)]
pub struct Reply {
    /// HTTP status of the response, as far as it is delivered.
    pub status: u16,
    pub body: Body,
    /// What the network makes of it. Both worlds must honour it.
    pub delivery: Delivery,
    /// Whether the account accepted the mutation, whatever the client gets to see. For tests and
    /// the journal; no client could know.
    pub effect: Effect,
    /// `Retry-After` in seconds, with a 429 where the settings ask for it.
    pub retry_after: Option<u64>,
}

/// How the response reaches the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    Delivered,
    /// Delivered, but only after this long.
    Late(SignedDuration),
    /// The connection is closed without a byte.
    Reset,
    /// No answer, ever; the client's timeout ends it.
    Hang,
    /// The status line, the headers and half of the body.
    Truncated,
    /// Well-formed JSON whose ids are strings and whose status is a number.
    Mistyped,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// A read, a refusal, or a failure before anything was done.
    Nothing,
    /// A mutation the account accepted.
    Accepted,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// No body at all (204, and the token endpoint, which the wire fills).
    Empty,
    /// Only `_links`.
    LinksOnly,
    Error(ErrorBody),
    Instances(Listing<InstanceView>),
    Instance(Box<InstanceView>),
    Created(Box<CreatedView>),
    /// The small object of PATCH and PUT.
    Changed(ChangedView),
    Cancelled(CancelledView),
    Acted(ActedView),
    Images(Listing<ImageView>),
    Image(Box<ImageView>),
    Audits(Listing<AuditView>),
    Tags(Listing<TagView>),
    Tag(TagView),
    TagCreated(TagCreatedView),
}

/// The shapes in which Contabo says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorBody {
    /// `{"statusCode": .., "message": ".."}`.
    Message(String),
    /// `{"statusCode": .., "message": [".."]}`: validation.
    Messages(Vec<String>),
    /// Not JSON at all: a gateway's page.
    Html(String),
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Listing<T> {
    pub items: Vec<T>,
    pub page: u64,
    pub size: u64,
    pub total: u64,
}

impl<T> Listing<T> {
    pub fn total_pages(&self) -> u64 {
        self.total.div_ceil(self.size.max(1))
    }
}

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
    pub tags: Option<Vec<Value>>,
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
    /// 0 while the account does not know it yet; absent in audits of tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag_id: Option<i64>,
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

impl Reply {
    pub(super) fn read(body: Body) -> Reply {
        Reply {
            status: 200,
            body,
            delivery: Delivery::Delivered,
            effect: Effect::Nothing,
            retry_after: None,
        }
    }

    pub(super) fn accepted(status: u16, body: Body) -> Reply {
        Reply { status, effect: Effect::Accepted, ..Reply::read(body) }
    }

    pub(super) fn refused(status: u16, body: ErrorBody) -> Reply {
        Reply { status, ..Reply::read(Body::Error(body)) }
    }
}

/// Instances and images show `…:02.000Z`.
fn whole_seconds<S: Serializer>(at: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
}

/// Audits show milliseconds.
fn milliseconds<S: Serializer>(at: &Timestamp, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(&at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
}
