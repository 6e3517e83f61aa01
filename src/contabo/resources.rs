//! Snapshots, secrets, tags on machines, and data centres.
//!
//! The rules are those of the [`Cloud`](devpocket_controllers::cloud::Cloud) port: a mutation is on
//! the wire at most once, and its error says whether it may have happened.

use devpocket_controllers::cloud::{Call, CloudError, Page};
use jiff::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{ContaboClient, paged};
use super::decode::{self, bad};
use super::sensitive::Sensitive;

/// A snapshot of one instance. Contabo deletes it after thirty days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `snap` and a number.
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub instance_id: i64,
    pub created: Timestamp,
    /// When Contabo deletes it by itself, where it says so.
    pub expires: Option<Timestamp>,
}

/// What a secret is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretKind {
    Password,
    /// A public key.
    Ssh,
}

impl SecretKind {
    /// The word on the wire.
    pub fn word(self) -> &'static str {
        match self {
            SecretKind::Password => "password",
            SecretKind::Ssh => "ssh",
        }
    }
}

/// A secret kept at Contabo, that orders and reinstallations name by id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    pub id: i64,
    pub name: String,
    pub kind: SecretKind,
    /// Only a single read answers it.
    pub value: Option<Sensitive>,
}

/// A data centre. Orders name its region.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataCenter {
    pub slug: String,
    pub name: String,
    /// What orders call it: `EU`, `US-east`.
    pub region: String,
}

/// Snapshots.
impl ContaboClient {
    /// One page of an instance's snapshots, 100 to a page.
    pub async fn snapshots(&self, instance: i64, page: u32) -> Result<Page<Snapshot>, CloudError> {
        let reply = self.read_json(snapshots_path(instance), paged(page)).await?;
        decode::page(&reply, snapshot)
    }

    /// `None` is a 404.
    pub async fn snapshot(&self, instance: i64, id: &str) -> Result<Option<Snapshot>, CloudError> {
        let reply = self.read(snapshot_path(instance, id)?, Vec::new()).await?;
        match reply.code {
            404 => Ok(None),
            _ if reply.is_success() => {
                snapshot(decode::single(&decode::json(&reply.body)?)?).map(Some)
            }
            _ => Err(reply.read_error()),
        }
    }

    /// Takes a snapshot. Names have 1 to 30 letters, digits, spaces and dashes. Refused with 402
    /// when the plan's slots are taken.
    pub async fn take_snapshot(
        &self,
        instance: i64,
        name: &str,
        description: Option<&str>,
        call: &Call,
    ) -> Result<Snapshot, CloudError> {
        let mut body = json!({ "name": name });
        if let Some(description) = description.filter(|text| !text.is_empty()) {
            body["description"] = description.into();
        }
        let path = snapshots_path(instance);
        let reply = self.mutate(Method::POST, path, Some(&body), call).await?;
        understood(reply.code, &reply.body, snapshot)
    }

    /// Gives a snapshot another name.
    pub async fn rename_snapshot(
        &self,
        instance: i64,
        id: &str,
        name: &str,
        call: &Call,
    ) -> Result<(), CloudError> {
        let body = json!({ "name": name });
        let path = snapshot_path(instance, id)?;
        self.mutate(Method::PATCH, path, Some(&body), call).await.map(drop)
    }

    pub async fn delete_snapshot(
        &self,
        instance: i64,
        id: &str,
        call: &Call,
    ) -> Result<(), CloudError> {
        let path = snapshot_path(instance, id)?;
        self.mutate(Method::DELETE, path, None, call).await.map(drop)
    }

    /// Puts the disk back. **Contabo deletes every newer snapshot of the instance**: there is no way
    /// forward again.
    pub async fn roll_back(&self, instance: i64, id: &str, call: &Call) -> Result<(), CloudError> {
        let path = format!("{}/rollback", snapshot_path(instance, id)?);
        self.mutate(Method::POST, path, Some(&json!({})), call).await.map(drop)
    }
}

/// Secrets.
impl ContaboClient {
    /// One page of the secrets, 100 to a page, without their values.
    pub async fn secrets(&self, page: u32) -> Result<Page<Secret>, CloudError> {
        let reply = self.read_json("/v1/secrets".into(), paged(page)).await?;
        decode::page(&reply, secret)
    }

    /// With its value; `None` is a 404.
    pub async fn secret(&self, id: i64) -> Result<Option<Secret>, CloudError> {
        let reply = self.read(format!("/v1/secrets/{id}"), Vec::new()).await?;
        match reply.code {
            404 => Ok(None),
            _ if reply.is_success() => {
                secret(decode::single(&decode::json(&reply.body)?)?).map(Some)
            }
            _ => Err(reply.read_error()),
        }
    }

    /// Keeps a secret at Contabo. A key is sent without the newline its file ends with.
    pub async fn keep_secret(
        &self,
        name: &str,
        kind: SecretKind,
        value: &Sensitive,
        call: &Call,
    ) -> Result<Secret, CloudError> {
        let value = value.reveal().trim_end_matches(['\r', '\n']);
        let body = json!({ "name": name, "type": kind.word(), "value": value });
        let reply = self.mutate(Method::POST, "/v1/secrets".into(), Some(&body), call).await?;
        understood(reply.code, &reply.body, secret)
    }

    /// Machines that were installed with it keep what they got.
    pub async fn delete_secret(&self, id: i64, call: &Call) -> Result<(), CloudError> {
        let path = format!("/v1/secrets/{id}");
        self.mutate(Method::DELETE, path, None, call).await.map(drop)
    }
}

/// Tags on machines, and data centres.
impl ContaboClient {
    /// Puts a tag on an instance; refused with 409 (an outcome that is not certain) if it is there.
    pub async fn assign_tag(&self, tag: i64, instance: i64, call: &Call) -> Result<(), CloudError> {
        self.mutate(Method::POST, tag_path(tag, instance), None, call).await.map(drop)
    }

    pub async fn unassign_tag(
        &self,
        tag: i64,
        instance: i64,
        call: &Call,
    ) -> Result<(), CloudError> {
        self.mutate(Method::DELETE, tag_path(tag, instance), None, call).await.map(drop)
    }

    /// Refused while the tag is on anything.
    pub async fn delete_tag(&self, tag: i64, call: &Call) -> Result<(), CloudError> {
        self.mutate(Method::DELETE, format!("/v1/tags/{tag}"), None, call).await.map(drop)
    }

    /// One page of the data centres, 100 to a page.
    pub async fn data_centers(&self, page: u32) -> Result<Page<DataCenter>, CloudError> {
        let reply = self.read_json("/v1/data-centers".into(), paged(page)).await?;
        decode::page(&reply, data_center)
    }
}

fn tag_path(tag: i64, instance: i64) -> String {
    format!("/v1/tags/{tag}/assignments/instance/{instance}")
}

fn snapshots_path(instance: i64) -> String {
    format!("/v1/compute/instances/{instance}/snapshots")
}

/// Ids come from replies, and a reply can hold anything: one that would change the path is no id.
fn snapshot_path(instance: i64, id: &str) -> Result<String, CloudError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if id.is_empty() || !id.chars().all(plain) {
        let message = "that is no snapshot's id, nothing was sent".into();
        return Err(CloudError::Unavailable { message });
    }
    Ok(format!("{}/{id}", snapshots_path(instance)))
}

/// The one object of a reply to a mutation that was accepted. Not understood: it happened, but what
/// came of it has to be looked for.
fn understood<T>(
    code: u16,
    body: &[u8],
    read: impl Fn(&Value) -> Result<T, CloudError>,
) -> Result<T, CloudError> {
    let read = decode::json(body).and_then(|reply| decode::single(&reply).and_then(read));
    read.map_err(|error| CloudError::Unknown { message: error.to_string(), code: Some(code) })
}

pub(super) fn snapshot(item: &Value) -> Result<Snapshot, CloudError> {
    Ok(Snapshot {
        id: decode::text(&item["snapshotId"]).ok_or_else(|| bad("a snapshot has no snapshotId"))?,
        name: decode::text(&item["name"]).unwrap_or_default(),
        description: decode::text(&item["description"]),
        instance_id: decode::whole(&item["instanceId"])
            .ok_or_else(|| bad("a snapshot has no instanceId"))?,
        created: decode::time(&item["createdDate"])
            .ok_or_else(|| bad("a snapshot has no createdDate"))?,
        expires: decode::time(&item["autoDeleteDate"]),
    })
}

pub(super) fn secret(item: &Value) -> Result<Secret, CloudError> {
    let kind = match item["type"].as_str() {
        Some("password") => SecretKind::Password,
        Some("ssh") => SecretKind::Ssh,
        _ => return Err(bad("a secret has no known type")),
    };
    Ok(Secret {
        id: decode::whole(&item["secretId"]).ok_or_else(|| bad("a secret has no secretId"))?,
        name: decode::text(&item["name"]).unwrap_or_default(),
        kind,
        value: decode::text(&item["value"]).map(Sensitive::new),
    })
}

pub(super) fn data_center(item: &Value) -> Result<DataCenter, CloudError> {
    Ok(DataCenter {
        slug: decode::text(&item["slug"]).ok_or_else(|| bad("a data centre has no slug"))?,
        name: decode::text(&item["name"]).unwrap_or_default(),
        region: decode::text(&item["regionSlug"]).unwrap_or_default(),
    })
}
