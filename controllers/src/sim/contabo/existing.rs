//! Putting an account together from outside: machines that were bought before the model began.
//!
//! What was paid for them before is not known, so the ledger begins empty: it counts what falls due
//! from now on.

use std::sync::Arc;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::Contabo;
use super::catalogue::{Extras, find_product, find_region, term_cents};
use super::contract::{Contract, date_of};
use super::fault::Outcome;
use super::image::{IMAGES, Image};
use super::instance::{Facts, Instance, Next, Origin, Pending, Status};
use super::lifecycle::after;
use super::naming;
use super::order::guest;
use super::secret::{Secret, SecretKind};
use super::snapshot::{SNAPSHOT_LIFE, Snapshot};
use super::tag::Tag;

/// A contract that began earlier is not counted on to now.
const TERMS: i64 = 10_000;
/// Passes for a password of a secret nobody can read.
const PASSWORD: &str = "Simulated!?123";
/// Passes for a public key.
const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEsimulated";

/// A machine that is there already.
#[derive(Clone, Debug)]
pub struct Existing {
    pub product_id: String,
    pub region: String,
    pub status: Status,
    /// A standard image by name; anything else is an image of the customer's own.
    pub image: Option<String>,
    pub created: Timestamp,
    /// Length of a term.
    pub months: i64,
    /// What a month costs, in EUR cents; `None` is the model's own price, or nothing.
    pub monthly_cents: Option<i64>,
    pub cancel_date: Option<Date>,
    pub display_name: String,
    /// When each was made, and when it expires.
    pub snapshots: Vec<(Timestamp, Option<Timestamp>)>,
}

impl Contabo {
    /// Puts a machine into the account as it stands now, without an order; its id. Nothing is
    /// charged for terms that have begun.
    pub fn put(&mut self, existing: &Existing) -> i64 {
        let number = naming::next_number(self.seed, self.orders, self.last_number);
        let id = naming::instance_id(number);
        self.orders += 1;
        self.last_number = Some(number);
        let hardware = has_hardware(&existing.status).then(|| {
            self.addresses += 1;
            naming::hardware(self.seed, id, self.addresses - 1)
        });
        let image_id = self.image_of(existing.image.as_deref());
        let pending = match existing.status {
            Status::Provisioning => Some((self.provisioning(id), Next::Allocate)),
            Status::Installing => Some((self.installing(id), Next::Installed)),
            Status::ResetPassword => Some((self.settings.reset_password, Next::PasswordSet)),
            _ => None,
        };
        let errs = existing.status == Status::Error;
        let mut instance = Instance {
            instance_id: id,
            name: naming::name(number),
            product_id: existing.product_id.clone(),
            region: existing.region.clone(),
            created: existing.created,
            origin: Origin::Api,
            facts: Facts {
                display_name: existing.display_name.clone(),
                status: existing.status.clone(),
                image_id,
                ssh_keys: Vec::new(),
                default_user: Some("admin".to_owned()),
                hardware,
                cancel_date: existing.cancel_date,
                error_message: errs.then(|| "in error when the account was taken over".to_owned()),
            },
            contract: self.running_contract(existing),
            guest: guest(None),
            published: Vec::new(),
            gettable_from: existing.created,
            pending: pending.map(|(wait, next)| Pending { at: after(self.now, wait), next }),
            outcome: Outcome::Normal,
            reverts_name: false,
            gone: None,
            add_ons: Vec::new(),
        };
        if has_system(&existing.status) {
            instance.guest.generation = 1;
            instance.guest.installed = Some(existing.created);
            instance.guest.boots = 1;
        }
        // It was there for long: lists know it.
        instance.publish(self.now, self.now);
        self.instances.insert(id, Arc::new(instance));
        for (made, expires) in &existing.snapshots {
            self.put_snapshot(id, *made, *expires);
        }
        self.revision += 1;
        self.quiet = Default::default();
        id
    }

    /// The contract as it is now: paid to the end of the running term.
    fn running_contract(&self, existing: &Existing) -> Contract {
        let own = find_product(&existing.product_id).zip(find_region(&existing.region));
        let cents = match (existing.monthly_cents, own) {
            (Some(cents), _) => cents.saturating_mul(existing.months),
            (None, Some((product, region))) => {
                term_cents(product, region, existing.months, Extras::default())
            }
            (None, None) => 0,
        };
        let mut contract = Contract::new(existing.months, existing.created, cents);
        while contract.paid_through <= self.now && contract.terms < TERMS {
            contract.renew();
        }
        if let Some(last) = existing.cancel_date {
            // Not all contracts end with a term as this model counts them.
            let midnight = last.to_zoned(TimeZone::UTC).map(|day| day.timestamp());
            let midnight = midnight.unwrap_or(contract.paid_through);
            contract.cancel(Some(last));
            if contract.ends.map(date_of) != Some(last) {
                contract.ends = Some(midnight);
            }
        }
        contract
    }

    /// The id of a standard image, or of one that is nobody's.
    fn image_of(&self, name: Option<&str>) -> String {
        let known = name.and_then(|name| IMAGES.iter().find(|image: &&Image| image.name == name));
        if let Some(image) = known {
            return image.id.to_owned();
        }
        let digest = Sha256::digest(name.unwrap_or_default().as_bytes());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    fn put_snapshot(&mut self, id: i64, created: Timestamp, expires: Option<Timestamp>) {
        let Some(instance) = self.instance(id) else { return };
        let (image_id, guest) = (instance.facts.image_id.clone(), instance.guest.clone());
        let mut number = created.as_second();
        while self.snapshots.contains_key(&number) {
            number += 1;
        }
        self.last_snapshot = self.last_snapshot.max(number);
        let snapshot = Snapshot {
            snapshot_id: format!("snap{number}"),
            name: format!("snapshot-{}", self.snapshots.len() + 1),
            description: String::new(),
            instance_id: id,
            created,
            complete_from: created,
            deleted_at: expires.unwrap_or_else(|| after(created, SNAPSHOT_LIFE)),
            image_name: self.image_name(&image_id),
            image_id,
            guest,
        };
        self.snapshots.insert(number, snapshot);
    }

    /// Puts a tag into the account; its id.
    pub fn put_tag(&mut self, name: &str) -> i64 {
        self.next_tag += 1;
        let tag = Tag {
            tag_id: self.next_tag,
            name: name.to_owned(),
            color: "#0A78C3".to_owned(),
            description: String::new(),
        };
        self.tags.insert(tag.tag_id, tag);
        self.revision += 1;
        self.next_tag
    }

    /// Puts a secret into the account, with a value that opens nothing; its id.
    pub fn put_secret(&mut self, kind: SecretKind) -> i64 {
        self.last_secret += 1;
        let value = match kind {
            SecretKind::Password => PASSWORD,
            SecretKind::Ssh => KEY,
        };
        let secret = Secret {
            secret_id: self.last_secret,
            name: format!("secret-{}", self.last_secret),
            kind,
            value: value.to_owned(),
            created: self.now - SignedDuration::from_secs(1),
            updated: self.now,
        };
        self.secrets.insert(secret.secret_id, secret);
        self.revision += 1;
        self.last_secret
    }
}

/// Whether something was allocated: what waits for money, stock or people has nothing yet.
fn has_hardware(status: &Status) -> bool {
    !matches!(
        status,
        Status::Provisioning
            | Status::PendingPayment
            | Status::ProductNotAvailable
            | Status::ManualProvisioning
            | Status::VerificationRequired
    )
}

/// Whether something is installed on it.
fn has_system(status: &Status) -> bool {
    has_hardware(status) && !matches!(status, Status::Installing | Status::Uninstalled)
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    fn machine(created: &str, cancel: Option<&str>) -> Existing {
        Existing {
            product_id: "V91".into(),
            region: "EU".into(),
            status: Status::Running,
            image: Some("debian-12".into()),
            created: created.parse().unwrap(),
            months: 1,
            monthly_cents: Some(400),
            cancel_date: cancel.map(|day| day.parse().unwrap()),
            display_name: "machine-1".into(),
            snapshots: vec![("2026-03-01T00:00:00Z".parse().unwrap(), None)],
        }
    }

    fn begun() -> Contabo {
        let mut account = Contabo::new(1, Settings::prompt());
        account.advance("2026-03-10T12:00:00Z".parse().unwrap());
        account
    }

    #[test]
    fn it_renews_on_its_own_day_at_its_own_price_and_nothing_is_charged_before() {
        let mut account = begun();
        let id = account.put(&machine("2025-01-31T10:00:00Z", None));
        assert_eq!(account.ledger().entries.len(), 0);
        let paid = account.instance(id).unwrap().contract.paid_through;
        assert_eq!(paid.to_string(), "2026-03-31T10:00:00Z");
        account.advance("2026-05-01T00:00:00Z".parse().unwrap());
        let charged: Vec<String> =
            account.ledger().entries.iter().map(|e| e.at.to_string()).collect();
        assert_eq!(charged, ["2026-03-31T10:00:00Z", "2026-04-30T10:00:00Z"]);
        assert_eq!(account.ledger().total_cents, 800);
        assert_eq!(account.snapshots().count(), 0, "thirty days are over");
    }

    #[test]
    fn a_cancelled_one_goes_on_its_day_and_is_not_charged_again() {
        let mut account = begun();
        let on_term = account.put(&machine("2026-01-20T10:00:00Z", Some("2026-03-20")));
        let off_term = account.put(&machine("2026-01-20T10:00:00Z", Some("2026-03-25")));
        for id in [on_term, off_term] {
            assert!(account.instance(id).unwrap().exists());
        }
        account.advance("2026-03-26T00:00:00Z".parse().unwrap());
        for id in [on_term, off_term] {
            assert!(!account.instance(id).unwrap().exists(), "{id}");
        }
        account.check().unwrap();
    }
}
