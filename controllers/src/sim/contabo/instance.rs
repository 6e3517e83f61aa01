//! One instance: what it is, what lists still believe about it, and the guest on its disk.

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::catalogue::{find_product, find_region};
use super::contract::Contract;
use super::fault::Outcome;
use super::settings::Account;
use super::view::{AddOnView, AdditionalIpView, AddressView, InstanceView, IpConfigView};

/// An instance with everything the model knows; clients see an [`InstanceView`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    pub instance_id: i64,
    /// `vmi` and the digits of the id.
    pub name: String,
    pub product_id: String,
    pub region: String,
    pub created: Timestamp,
    pub origin: Origin,
    /// What holds now, as a single GET shows it.
    pub facts: Facts,
    pub contract: Contract,
    pub guest: Guest,
    /// What lists show, oldest first: each holds from its time on.
    pub published: Vec<Published>,
    /// A single GET answers 404 before this.
    pub gettable_from: Timestamp,
    pub pending: Option<Pending>,
    /// How the order turns out.
    pub outcome: Outcome,
    /// The display name falls back to "" when the running installation ends.
    pub reverts_name: bool,
    /// Since when it no longer exists.
    pub gone: Option<Timestamp>,
    pub add_ons: Vec<i64>,
}

/// Who ordered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    Api,
    Panel,
}

/// The part of an instance that changes and that lists show late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    pub display_name: String,
    pub status: Status,
    pub image_id: String,
    pub ssh_keys: Vec<i64>,
    pub default_user: Option<String>,
    pub hardware: Option<Hardware>,
    pub cancel_date: Option<Date>,
    pub error_message: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Published {
    pub from: Timestamp,
    pub facts: Facts,
}

/// What is allocated when provisioning ends; kept over reinstalls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hardware {
    pub v4: String,
    pub v4_gateway: String,
    pub v6: String,
    pub mac: String,
    pub host_number: i64,
    pub additional_v4: Option<String>,
}

/// The disk's content, as far as it matters: who installed what, and how often it was wiped.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Guest {
    /// Counts installations; 0 before the first.
    pub generation: u32,
    /// User-data of the running or latest installation.
    pub user_data: Option<String>,
    /// SHA-256 of it, in hex.
    pub user_data_digest: Option<String>,
    /// When the latest installation finished; `None` while one runs.
    pub installed: Option<Timestamp>,
    /// Boots since the latest installation.
    pub boots: u32,
}

/// The change the instance is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    pub at: Timestamp,
    pub next: Next,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Next {
    /// Hardware is there; installing begins.
    Allocate,
    /// The installation ends.
    Installed,
    PowerOn,
    PowerOff,
    Reboot,
    Rescue,
    /// `reset_password` ends.
    PasswordSet,
}

/// The documented values, and room for one that nobody has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Status {
    Provisioning,
    Uninstalled,
    Running,
    Stopped,
    Error,
    Installing,
    Unknown,
    ManualProvisioning,
    ProductNotAvailable,
    VerificationRequired,
    Rescue,
    PendingPayment,
    Other,
    ResetPassword,
    Novel(String),
}

impl Status {
    const KNOWN: [(Status, &'static str); 14] = [
        (Status::Provisioning, "provisioning"),
        (Status::Uninstalled, "uninstalled"),
        (Status::Running, "running"),
        (Status::Stopped, "stopped"),
        (Status::Error, "error"),
        (Status::Installing, "installing"),
        (Status::Unknown, "unknown"),
        (Status::ManualProvisioning, "manual_provisioning"),
        (Status::ProductNotAvailable, "product_not_available"),
        (Status::VerificationRequired, "verification_required"),
        (Status::Rescue, "rescue"),
        (Status::PendingPayment, "pending_payment"),
        (Status::Other, "other"),
        (Status::ResetPassword, "reset_password"),
    ];

    pub fn as_str(&self) -> &str {
        match self {
            Status::Novel(text) => text,
            known => {
                Status::KNOWN.iter().find(|(status, _)| status == known).map_or("other", |k| k.1)
            }
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<String> for Status {
    fn from(text: String) -> Status {
        Status::KNOWN
            .iter()
            .find(|(_, name)| *name == text)
            .map_or(Status::Novel(text), |(status, _)| status.clone())
    }
}

impl From<Status> for String {
    fn from(status: Status) -> String {
        status.as_str().to_owned()
    }
}

impl Instance {
    pub fn exists(&self) -> bool {
        self.gone.is_none()
    }

    /// Makes lists show the present facts from `from` on, and forgets what no list shows any more.
    pub(super) fn publish(&mut self, at: Timestamp, from: Timestamp) {
        let shown = self.published.iter().rposition(|published| published.from <= at).unwrap_or(0);
        self.published.drain(..shown);
        let facts = self.facts.clone();
        match self.published.last_mut() {
            Some(last) if last.facts == facts => {}
            Some(last) if last.from >= from => last.facts = facts,
            _ => self.published.push(Published { from, facts }),
        }
        // Most have one, and a vector makes room for four.
        self.published.shrink_to_fit();
    }

    /// What a list shows now; `None` if it does not know the instance yet.
    pub(super) fn listed(&self, now: Timestamp) -> Option<&Facts> {
        self.published.iter().rev().find(|published| published.from <= now).map(|p| &p.facts)
    }

    /// As the API shows it, with the facts of a GET or those of a list.
    pub(super) fn view(&self, facts: &Facts, account: &Account) -> InstanceView {
        let product = find_product(&self.product_id);
        let allocated = facts.hardware.as_ref();
        let region = allocated.and(find_region(&self.region));
        let sized = allocated.and(product);
        InstanceView {
            tenant_id: account.tenant_id.clone(),
            customer_id: account.customer_id.clone(),
            additional_ips: additional_ips(allocated),
            name: allocated.map(|_| self.name.clone()),
            display_name: facts.display_name.clone(),
            instance_id: self.instance_id,
            data_center: region.map(|region| region.data_center.to_owned()),
            region: self.region.clone(),
            region_name: region.map(|region| region.name.to_owned()),
            product_id: self.product_id.clone(),
            image_id: facts.image_id.clone(),
            ip_config: allocated.map(ip_config),
            mac_address: allocated.map(|hardware| hardware.mac.clone()),
            ram_mb: sized.map(|product| i64::from(product.ram_gb) * 1024),
            cpu_cores: sized.map(|product| i64::from(product.cpu_cores)),
            os_type: "Linux".to_owned(),
            disk_mb: sized.map(|product| i64::from(product.disk_gb) * 1024),
            ssh_keys: allocated.map(|_| facts.ssh_keys.clone()),
            created_date: self.created,
            cancel_date: facts.cancel_date,
            status: facts.status.as_str().to_owned(),
            v_host_id: allocated.map(|hardware| hardware.host_number + 60_000),
            v_host_number: allocated.map(|hardware| hardware.host_number),
            v_host_name: allocated.map(|hardware| format!("m{}", hardware.host_number)),
            add_ons: self.add_on_views(),
            error_message: facts.error_message.clone(),
            product_type: product.map_or("ssd", |product| product.product_type).to_owned(),
            product_name: product.map_or("", |product| product.name).to_owned(),
            default_user: allocated.and(facts.default_user.clone()),
            application_id: None,
        }
    }

    pub(super) fn add_on_views(&self) -> Vec<AddOnView> {
        self.add_ons.iter().map(|id| AddOnView { id: *id, quantity: 1 }).collect()
    }
}

pub(super) fn ip_config(hardware: &Hardware) -> IpConfigView {
    IpConfigView {
        v4: AddressView {
            ip: hardware.v4.clone(),
            netmask_cidr: 24,
            gateway: hardware.v4_gateway.clone(),
        },
        v6: AddressView {
            ip: hardware.v6.clone(),
            netmask_cidr: 64,
            gateway: "fe80::1".to_owned(),
        },
    }
}

fn additional_ips(hardware: Option<&Hardware>) -> Vec<AdditionalIpView> {
    let ip = hardware.and_then(|hardware| hardware.additional_v4.as_ref());
    ip.map(|ip| AdditionalIpView {
        v4: AddressView { ip: ip.clone(), netmask_cidr: 24, gateway: String::new() },
    })
    .into_iter()
    .collect()
}
