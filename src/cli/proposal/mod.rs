//! A proposal: what applying some documents would do, and doing exactly that.
//!
//! # The hash
//! Each environment has a plan of its own, with a hash of its own (`specs::plan`). A proposal is
//! about several documents, so its hash is SHA-256 over one line per document that would change, in
//! the order of their names: kind, namespace, name, SHA-256 of the `spec` as it would be stored, and
//! the environment's plan hash. It is shown with [`HASH_SHOWN`] digits; whoever names it may name
//! any number of digits from there on. `apply --plan` makes the proposal anew and refuses if its
//! hash is another one; each write then carries the environment's own hash, and the server refuses
//! where the world has moved in between.
//!
//! With `--prune` the set is in it, and what goes: its uid, what becomes of its machine, and the hash of its
//! plan ([`prune`]).
//!
//! # Caveats
//! An environment whose namespace or template is created by the same call cannot be planned by the
//! server yet: its purchase is shown from the catalogue, and its write carries no hash.

mod build;
mod consent;
mod markdown;
mod membership;
mod prune;
pub mod release;
mod send;
mod show;
mod stale;

use devpocket_specs::environment::Environment;
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::money::Money;
use devpocket_specs::object::Key;
use devpocket_specs::plan::{Fact, Plan, RiskClass, Step, hex};
use jiff::civil::Date;
use serde_json::Value;
use sha2::{Digest, Sha256};

pub use build::{Wanted, build, compared, content, differences, planned, priced};
pub use consent::ask;
pub use markdown::markdown;
pub use membership::{Set, Terms};
pub use prune::{Pruned, too_many};
pub use send::{Manner, approve, send};
pub use show::{document, show};
pub use stale::stale;

/// Digits of a hash that are shown, and the fewest that are accepted.
pub const HASH_SHOWN: usize = 6;

/// What would become of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    New,
    Changed,
    Unchanged,
    /// Its file is gone, and its set deletes it.
    Goes,
}

impl Fate {
    /// From the word the server has for it.
    fn of(change: &str) -> Fate {
        match change {
            "Create" => Fate::New,
            "None" => Fate::Unchanged,
            _ => Fate::Changed,
        }
    }

    /// As programs read it.
    pub fn word(self) -> &'static str {
        match self {
            Fate::New => "new",
            Fate::Changed => "changed",
            Fate::Unchanged => "unchanged",
            Fate::Goes => "deleted",
        }
    }
}

/// One document and what it would do.
#[derive(Clone, Debug)]
pub struct Item {
    pub key: Key,
    /// As it is sent; of what goes, as it is.
    pub document: Value,
    pub fate: Fate,
    /// `size vps-20-nvme → vps-30-nvme`
    pub differences: Vec<String>,
    /// What is declared in the record as it is, and as it would be: labels, annotations, and what
    /// the kind has. Without what the server fills in beside it.
    pub before: Option<Value>,
    pub after: Value,
    /// What the hash covers: the `spec` as it would be stored.
    pub spec: Value,
    pub environment: Option<Box<Environment>>,
    pub plan: Plan,
    /// What the plan rests on.
    pub facts: Vec<Fact>,
    /// What is worth knowing beside it, a sentence each.
    pub notes: Vec<String>,
    /// Planned by the server, so that its hash can be sent along.
    pub planned: bool,
    /// As declared already, by others: applying it says that this caller declares it too.
    pub owned_by_others: bool,
}

impl Item {
    /// Whether the declaration may ask for steps in the world.
    pub fn is_environment(&self) -> bool {
        self.key.kind == Kind::Environment
    }

    /// Neither a write nor a step.
    pub fn is_idle(&self) -> bool {
        self.fate == Fate::Unchanged && self.plan.is_empty()
    }

    /// Steps that still lack consent.
    pub fn unapproved(&self) -> impl Iterator<Item = &Step> {
        self.plan.steps.iter().filter(|step| step.fingerprint.is_some() && !step.approved)
    }
}

/// What some documents would do together.
#[derive(Clone, Debug)]
pub struct Proposal {
    pub items: Vec<Item>,
    pub hash: String,
    pub installation: Option<Installation>,
    /// Day of the prices, where there are any.
    pub prices_of: Option<Date>,
    /// Spent and promised this month.
    pub committed: Option<Money>,
    /// Where the files are a set that deletes what they no longer hold.
    pub pruned: Option<Pruned>,
}

impl Proposal {
    /// A proposal of these items, with its hash.
    pub fn of(
        items: Vec<Item>,
        installation: Option<Installation>,
        pruned: Option<Pruned>,
    ) -> Proposal {
        let lines = items.iter().filter(|item| !item.is_idle()).map(line);
        let hash = hash_of(lines.chain(set_line(pruned.as_ref())).collect());
        Proposal { items, hash, installation, prices_of: None, committed: None, pruned }
    }

    pub fn steps(&self) -> impl Iterator<Item = &Step> {
        self.items.iter().flat_map(|item| &item.plan.steps)
    }

    pub fn is_idle(&self) -> bool {
        self.items.iter().all(Item::is_idle)
    }

    /// Whether a person means this proposal.
    pub fn is_meant(&self, hash: &str) -> bool {
        hash.len() >= HASH_SHOWN && self.hash.starts_with(hash)
    }

    pub fn shown_hash(&self) -> &str {
        &self.hash[..HASH_SHOWN]
    }

    pub fn worst(&self) -> Option<RiskClass> {
        self.steps().map(|step| step.class).max()
    }

    /// What is due at once, by currency: two are never added.
    pub fn due(&self) -> Vec<Money> {
        sum(self.steps().filter_map(|step| step.due.as_ref()))
    }

    /// Change of the monthly cost, by currency.
    pub fn monthly(&self) -> Vec<Money> {
        sum(self.steps().filter_map(|step| step.monthly.as_ref()))
    }
}

fn sum<'a>(amounts: impl Iterator<Item = &'a Money>) -> Vec<Money> {
    let mut sums: Vec<Money> = Vec::new();
    for amount in amounts {
        match sums.iter_mut().find(|sum| sum.currency == amount.currency) {
            Some(sum) => *sum = sum.checked_add(amount).unwrap_or_else(|| sum.clone()),
            None => sums.push(amount.clone()),
        }
    }
    sums
}

fn hash_of(mut lines: Vec<String>) -> String {
    lines.sort();
    hex(&Sha256::digest(lines.concat().as_bytes()))[..12].to_owned()
}

/// What is agreed to as a set is not agreed to without it.
fn set_line(pruned: Option<&Pruned>) -> Option<String> {
    pruned.map(|pruned| format!("set\0{}\n", pruned.set.selector()))
}

fn line(item: &Item) -> String {
    line_of(&item.key, &item.spec, &item.plan.hash)
}

fn line_of(key: &Key, spec: &Value, plan_hash: &str) -> String {
    let spec = hex(&Sha256::digest(spec.to_string().as_bytes()));
    format!("{key}\0{spec}\0{plan_hash}\n")
}
