//! What follows from a list of the account: pure functions of the list and the records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use devpocket_specs::installation::Installation;
use devpocket_specs::machine::{Machine, MachineState};
use devpocket_specs::operation::{Operation, OperationPhase, Verb};
use jiff::{SignedDuration, Timestamp};

use super::list::List;
use super::look::{differs, seen};
use crate::cloud::Instance;
use crate::guard::{Trust, trust};
use crate::machine::term::day;
use crate::operation::token;

/// Machines asked for by id in one pass.
pub const ASKED_PER_PASS: usize = 10;
/// After an effect a machine is looked at often for this long.
pub const WATCHED_AFTER_EFFECT: SignedDuration = SignedDuration::from_mins(3);
/// A machine that is being made ready is looked at often for this long since it last changed;
/// what takes longer (payment, staff) is seen soon enough by the sweep.
pub const WATCHED_WHILE_CHANGING: SignedDuration = SignedDuration::from_mins(30);

/// The records a list is compared with.
#[derive(Clone, Copy)]
pub struct Records<'a> {
    pub installation: &'a Installation,
    pub machines: &'a [Arc<Machine>],
    pub operations: &'a [Arc<Operation>],
}

impl<'a> Records<'a> {
    /// The record of each instance; a machine of ours before a stranger's record.
    pub fn owners(&self) -> BTreeMap<i64, &'a Arc<Machine>> {
        let mut owners: BTreeMap<i64, &Arc<Machine>> = BTreeMap::new();
        for machine in self.machines {
            let Some(id) = machine.status.instance_id else { continue };
            let entry = owners.entry(id).or_insert(machine);
            if machine.spec.managed {
                *entry = machine;
            }
        }
        owners
    }

    /// Instances that need a record as strangers: nobody's, and not on their way to become the
    /// instance of a purchase that is being answered right now.
    pub fn strangers<'l>(&self, list: &'l List) -> Vec<&'l Instance> {
        let owners = self.owners();
        let bought: BTreeSet<i64> =
            self.operations.iter().filter_map(|o| o.status.instance_id).collect();
        list.instances
            .values()
            .filter(|instance| !owners.contains_key(&instance.id))
            .filter(|instance| !bought.contains(&instance.id) && !self.is_being_bought(instance))
            .collect()
    }

    fn is_being_bought(&self, instance: &Instance) -> bool {
        self.operations.iter().any(|operation| {
            operation.spec.verb == Verb::Purchase
                && operation.status.phase == OperationPhase::Issued
                && token::bears(
                    &instance.display_name,
                    &self.installation.spec.id,
                    &operation.spec.machine,
                )
        })
    }

    /// What the list is worth where it shows nothing.
    pub fn trust(&self, list: &List) -> Trust {
        let today = day(list.as_of);
        let (mut known, mut explained) = (BTreeSet::new(), BTreeSet::new());
        for machine in self.machines {
            let Some(id) = machine.status.instance_id else { continue };
            known.insert(id);
            let status = &machine.status;
            let over = status.seen.as_ref().and_then(|s| s.cancel_date).is_some_and(|d| d <= today);
            // Once it was asked for and is not there, its absence is no news any more.
            let asked = status.missing.as_ref().is_some_and(|m| m.not_found.is_some());
            if over || asked || status.state == MachineState::Gone {
                explained.insert(id);
            }
        }
        let listed: BTreeSet<i64> = list.instances.keys().copied().collect();
        trust(&known, &explained, &listed, list.is_complete())
    }

    /// Instances that bear a name this installation gives, of a record the database does not
    /// have: it once had it. Those a person has accepted are left out.
    pub fn forgotten(&self, list: &List) -> Vec<String> {
        let here = &self.installation.spec.id;
        let accepted = self.installation.status.behind_accepted;
        let names: BTreeSet<&str> =
            self.machines.iter().map(|m| m.metadata.name.as_str()).collect();
        let owners = self.owners();
        let mut forgotten = Vec::new();
        for instance in list.instances.values() {
            let owner = owners.get(&instance.id);
            let known = owner.is_some_and(|m| m.spec.managed);
            let seen_at = owner.and_then(|m| m.metadata.creation_timestamp);
            let waved = accepted.is_some_and(|at| seen_at.is_some_and(|seen| seen <= at));
            let lost = token::tokens(&instance.display_name)
                .into_iter()
                .find(|t| t.installation == *here && !names.contains(t.machine.as_str()));
            if let Some(lost) = lost.filter(|_| !known && !waved) {
                forgotten.push(format!(
                    "instance {} ({}) was bought by this installation as {}, which the database \
                     does not know",
                    instance.id, instance.display_name, lost.machine
                ));
            }
        }
        forgotten
    }

    /// Everything in which account and database differ, in sentences: for a person who has to
    /// decide whether an old database may go on.
    pub fn differences(&self, list: &List) -> Vec<String> {
        let owners = self.owners();
        let mut all = self.forgotten(list);
        for instance in list.instances.values() {
            let bears = token::tokens(&instance.display_name);
            match owners.get(&instance.id) {
                None => {
                    let sentence = format!(
                        "instance {} ({}) is in the account and not in the database",
                        instance.id, instance.display_name
                    );
                    let named =
                        all.iter().any(|d| d.contains(&format!("instance {} ", instance.id)));
                    if !named || bears.is_empty() {
                        all.push(sentence);
                    }
                }
                Some(machine) => all.extend(changed(machine, instance, list.as_of)),
            }
        }
        for machine in self.machines {
            let Some(id) = machine.status.instance_id else { continue };
            if !list.instances.contains_key(&id) && machine.status.state != MachineState::Gone {
                all.push(format!(
                    "{} (instance {id}) is in the database and not in the account",
                    machine.metadata.name
                ));
            }
        }
        all
    }

    /// Machines on which something is under way, to be looked at often.
    pub fn in_transition(&self, now: Timestamp) -> Vec<(String, i64)> {
        self.machines
            .iter()
            .filter(|machine| machine.spec.managed && machine.status.state != MachineState::Gone)
            .filter_map(|machine| Some((machine, machine.status.instance_id?)))
            .filter(|(machine, _)| self.changes_now(machine, now))
            .map(|(machine, id)| (machine.metadata.name.clone(), id))
            .collect()
    }

    fn changes_now(&self, machine: &Machine, now: Timestamp) -> bool {
        let changing = match &machine.status.seen {
            None => true,
            Some(seen) => {
                matches!(
                    seen.provider_status.as_str(),
                    "provisioning" | "installing" | "reset_password"
                ) && now.duration_since(seen.since) < WATCHED_WHILE_CHANGING
            }
        };
        changing
            || self.operations.iter().any(|operation| {
                let status = &operation.status;
                let ended = status.ended_at;
                let recent = ended.is_some_and(|at| now.duration_since(at) < WATCHED_AFTER_EFFECT);
                let open = status.phase == OperationPhase::Issued;
                operation.spec.machine == machine.metadata.name
                    && operation.spec.verb != Verb::Purchase
                    && (open || (recent && status.phase != OperationPhase::Rejected))
            })
    }

    /// Whether somebody waits for a list newer than the last one: a machine that is to be bought.
    pub fn wants_sweep(&self) -> bool {
        let sweep = self.installation.status.sweep.as_ref();
        self.machines.iter().any(|machine| {
            let created = machine.metadata.creation_timestamp;
            machine.spec.managed
                && machine.spec.claim.is_some()
                && machine.status.instance_id.is_none()
                && sweep.is_none_or(|sweep| created.is_some_and(|at| at > sweep.as_of))
        })
    }
}

fn changed(machine: &Machine, instance: &Instance, as_of: Timestamp) -> Option<String> {
    let before = machine.status.seen.as_ref()?;
    let now = seen(instance, as_of);
    if !differs(before, &now) {
        return None;
    }
    let mut words = Vec::new();
    if before.provider_status != now.provider_status {
        words.push(format!("was {} and is {}", before.provider_status, now.provider_status));
    }
    if before.display_name != now.display_name {
        words.push(format!(
            "was called {:?} and is called {:?}",
            before.display_name, now.display_name
        ));
    }
    if before.cancel_date != now.cancel_date {
        let date = now.cancel_date.map_or("no day".to_owned(), |date| date.to_string());
        words.push(format!("ends on {date} now"));
    }
    if before.image_id != now.image_id {
        words.push("has another image".to_owned());
    }
    if words.is_empty() {
        words.push("looks different".to_owned());
    }
    let (name, id) = (&machine.metadata.name, instance.id);
    Some(format!("{name} (instance {id}) {}", words.join(", ")))
}
