//! The bodies of requests. Typed but not judged: lengths, enumerations and ids are the model's
//! business, only "is it a number" is the wire's.

use serde::{Deserialize, Serialize};

use super::operation::OperationName;

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

    pub fn name(self) -> OperationName {
        match self {
            Action::Start => OperationName::Start,
            Action::Stop => OperationName::Stop,
            Action::Restart => OperationName::Restart,
            Action::Shutdown => OperationName::Shutdown,
            Action::Rescue => OperationName::Rescue,
            Action::ResetPassword => OperationName::ResetPassword,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TagBody {
    pub name: Option<String>,
    pub color: Option<String>,
    pub description: Option<String>,
}

/// Body of `rescue` and `resetPassword`; the other actions have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ActionBody {
    pub ssh_keys: Vec<i64>,
    pub root_password: Option<i64>,
    pub user_data: Option<String>,
}

/// The add-ons to buy for an instance that exists; what is bought stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct UpgradeInstance {
    pub private_networking: bool,
    pub backup: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SnapshotBody {
    pub name: Option<String>,
    pub description: Option<String>,
}

/// Body of a custom image; only name and description can be changed later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ImageBody {
    pub name: Option<String>,
    pub description: Option<String>,
    pub url: Option<String>,
    pub os_type: Option<String>,
    pub version: Option<String>,
}

/// Body of a secret; its kind (`password` or `ssh`) cannot be changed later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecretBody {
    pub name: Option<String>,
    pub value: Option<String>,
    pub kind: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct NetworkBody {
    pub name: Option<String>,
    pub region: Option<String>,
    pub description: Option<String>,
}
