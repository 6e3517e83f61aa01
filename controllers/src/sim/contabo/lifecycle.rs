//! Time: what is due happens, in the order in which it falls due, however far the clock jumps.
//!
//! `advance(a); advance(b)` and `advance(b)` leave the same state: every event is dated with the
//! moment it was due, never with the moment it was noticed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Contabo;
use super::contract::Due;
use super::fault::Outcome;
use super::instance::{Instance, Next, Pending, Status};
use super::ledger::{Charge, LedgerEntry};
use super::naming;
use super::seed::{self, Stream};

/// Nothing falls due before this moment; unknown after every change. Only a shortcut: it is not
/// part of the state, so it is neither saved nor compared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Quiet(pub(super) Option<Timestamp>);

impl PartialEq for Quiet {
    fn eq(&self, _: &Quiet) -> bool {
        true
    }
}

impl Contabo {
    /// Lets time pass. A clock that goes back is ignored.
    pub fn advance(&mut self, now: Timestamp) {
        if self.quiet.0.is_none_or(|until| until <= now) {
            self.happen_until(now);
        }
        self.now = self.now.max(now);
        self.drop_old_snapshots();
    }

    /// Everything that is due, in order. What happens to one machine changes when the next thing
    /// happens to it and to no other, so one look at all of them is enough, however many are due.
    fn happen_until(&mut self, now: Timestamp) {
        let all = self.instances().filter_map(due_of);
        let mut due: BinaryHeap<Reverse<(Timestamp, i64)>> =
            all.filter(|(at, _)| *at <= now).map(Reverse).collect();
        while let Some(Reverse((at, id))) = due.pop() {
            self.happen(id, at);
            let next = self.instance(id).and_then(due_of);
            due.extend(next.filter(|(at, _)| *at <= now).map(Reverse));
        }
        let next = self.next_event().map_or(Timestamp::MAX, |(at, _)| at);
        self.quiet = Quiet(Some(next));
    }

    /// This machine changed, and no other: it may be due sooner than anything was before.
    pub(super) fn look_again(&mut self, id: i64) {
        let due = self.instance(id).and_then(due_of);
        let due = due.map_or(Timestamp::MAX, |(at, _)| at);
        self.quiet = Quiet(self.quiet.0.map(|until| until.min(due)));
    }

    /// When something happens next without a call: a machine gets ready, a contract renews. For a
    /// virtual clock that jumps.
    pub fn next_due(&self) -> Option<Timestamp> {
        let snapshots = self.snapshots.values().map(|snapshot| snapshot.deleted_at).min();
        self.next_event().map(|(at, _)| at).into_iter().chain(snapshots).min()
    }

    fn next_event(&self) -> Option<(Timestamp, i64)> {
        self.instances().filter_map(due_of).min()
    }

    fn happen(&mut self, id: i64, at: Timestamp) {
        let Some(instance) = self.instances.get_mut(&id).map(Arc::make_mut) else { return };
        match instance.pending {
            Some(pending) if pending.at <= at => {
                instance.pending = None;
                self.complete(id, pending.next, at);
            }
            _ => self.contract_due(id, at),
        }
        self.publish(id, at);
    }

    fn contract_due(&mut self, id: i64, at: Timestamp) {
        let Some(instance) = self.instances.get_mut(&id).map(Arc::make_mut) else { return };
        match instance.contract.due() {
            Due::End(end) => {
                remove(instance, end);
                self.forget(id);
            }
            Due::Renew(_) => {
                instance.contract.renew();
                self.ledger.charge(LedgerEntry {
                    number: 0,
                    at,
                    kind: Charge::Renewal,
                    instance_id: id,
                    display_name: instance.facts.display_name.clone(),
                    product_id: instance.product_id.clone(),
                    region: instance.region.clone(),
                    months: instance.contract.months,
                    cents: instance.contract.term_cents,
                    request_id: None,
                });
            }
        }
    }

    /// What belongs to an instance that is gone goes with it.
    pub(super) fn forget(&mut self, id: i64) {
        self.snapshots.retain(|_, snapshot| snapshot.instance_id != id);
        for network in self.networks.values_mut() {
            network.members.remove(&id);
        }
        self.untag("instance", &id.to_string());
    }

    fn complete(&mut self, id: i64, next: Next, at: Timestamp) {
        let installing = self.installing(id);
        let address = self.addresses;
        let Some(instance) = self.instances.get_mut(&id).map(Arc::make_mut) else { return };
        match next {
            Next::Allocate => {
                let mut hardware = naming::hardware(self.seed, id, address);
                self.addresses += 1;
                if instance.add_ons.contains(&naming::ADDITIONAL_IP) {
                    hardware.additional_v4 = Some(naming::v4(address + 1).0);
                    self.addresses += 1;
                }
                instance.facts.hardware = Some(hardware);
                let stuck = instance.outcome == Outcome::StuckInstalling;
                begin_install(instance, (!stuck).then(|| after(at, installing)));
            }
            Next::Installed => installed(instance, at),
            Next::PowerOn | Next::Reboot => {
                instance.facts.status = Status::Running;
                instance.guest.boots += 1;
            }
            Next::PowerOff => instance.facts.status = Status::Stopped,
            Next::Rescue => instance.facts.status = Status::Rescue,
            Next::PasswordSet => instance.facts.status = Status::Running,
        }
    }

    /// How long this instance's next installation takes.
    pub(super) fn installing(&self, id: i64) -> SignedDuration {
        let generation = self.instances.get(&id).map_or(0, |instance| instance.guest.generation);
        self.uneven(self.settings.installing, id, u64::from(generation) + 1)
    }

    /// How long the order of this instance is in provisioning.
    pub(super) fn provisioning(&self, id: i64) -> SignedDuration {
        self.uneven(self.settings.provisioning, id, 0)
    }

    /// 80 to 120 % of a duration, at the set speed: machines ordered together finish apart.
    fn uneven(&self, duration: SignedDuration, id: i64, round: u64) -> SignedDuration {
        let number = id.unsigned_abs().wrapping_mul(1 << 16).wrapping_add(round);
        let percent = seed::between(self.seed, Stream::Timing, number, 80, 120);
        let millis = self.settings.paced(duration).as_millis() * i128::from(percent) / 100;
        SignedDuration::from_millis(millis.min(i128::from(i64::MAX)) as i64)
    }

    /// Lists show the present facts once the lag has passed.
    pub(super) fn publish(&mut self, id: i64, at: Timestamp) {
        let from = after(at, self.settings.paced(self.settings.list_lag));
        if let Some(instance) = self.instances.get_mut(&id).map(Arc::make_mut) {
            instance.publish(at, from);
        }
    }
}

/// What happens to a machine next, if anything does.
fn due_of(instance: &Instance) -> Option<(Timestamp, i64)> {
    let contract = instance.contract.due().at();
    let pending = instance.pending.map_or(contract, |pending| pending.at);
    let at = contract.min(pending);
    // At the end of time contracts renew for ever; nothing is due there.
    (instance.exists() && at < Timestamp::MAX).then_some((at, instance.instance_id))
}

/// A moment later, or the end of time.
pub(super) fn after(at: Timestamp, duration: SignedDuration) -> Timestamp {
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

/// The machine and its disk are no more; the record stays for the ledger and the curious.
pub(super) fn remove(instance: &mut Instance, at: Timestamp) {
    instance.gone = Some(at);
    instance.pending = None;
}

/// The disk is wiped and an installation runs; without `done` it never ends.
pub(super) fn begin_install(instance: &mut Instance, done: Option<Timestamp>) {
    instance.facts.status = Status::Installing;
    instance.facts.error_message = None;
    instance.guest.generation += 1;
    instance.guest.installed = None;
    instance.guest.boots = 0;
    instance.pending = done.map(|at| Pending { at, next: Next::Installed });
}

fn installed(instance: &mut Instance, at: Timestamp) {
    if std::mem::take(&mut instance.reverts_name) {
        instance.facts.display_name = String::new();
    }
    // A bad outcome spoils the first installation; a reinstallation repairs it.
    match std::mem::take(&mut instance.outcome) {
        Outcome::Error(message) => {
            instance.facts.status = Status::Error;
            instance.facts.error_message = Some(message);
        }
        Outcome::UnknownStatus(text) => {
            instance.facts.status = Status::Novel(text);
            boot(instance, at);
        }
        _ => {
            instance.facts.status = Status::Running;
            boot(instance, at);
        }
    }
}

fn boot(instance: &mut Instance, at: Timestamp) {
    instance.guest.installed = Some(at);
    instance.guest.boots = 1;
}
