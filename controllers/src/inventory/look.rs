//! One look at one instance, folded into what its record says.
//!
//! - A status is written only when something in it changed; the time of an unchanged look is the
//!   sweep's.
//! - Lists lag behind single reads. What a list shows changed is asked for by id where possible; a
//!   list that contradicts a newer change within the lag allowance is never believed alone.
//! - Being left out of a list is counted only if the list was complete and trusted, and only as
//!   often as the proof needs, so that a missing machine costs three writes and not one a minute.

use devpocket_specs::machine::{Machine, MachineStatus, Missing, Seen};
use jiff::{SignedDuration, Timestamp};

use crate::cloud::Instance;
use crate::machine::state::power;

/// How an instance was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the list of all instances.
    List,
    /// By its id.
    Get,
}

/// What a fold needs to know besides the record and the instance.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// When it started.
    pub as_of: Timestamp,
    pub source: Source,
    pub lag: SignedDuration,
    /// Distance between sweeps that count as evidence of absence.
    pub spacing: SignedDuration,
}

/// What became of the record's status.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    pub status: MachineStatus,
    /// The list is not to be believed about this one: ask for it by id.
    pub ask: bool,
}

/// What an instance looks like, in our words.
pub fn seen(instance: &Instance, as_of: Timestamp) -> Seen {
    Seen {
        provider_status: instance.status.clone(),
        power: power(&instance.status),
        display_name: instance.display_name.clone(),
        product_id: instance.product_id.clone(),
        region: instance.region.clone(),
        image_id: instance.image_id.clone(),
        address: instance.address.clone(),
        address_v6: instance.address_v6.clone(),
        cancel_date: instance.cancel_date,
        created: instance.created,
        error_message: instance.error_message.clone(),
        since: as_of,
    }
}

/// Whether two looks differ in anything but their time.
pub fn differs(a: &Seen, b: &Seen) -> bool {
    let mut b = b.clone();
    b.since = a.since;
    *a != b
}

/// The instance is there.
pub fn present(machine: &Machine, instance: &Instance, look: &Look) -> Folded {
    let mut status = machine.status.clone();
    status.missing = None;
    status.instance_id.get_or_insert(instance.id);
    if !instance.name.is_empty() {
        status.instance_name = Some(instance.name.clone());
    }
    let next = seen(instance, look.as_of);
    match &status.seen {
        Some(before) if !differs(before, &next) => Folded { status, ask: false },
        Some(before) if look.source == Source::List && look.as_of < before.since + look.lag => {
            Folded { status, ask: true }
        }
        _ => {
            status.seen = Some(next);
            Folded { status, ask: false }
        }
    }
}

/// A complete, trusted list leaves the instance out, and it was not shown otherwise by asking.
pub fn left_out(machine: &Machine, look: &Look) -> Folded {
    let mut status = machine.status.clone();
    match &mut status.missing {
        None => {
            let (since, latest) = (look.as_of, look.as_of);
            status.missing = Some(Missing { since, latest, sweeps: 1, not_found: None });
        }
        Some(missing) if look.as_of >= missing.latest + look.spacing => {
            missing.sweeps = missing.sweeps.saturating_add(1).min(MISSING_SWEEPS_KEPT);
            missing.latest = look.as_of;
        }
        Some(_) => {}
    }
    Folded { status, ask: true }
}

/// More sweeps than this add nothing to the proof, and would cost a write for each.
const MISSING_SWEEPS_KEPT: u32 = 1_000_000;

/// Contabo answered 404 for the id while the list could not be trusted: counts as no list without
/// it, and explains why the next one leaves it out.
pub fn asked_for(machine: &Machine, as_of: Timestamp) -> MachineStatus {
    let mut status = machine.status.clone();
    let nothing = Missing { since: as_of, latest: as_of, sweeps: 0, not_found: None };
    status.missing.get_or_insert(nothing).not_found.get_or_insert(as_of);
    status
}

/// Contabo answered 404 for the id.
pub fn not_found(machine: &Machine, as_of: Timestamp) -> MachineStatus {
    let mut status = machine.status.clone();
    if let Some(missing) = &mut status.missing {
        missing.not_found.get_or_insert(as_of);
    }
    status
}
