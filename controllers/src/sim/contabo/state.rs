//! The account as a whole, and the one way in: [`Contabo::step`].

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::assignment::Assignment;
use super::audit::{AUDIT_LIMIT, AuditAction, AuditEntry, Changes, Trail};
use super::call::{Call, Request};
use super::custom_image::CustomImage;
use super::failure::refusal;
use super::fault::{ArmedFault, Drawn, Fault, Faults};
use super::instance::Instance;
use super::journal::{Journal, JournalEntry};
use super::ledger::Ledger;
use super::lifecycle::{Quiet, after};
use super::network::Network;
use super::operation::OperationName;
use super::reply::{Body, Effect, Reply};
use super::secret::Secret;
use super::settings::Settings;
use super::snapshot::Snapshot;
use super::tag::Tag;

/// A simulated account at Contabo. Serialise it to save it; what is loaded goes on as if nothing
/// had happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contabo {
    pub(super) seed: u64,
    pub(super) settings: Settings,
    pub(super) now: Timestamp,
    /// Shared with copies of the account until they change.
    pub(super) instances: BTreeMap<i64, Arc<Instance>>,
    /// Orders accepted so far; the next one's place in the seed's streams.
    pub(super) orders: u64,
    pub(super) last_number: Option<u64>,
    /// IPv4 addresses handed out so far.
    pub(super) addresses: u64,
    pub(super) ledger: Ledger,
    pub(super) audits: VecDeque<Arc<AuditEntry>>,
    pub(super) last_audit: i64,
    pub(super) tags: BTreeMap<i64, Tag>,
    pub(super) next_tag: i64,
    #[serde(default)]
    pub(super) assignments: BTreeSet<Assignment>,
    /// By the number in their ids, which grows.
    #[serde(default)]
    pub(super) snapshots: BTreeMap<i64, Snapshot>,
    #[serde(default)]
    pub(super) last_snapshot: i64,
    /// Custom ones only.
    #[serde(default)]
    pub(super) images: BTreeMap<String, CustomImage>,
    #[serde(default)]
    pub(super) last_image: u64,
    #[serde(default)]
    pub(super) secrets: BTreeMap<i64, Secret>,
    #[serde(default)]
    pub(super) last_secret: i64,
    #[serde(default)]
    pub(super) networks: BTreeMap<i64, Network>,
    #[serde(default)]
    pub(super) last_network: i64,
    pub(super) faults: Faults,
    pub(super) bucket: Option<Bucket>,
    pub(super) journal: Journal,
    pub(super) revision: u64,
    /// Nothing falls due before.
    #[serde(skip)]
    pub(super) quiet: Quiet,
}

/// The state of the rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Bucket {
    tokens: f64,
    at: Timestamp,
}

/// What a mutation leaves in the audits.
pub(super) struct Note {
    pub trail: Trail,
    pub action: AuditAction,
    pub resource_id: i64,
    /// The id of what has a text for one: a snapshot, an image, what carries a tag.
    pub entry: Option<String>,
    pub resource_type: Option<String>,
    pub changes: Option<Value>,
}

impl Note {
    pub fn new(trail: Trail, action: AuditAction, resource_id: i64) -> Note {
        Note { trail, action, resource_id, entry: None, resource_type: None, changes: None }
    }

    pub fn changes(self, prev: Value, new: Value) -> Note {
        Note { changes: Some(json!({ "prev": prev, "new": new })), ..self }
    }
}

impl Contabo {
    /// An empty account whose clock starts at the epoch; the first call or [`Contabo::advance`]
    /// moves it.
    pub fn new(seed: u64, settings: Settings) -> Contabo {
        Contabo {
            seed,
            settings,
            now: Timestamp::UNIX_EPOCH,
            instances: BTreeMap::new(),
            orders: 0,
            last_number: None,
            addresses: 0,
            ledger: Ledger::default(),
            audits: VecDeque::new(),
            last_audit: 0,
            tags: BTreeMap::new(),
            next_tag: 0,
            assignments: BTreeSet::new(),
            snapshots: BTreeMap::new(),
            last_snapshot: 0,
            images: BTreeMap::new(),
            last_image: 0,
            secrets: BTreeMap::new(),
            last_secret: 0,
            networks: BTreeMap::new(),
            last_network: 0,
            faults: Faults::default(),
            bucket: None,
            journal: Journal::default(),
            revision: 0,
            quiet: Quiet::default(),
        }
    }

    /// Carries out one call at `now`. A time before the last one counts as the last one.
    pub fn step(&mut self, call: &Call, now: Timestamp) -> Reply {
        self.advance(now);
        let name = call.request.name();
        let drawn = self.faults.draw(name, &self.subjects(call), self.now, self.seed);
        let reply = match drawn.refuses() {
            Some(reply) => reply,
            None => match self.over_rate() {
                Some(reply) => reply,
                None => {
                    let real = self.perform(call, &drawn).unwrap_or_else(Reply::from);
                    drawn.apply(real)
                }
            },
        };
        let reply = Drawn::deliverable(reply);
        if drawn.touched || reply.effect == Effect::Accepted {
            self.revision += 1;
        }
        let instance_id = created_id(&reply).or(call.request.instance_id());
        match instance_id {
            _ if reply.effect == Effect::Nothing => {}
            Some(id) => self.look_again(id),
            None => self.quiet = Quiet::default(),
        }
        self.journal.record(call, &reply, instance_id, self.now);
        reply
    }

    /// What the call is about, for faults that hit only some machines.
    fn subjects(&self, call: &Call) -> Vec<String> {
        if let Request::CreateInstance(body) = &call.request {
            return body.display_name.iter().cloned().collect();
        }
        let instance = call.request.instance_id().and_then(|id| self.instances.get(&id));
        instance.map_or(Vec::new(), |instance| {
            vec![instance.instance_id.to_string(), instance.facts.display_name.clone()]
        })
    }

    /// The 429 of an exhausted bucket, if there is a limit at all.
    fn over_rate(&mut self) -> Option<Reply> {
        let limit = self.settings.rate_limit?;
        let full = Bucket { tokens: limit.burst, at: self.now };
        let bucket = self.bucket.get_or_insert(full);
        let gone = self.now.duration_since(bucket.at).as_secs_f64();
        bucket.tokens = (bucket.tokens + gone * limit.per_second).min(limit.burst);
        bucket.at = self.now;
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return None;
        }
        let wait = ((1.0 - bucket.tokens) / limit.per_second.max(0.001)).ceil().max(1.0);
        Some(Reply { retry_after: limit.retry_after.then_some(wait as u64), ..refusal(429) })
    }

    /// Leaves a trace of an accepted call; the panel does not come here.
    pub(super) fn audit(&mut self, call: &Call, drawn: &Drawn, note: Note) {
        if !drawn.audited() {
            return;
        }
        let delay = self.settings.paced(self.settings.audit_delay);
        let visible_at = after(self.now, delay);
        let id_known_at = match note.action {
            AuditAction::Created if note.trail == Trail::Instances => {
                after(visible_at, self.settings.paced(self.settings.audit_id_delay))
            }
            _ => visible_at,
        };
        self.last_audit += 1;
        if self.audits.len() >= AUDIT_LIMIT {
            self.audits.pop_front();
        }
        self.audits.push_back(Arc::new(AuditEntry {
            id: self.last_audit,
            trail: note.trail,
            action: note.action,
            at: self.now,
            visible_at,
            id_known_at,
            resource_id: note.resource_id,
            entry: note.entry,
            resource_type: note.resource_type,
            changed_by: self.settings.account.user_id.clone(),
            username: self.settings.account.username.clone(),
            request_id: call.request_id.clone(),
            trace_id: call.trace_id.clone(),
            changes: note.changes.map(Changes::from),
        }));
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    pub fn seed(&self) -> u64 {
        self.seed
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Holds from the next call on; what is scheduled keeps its time.
    pub fn set_settings(&mut self, settings: Settings) {
        self.settings = settings;
        self.revision += 1;
    }

    /// Every instance that ever was, also those that are gone.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.instances.values().map(|instance| &**instance)
    }

    pub fn instance(&self, id: i64) -> Option<&Instance> {
        self.instances.get(&id).map(|instance| &**instance)
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// All entries, oldest first, also those that no list shows yet.
    pub fn audits(&self) -> impl Iterator<Item = &AuditEntry> {
        self.audits.iter().map(|entry| &**entry)
    }

    pub fn tags(&self) -> impl Iterator<Item = &Tag> {
        self.tags.values()
    }

    /// Arms a fault and returns its id; refuses one that makes no sense, with the reason.
    pub fn arm(&mut self, fault: Fault) -> Result<u64, String> {
        let id = self.faults.arm(fault)?;
        self.revision += 1;
        Ok(id)
    }

    /// Faults that can still fire.
    pub fn faults(&self) -> &[ArmedFault] {
        &self.faults.armed
    }

    /// Disarms one fault; false if there is none of that id.
    pub fn disarm(&mut self, id: u64) -> bool {
        let before = self.faults.armed.len();
        self.faults.armed.retain(|armed| armed.id != id);
        self.revision += 1;
        self.faults.armed.len() < before
    }

    /// Disarms all; returns how many there were.
    pub fn disarm_all(&mut self) -> usize {
        self.revision += 1;
        std::mem::take(&mut self.faults.armed).len()
    }

    /// The latest calls, oldest first.
    pub fn journal(&self) -> impl DoubleEndedIterator<Item = &JournalEntry> {
        self.journal.entries.iter()
    }

    /// Calls of an operation so far, those included that a fault hit.
    pub fn calls(&self, name: OperationName) -> u64 {
        self.journal.counts.get(&name).copied().unwrap_or(0)
    }

    /// Calls so far that try to change the account.
    pub fn mutating_calls(&self) -> u64 {
        let counts = self.journal.counts.iter();
        counts.filter(|(name, _)| name.is_mutation()).map(|(_, count)| count).sum()
    }

    /// Changes whenever something other than the passing of time and the journal has changed: what
    /// must be saved before a reply is sent.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How far lists are behind, at the set speed.
    pub fn list_lag(&self) -> SignedDuration {
        self.settings.paced(self.settings.list_lag)
    }
}

fn created_id(reply: &Reply) -> Option<i64> {
    match &reply.body {
        Body::Created(view) => Some(view.instance_id),
        _ => None,
    }
}
