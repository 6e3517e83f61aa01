//! Asking for single machines, and writing down what a look showed.

use std::collections::BTreeMap;

use devpocket_specs::kind::Kind;
use devpocket_specs::machine::{Machine, MachineSpec, MachineStatus};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::{Key, Resource};
use jiff::Timestamp;

use super::attribution::ATTRIBUTED_PER_PASS;
use super::list::List;
use super::look::{self, Folded, Look, Source};
use super::run::{Around, Inventory, InventoryError};
use super::sweep::ASKED_PER_PASS;
use crate::client::ClientError;
use crate::cloud::Instance;
use crate::operation::token;
use crate::store::Revision;

/// Answers to questions about single machines, by instance id.
#[derive(Debug, Default)]
pub(super) struct Asked {
    answers: BTreeMap<i64, (Timestamp, Option<Instance>)>,
}

impl Asked {
    /// A machine that the list leaves out although it is there, and was there long enough.
    pub fn contradiction(&self, around: &Around, list: &List) -> Option<String> {
        let look = around.look(list.as_of, Source::List);
        around.machines.iter().find_map(|machine| {
            let id = machine.status.instance_id?;
            let (_, answer) = self.answers.get(&id)?;
            let old = machine.status.seen.as_ref()?.created? + look.lag < list.as_of;
            (old && answer.is_some() && !list.instances.contains_key(&id)).then(|| {
                format!("The list leaves out instance {id}, which is there when asked for")
            })
        })
    }
}

impl Inventory {
    /// Asks for machines that the list leaves out or shows changed: lists have been seen to lag for
    /// minutes, and old news would pass for a change somebody made. Changes are rare; when there
    /// are more than can be asked for, the list is believed.
    pub(super) async fn ask(&self, around: &Around, list: &List) -> Asked {
        let look = around.look(list.as_of, Source::List);
        let mut doubtful: Vec<i64> = around
            .machines
            .iter()
            .filter_map(|machine| {
                let id = machine.status.instance_id?;
                let ask = match list.instances.get(&id) {
                    Some(instance) => is_doubtful(machine, instance, &look),
                    None => machine.status.missing.as_ref().is_none_or(|m| m.not_found.is_none()),
                };
                (ask && machine.status.state != devpocket_specs::machine::MachineState::Gone)
                    .then_some(id)
            })
            .collect();
        doubtful.sort_unstable();
        doubtful.dedup();
        self.ask_some(&doubtful).await
    }

    async fn ask_some(&self, ids: &[i64]) -> Asked {
        let mut asked = Asked::default();
        if ids.is_empty() {
            return asked;
        }
        // Others get their turn in the next pass.
        let start = {
            let mut state = self.lock();
            let start = state.rotation % ids.len();
            if ids.len() > ASKED_PER_PASS {
                state.rotation = state.rotation.wrapping_add(ASKED_PER_PASS);
            }
            start
        };
        for id in ids.iter().cycle().skip(start).take(ids.len().min(ASKED_PER_PASS)) {
            let as_of = self.term.now();
            match self.term.cloud.instance(*id).await {
                Ok(answer) => {
                    asked.answers.insert(*id, (as_of, answer));
                }
                Err(error) => {
                    tracing::debug!(instance_id = id, "asked for and not answered: {error}");
                    break;
                }
            }
        }
        asked
    }

    pub(super) async fn look_at_changing(&self, around: &Around) -> Result<(), InventoryError> {
        let changing = around.records().in_transition(self.term.now());
        let ids: Vec<i64> = changing.iter().map(|(_, id)| *id).collect();
        let asked = self.ask_some(&ids).await;
        let flaw = Some("only single machines were looked at".to_owned());
        let nothing = List { as_of: self.term.now(), instances: BTreeMap::new(), flaw };
        self.write_looks(around, &nothing, &asked, false).await?;
        Ok(())
    }

    /// Writes what the list and the answers show; the revision of the last write.
    pub(super) async fn record(
        &self,
        around: &Around,
        list: &mut List,
        asked: &Asked,
        trusted: bool,
    ) -> Result<Revision, InventoryError> {
        let mut revision = self.write_looks(around, list, asked, trusted).await?;
        for stranger in around.records().strangers(list) {
            revision = revision.max(self.record_stranger(around, stranger, list.as_of).await?);
        }
        Ok(revision)
    }

    async fn write_looks(
        &self,
        around: &Around,
        list: &List,
        asked: &Asked,
        trusted: bool,
    ) -> Result<Revision, InventoryError> {
        let mut revision = 0;
        let mut lookups = ATTRIBUTED_PER_PASS;
        for machine in &around.machines {
            let Some(mut status) = fold(machine, around, list, asked, trusted) else { continue };
            self.attribute(machine, &mut status, around, &mut lookups).await;
            if list.is_complete() {
                self.attribute_late(machine, &mut status, list.as_of, &mut lookups).await;
            }
            if status != machine.status {
                revision = revision.max(self.write_look(machine, &status).await?);
            }
        }
        Ok(revision)
    }

    /// Writes the parts of a status that looks decide, on the record as it is now.
    async fn write_look(
        &self,
        machine: &Machine,
        status: &MachineStatus,
    ) -> Result<Revision, ClientError> {
        let uid = machine.metadata.uid;
        let change = |record: &mut Machine| {
            if record.metadata.uid == uid {
                record.status.seen.clone_from(&status.seen);
                record.status.missing.clone_from(&status.missing);
                record.status.outside.clone_from(&status.outside);
                record.status.instance_name.clone_from(&status.instance_name);
            }
        };
        match self.term.client.edit_status(&machine.key(), change).await {
            Ok(written) => Ok(written.metadata.revision().unwrap_or(0)),
            Err(error) if error.is_not_found() => Ok(0),
            Err(error) => Err(error),
        }
    }

    async fn record_stranger(
        &self,
        around: &Around,
        instance: &Instance,
        as_of: Timestamp,
    ) -> Result<Revision, InventoryError> {
        let key = Key::cluster(Kind::Machine, token::foreign_name(instance.id));
        let record = Machine {
            metadata: ObjectMeta::named("", &key.name),
            spec: MachineSpec { managed: false, ..MachineSpec::default() },
            status: MachineStatus::default(),
        };
        match self.term.client.create(&record).await {
            Err(error) if !error.is_already_exists() => return Err(error.into()),
            _ => {}
        }
        let look = around.look(as_of, Source::Get);
        let change = |record: &mut Machine| {
            record.status = look::present(record, instance, &look).status;
        };
        let written = self.term.client.edit_status(&key, change).await?;
        tracing::info!(instance_id = instance.id, "an instance DevPocket did not buy");
        Ok(written.metadata.revision().unwrap_or(0))
    }
}

fn is_doubtful(machine: &Machine, instance: &Instance, look: &Look) -> bool {
    let before = machine.status.seen.as_ref();
    let changed =
        before.is_some_and(|before| look::differs(before, &look::seen(instance, look.as_of)));
    changed && (machine.spec.managed || look::present(machine, instance, look).ask)
}

/// The record's status after a look; nothing when the look says nothing about it.
fn fold(
    machine: &Machine,
    around: &Around,
    list: &List,
    asked: &Asked,
    trusted: bool,
) -> Option<MachineStatus> {
    let id = machine.status.instance_id?;
    let from_list = around.look(list.as_of, Source::List);
    if let Some((as_of, answer)) = asked.answers.get(&id) {
        let look = Look { as_of: *as_of, source: Source::Get, ..from_list };
        if let Some(instance) = answer {
            return Some(look::present(machine, instance, &look).status);
        }
        if list.instances.contains_key(&id) {
            return None;
        }
        if !trusted {
            // A list that is whole and misses too much proves nothing by itself; that Contabo does
            // not know the machine when asked for it explains one absence.
            let asked = || look::asked_for(machine, *as_of);
            return list.is_complete().then(asked);
        }
        let counted = Machine {
            status: look::left_out(machine, &from_list).status,
            ..Machine::clone(machine)
        };
        return Some(look::not_found(&counted, *as_of));
    }
    match list.instances.get(&id) {
        Some(instance) => {
            let Folded { status, .. } = look::present(machine, instance, &from_list);
            Some(status)
        }
        None if trusted => Some(look::left_out(machine, &from_list).status),
        None => None,
    }
}
