//! How a decision reads in the status: phase, message and conditions. Nothing in here moves with
//! the clock alone, so that a pass without news writes nothing.

use std::borrow::Cow;

use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::environment::{EnvironmentStatus, Phase, conditions};
use devpocket_specs::plan::{Hold, StandstillKind};

use super::world::World;
use crate::guard::{account_hold, codes, sight_hold};

/// What a condition shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Says {
    pub status: ConditionStatus,
    pub reason: Cow<'static, str>,
    pub message: Cow<'static, str>,
}

impl Says {
    pub fn new(
        status: ConditionStatus,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Says {
        Says { status, reason: reason.into(), message: message.into() }
    }

    pub fn yes(
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Says {
        Says::new(ConditionStatus::True, reason, message)
    }

    pub fn no(reason: impl Into<Cow<'static, str>>, message: impl Into<Cow<'static, str>>) -> Says {
        Says::new(ConditionStatus::False, reason, message)
    }
}

/// Where the environment stands, as far as its machine goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    /// Absent: as it was.
    pub phase: Option<Phase>,
    /// Absent: as it was; for what cannot be judged now.
    pub ready: Option<Says>,
    /// What it waits for, from whom, since when. Empty when nothing.
    pub message: String,
    /// Whether a paid machine is bound.
    pub bound: bool,
    /// Conditions that are there only once they were true.
    pub ending: Option<Says>,
    pub replaced: Option<Says>,
    pub lost: Option<Says>,
    /// What is known of its operating system; absent: nobody looked.
    pub guest: Option<Says>,
    /// Whether it is configured as declared; absent: nobody looked.
    pub configured: Option<Says>,
    /// Another machine than the one ordered.
    pub other: Option<Says>,
}

impl Report {
    /// Not ready, for a reason; the message is both the environment's and the condition's.
    pub fn not_ready(
        &mut self,
        phase: Phase,
        reason: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) {
        let message = message.into();
        self.phase = Some(phase);
        self.ready = Some(Says::no(reason, message.clone()));
        self.message = message;
    }
}

pub(super) fn write(
    world: &World<'_>,
    status: &mut Cow<'_, EnvironmentStatus>,
    report: Report,
    holds: &[Hold],
) {
    let silence = silence(world);
    let keep =
        silence.is_some() && condition::find(&status.conditions, conditions::READY).is_some();
    if !keep {
        if let Some(phase) = report.phase.filter(|phase| *phase != status.phase) {
            status.to_mut().phase = phase;
        }
        if let Some(ready) = ready(report.ready, holds) {
            put(world, status, conditions::READY, ready);
        }
    }
    let message = message(&report.message, holds, silence.as_ref());
    if status.message != message {
        status.to_mut().message = message.to_owned();
    }
    let bound = if report.bound {
        Says::yes("Bound", "a paid machine is bound")
    } else {
        Says::no("NotBound", "no machine is bound")
    };
    put(world, status, conditions::MACHINE_BOUND, bound);
    let guest = report.guest.unwrap_or_else(not_looked_at);
    put(world, status, conditions::GUEST_READY, guest);
    if let Some(configured) = report.configured {
        put(world, status, conditions::GUEST_CONFIGURED, configured);
    }
    for (name, kind) in [
        (conditions::PAUSED, StandstillKind::Paused),
        (conditions::HELD, StandstillKind::Held),
        (conditions::WAITING, StandstillKind::Waiting),
        (conditions::STALLED, StandstillKind::Stalled),
    ] {
        let says = holds.iter().find(|h| h.kind == kind).map(told);
        optional(world, status, name, says);
    }
    let unknown = holds.iter().find(|h| h.kind == StandstillKind::Unknown);
    optional(world, status, conditions::UNOBSERVED, silence.as_ref().or(unknown).map(told));
    optional(world, status, conditions::MACHINE_ENDING, report.ending);
    optional(world, status, conditions::DISK_REPLACED, report.replaced);
    optional(world, status, conditions::MACHINE_LOST, report.lost);
    optional(world, status, conditions::NOT_AS_ORDERED, report.other);
    optional(world, status, conditions::DRIFTED, super::drift::standing(status));
}

fn told(hold: &Hold) -> Says {
    Says::yes(codes::reason(&hold.code), hold.message.clone())
}

/// A hold explains a missing readiness better than the state of the machine does.
fn ready(ready: Option<Says>, holds: &[Hold]) -> Option<Says> {
    let ready = ready?;
    match holds.first() {
        Some(hold) if ready.status != ConditionStatus::True => {
            Some(Says::new(ready.status, codes::reason(&hold.code), hold.message.clone()))
        }
        _ => Some(ready),
    }
}

fn message<'a>(said: &'a str, holds: &'a [Hold], silence: Option<&'a Hold>) -> &'a str {
    holds.first().or(silence).map_or(said, |hold| &hold.message)
}

fn not_looked_at() -> Says {
    Says::new(
        ConditionStatus::Unknown,
        "NotObserved",
        "the guest was not looked at; Ready rests on what Contabo says",
    )
}

/// Why nothing current is known of the account, if so.
pub(super) fn silence(world: &World<'_>) -> Option<Hold> {
    let guard = world.guard();
    let unknown = |held: Result<(), Hold>| held.err().filter(|h| h.kind == StandstillKind::Unknown);
    unknown(account_hold(&guard)).or_else(|| unknown(sight_hold(&guard)))
}

fn optional(
    world: &World<'_>,
    status: &mut Cow<'_, EnvironmentStatus>,
    name: &str,
    says: Option<Says>,
) {
    match says {
        Some(says) => put(world, status, name, says),
        // Once it was true, its end is worth a date.
        None => {
            if let Some(old) = condition::find(&status.conditions, name)
                && old.status != ConditionStatus::False
            {
                put(world, status, name, Says::no("Over", ""));
            }
        }
    }
}

fn put(world: &World<'_>, status: &mut Cow<'_, EnvironmentStatus>, name: &str, says: Says) {
    let generation = world.environment.metadata.generation;
    let generation = (generation > 0).then_some(generation);
    let words = (says.status, &*says.reason, &*says.message);
    if condition::says(&status.conditions, name, words, generation) {
        return;
    }
    condition::set(
        &mut status.to_mut().conditions,
        Condition {
            r#type: name.to_owned(),
            status: says.status,
            reason: says.reason.into_owned(),
            message: says.message.into_owned(),
            last_transition_time: world.now,
            observed_generation: generation,
        },
    );
}
