//! Power: start what shall run, stop what shall not, and not for ever.

use jiff::{SignedDuration, Timestamp};

use devpocket_specs::condition;
use devpocket_specs::environment::{Phase, Power, conditions};
use devpocket_specs::machine::Seen;
use devpocket_specs::operation::{Operation, OperationPhase, Verb};
use devpocket_specs::plan::{Hold, StandstillKind, Step};

use super::bound::Bound;
use super::consent::Implied;
use super::decision::{EventDraft, RecordWrite};
use super::draft::{Draft, Pending};
use super::drift;
use super::observed::{happened, may_have_happened};
use super::report::Says;
use super::{requests, standstill};
use crate::guard::{codes, hold};
use crate::operation::intent;

/// A guest has this long to power itself off before the power is cut.
pub const SHUTDOWN_GRACE: SignedDuration = SignedDuration::from_mins(3);
/// Twice within this time is flapping.
pub const FLAP_WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// How long a machine that flaps is left alone before the last try.
pub const FLAP_WAIT: SignedDuration = SignedDuration::from_mins(19);
/// How far back tries are remembered.
pub const FLAP_MEMORY: SignedDuration = SignedDuration::from_hours(1);
/// Tries within the memory before it is given up.
pub const FLAP_TRIES: usize = 2;
/// After a refusal the same call waits this long.
pub const REFUSED_WAIT: SignedDuration = SignedDuration::from_mins(5);
/// Refusals in a row before it is given up.
pub const REFUSED_TRIES: usize = 3;

/// Readiness as far as power goes.
pub(super) fn describe(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, seen: &Seen) {
    let declared = draft.world.power();
    let called = bound.called();
    let restarting = bound.open().is_some_and(|o| o.spec.verb == Verb::Restart);
    let report = &mut draft.report;
    match seen.power {
        Some(Power::Running) if restarting => {
            report.phase = Some(Phase::Restarting);
            report.ready = Some(Says::no("Restarting", "restarting"));
        }
        Some(power) if power == declared => {
            report.phase = Some(phase(power));
            let running = power == Power::Running;
            let (reason, words) =
                if running { ("Running", "running") } else { ("Stopped", "stopped") };
            report.ready = Some(Says::yes(reason, format!("{called} is {words}, as declared")));
        }
        Some(Power::Running) => {
            let message = format!("{called} is running, declared is Stopped");
            report.not_ready(Phase::Stopping, "NotStopped", message);
        }
        Some(Power::Stopped) => {
            let message = format!("{called} is stopped, declared is Running");
            report.not_ready(Phase::Stopped, "NotRunning", message);
        }
        None => {
            let message =
                format!("{called} is \"{}\", neither running nor stopped", seen.provider_status);
            report.not_ready(Phase::Configuring, "PowerUnknown", message);
        }
    }
    if let Some(replaced) = &report.replaced
        && report.ready.as_ref().is_some_and(|r| r.status == condition::ConditionStatus::True)
    {
        report.ready = Some(Says::no("DiskReplaced", replaced.message.clone()));
        report.message = replaced.message.to_string();
    }
}

fn phase(power: Power) -> Phase {
    match power {
        Power::Running => Phase::Running,
        Power::Stopped => Phase::Stopped,
    }
}

/// Plans the next step towards the declared power.
pub(super) fn converge(
    draft: &mut Draft<'_, '_>,
    bound: &Bound<'_>,
    seen: &Seen,
    as_of: Timestamp,
) {
    let world = draft.world;
    let declared = world.power();
    let Some(power) = seen.power.filter(|power| *power != declared) else {
        requests::woken(draft, seen.power);
        return;
    };
    let next = next(draft, bound, seen, as_of);
    let mut outside = None;
    if drift::is_power_drift(draft, bound, declared) {
        let message = drift::power_message(bound, power);
        let noted = drift::note(draft, bound.machine, drift::POWER, message.clone(), seen.since);
        if drift::only_reported(draft) {
            if noted.new {
                let then = "; it is left so, because spec.drift is Report";
                draft.events.push(noted.event(&message, then));
            }
            return;
        }
        outside = Some(Outside { noted, message });
    }
    match next {
        Next::Wait(until) => {
            draft.events.extend(outside.and_then(|o| o.event("")));
            draft.wake_at(until);
        }
        Next::Held(held) => {
            draft.events.extend(outside.and_then(|o| o.event("")));
            let verb = verb(declared);
            let step = step(bound, verb, Some(held));
            let pending =
                Pending { step, implied: Implied::TheRecord, writes: Vec::new(), event: None };
            draft.step(pending);
        }
        Next::Do(verb) => send(draft, bound, verb, outside),
    }
}

/// A change of the power that nobody declared.
struct Outside {
    noted: drift::Noted,
    message: String,
}

impl Outside {
    /// What tells of it, the first time.
    fn event(&self, then: &str) -> Option<EventDraft> {
        self.noted.new.then(|| self.noted.event(&self.message, then))
    }
}

enum Next {
    Do(Verb),
    Wait(Timestamp),
    Held(Hold),
}

fn verb(declared: Power) -> Verb {
    match declared {
        Power::Running => Verb::Start,
        Power::Stopped => Verb::Shutdown,
    }
}

fn next(draft: &Draft<'_, '_>, bound: &Bound<'_>, seen: &Seen, as_of: Timestamp) -> Next {
    let world = draft.world;
    let declared = world.power();
    let asked = requests::wake(world.environment).is_some() || standstill::somebody_acted(draft);
    if !asked && let Some(stalled) = still_stalled(draft, bound) {
        return Next::Held(stalled);
    }
    if let Some(next) = after_refusals(draft, bound, asked) {
        return next;
    }
    if declared == Power::Stopped
        && let Some(ended) = ignored_shutdown(bound, seen)
    {
        let until = ended + SHUTDOWN_GRACE;
        // The look must have begun after the grace, too: before it, running proves nothing.
        return if as_of >= until {
            Next::Do(Verb::Stop)
        } else {
            Next::Wait(until.max(world.now))
        };
    }
    let tries = tries(bound, declared, remembered(draft));
    match tries.last().filter(|_| !asked) {
        Some(_) if tries.len() >= FLAP_TRIES => Next::Held(flaps(draft, bound, tries.len())),
        Some(last) => {
            let back = seen.since.max(*last);
            let until = back + FLAP_WAIT;
            if back.duration_since(*last) < FLAP_WINDOW && until > world.now {
                Next::Held(waits(draft, bound, until))
            } else {
                Next::Do(verb(declared))
            }
        }
        None => Next::Do(verb(declared)),
    }
}

/// When the last shutdown ended that the guest did not follow: nothing changed since.
fn ignored_shutdown(bound: &Bound<'_>, seen: &Seen) -> Option<Timestamp> {
    let last = bound.operations.iter().rev().find(|o| is_power(o) && may_have_happened(o))?;
    let ended = last.status.ended_at?;
    (last.spec.verb == Verb::Shutdown && seen.since <= ended).then_some(ended)
}

fn is_power(operation: &Operation) -> bool {
    matches!(operation.spec.verb, Verb::Start | Verb::Stop | Verb::Shutdown | Verb::Restart)
}

/// Ends of the tries to reach a power since it was last declared otherwise, within the memory.
fn tries(bound: &Bound<'_>, declared: Power, from: Timestamp) -> Vec<Timestamp> {
    let mut tries: Vec<Timestamp> = bound
        .operations
        .iter()
        .rev()
        .filter(|o| is_power(o) && happened(o) && o.spec.verb != Verb::Restart)
        .take_while(|o| reaches(o.spec.verb) == declared)
        .filter(|o| o.spec.verb != Verb::Stop)
        .filter_map(|o| o.status.ended_at)
        .filter(|at| *at > from)
        .collect();
    tries.reverse();
    tries
}

/// From when on tries count: an hour back, and no further than the end of the last standstill.
fn remembered(draft: &Draft<'_, '_>) -> Timestamp {
    let hour = draft.world.now - FLAP_MEMORY;
    standstill::ended(draft).map_or(hour, |at| at.max(hour))
}

/// The power a call leads to.
pub(super) fn reaches(verb: Verb) -> Power {
    match verb {
        Verb::Stop | Verb::Shutdown => Power::Stopped,
        _ => Power::Running,
    }
}

/// Given up once, it stays given up until a person does something: edits, wakes, or sets it right.
fn still_stalled(draft: &Draft<'_, '_>, bound: &Bound<'_>) -> Option<Hold> {
    let environment = draft.world.environment;
    let old = &environment.status;
    let stalled = condition::find(&old.conditions, conditions::STALLED)
        .filter(|c| c.status == condition::ConditionStatus::True)?;
    let same = old.observed_generation == environment.metadata.generation
        && old.machine.as_ref().is_some_and(|m| m.name == bound.machine.metadata.name);
    let code = [codes::POWER_FLAPPING, codes::REFUSED]
        .into_iter()
        .find(|code| codes::reason(code) == stalled.reason)?;
    same.then(|| hold(StandstillKind::Stalled, code, stalled.message.clone()))
}

fn flaps(draft: &Draft<'_, '_>, bound: &Bound<'_>, tries: usize) -> Hold {
    let (did, back) = words(draft.world.power());
    let (accept, again) = match draft.world.power() {
        Power::Running => ("stop", "start"),
        Power::Stopped => ("start", "stop"),
    };
    let name = &draft.world.environment.metadata.name;
    hold(
        StandstillKind::Stalled,
        codes::POWER_FLAPPING,
        format!(
            "{} was {did} {tries} times within an hour and is {back} again, since {}; it is left \
             as it is. Accept it with `devpocket {accept} {name}`; after that `devpocket {again} \
             {name}` tries once more",
            bound.called(),
            bound.machine.status.seen.as_ref().map_or(draft.world.now, |seen| seen.since),
        ),
    )
}

fn waits(draft: &Draft<'_, '_>, bound: &Bound<'_>, until: Timestamp) -> Hold {
    let (did, back) = words(draft.world.power());
    Hold {
        kind: StandstillKind::Held,
        code: codes::POWER_FLAPPING.into(),
        message: format!(
            "{} was {did} and is {back} again within 10 min; the next try is at {until}",
            bound.called()
        ),
        until: Some(until),
    }
}

fn words(declared: Power) -> (&'static str, &'static str) {
    match declared {
        Power::Running => ("started", "stopped"),
        Power::Stopped => ("stopped", "running"),
    }
}

/// Waits after a refusal, gives up after several. What was never sent is no refusal.
fn after_refusals(draft: &Draft<'_, '_>, bound: &Bound<'_>, asked: bool) -> Option<Next> {
    let world = draft.world;
    let declared = world.power();
    let refused: Vec<&Operation> = bound
        .operations
        .iter()
        .copied()
        .rev()
        .filter(|o| is_power(o) && o.spec.verb != Verb::Restart)
        .take_while(|o| reaches(o.spec.verb) == declared)
        .take_while(|o| o.status.phase == OperationPhase::Rejected && o.status.code.is_some())
        .filter(|o| o.status.ended_at.is_some_and(|at| at > remembered(draft)))
        .collect();
    let last = refused.first()?;
    if refused.len() >= REFUSED_TRIES && !asked {
        return Some(Next::Held(hold(
            StandstillKind::Stalled,
            codes::REFUSED,
            format!(
                "Contabo refused to {} {} {REFUSED_TRIES} times ({}); it is not tried again by \
                 itself. It is tried once more when the environment is edited",
                last.spec.verb.word(),
                bound.called(),
                last.status.message
            ),
        )));
    }
    let until = last.status.ended_at? + REFUSED_WAIT;
    (until > world.now && !asked).then(|| {
        Next::Held(Hold {
            kind: StandstillKind::Held,
            code: codes::REFUSED.into(),
            message: format!(
                "Contabo refused to {} {} ({}); the next try is at {until}",
                last.spec.verb.word(),
                bound.called(),
                last.status.message
            ),
            until: Some(until),
        })
    })
}

fn step(bound: &Bound<'_>, verb: Verb, hold: Option<Hold>) -> Step {
    Step {
        call: verb.word().into(),
        machine: bound.machine.metadata.name.clone(),
        summary: format!("{} {}", verb.word(), bound.called()),
        class: verb.class(),
        downtime_seconds: None,
        monthly: None,
        due: None,
        fingerprint: None,
        approved: true,
        hold,
    }
}

fn send(draft: &mut Draft<'_, '_>, bound: &Bound<'_>, verb: Verb, outside: Option<Outside>) {
    let world = draft.world;
    let declared = world.power();
    let asked = requests::wake(world.environment);
    let why = match (&outside, verb) {
        (_, Verb::Stop) => "it did not power itself off when asked".to_owned(),
        (Some(outside), _) => format!("{}, declared is {declared:?}", outside.message),
        (None, _) => format!("declared is {declared:?}"),
    };
    let earlier = bound.operations.iter().copied();
    let mut operation = intent::planned(bound.machine, verb, why.clone(), earlier);
    operation.spec.power = Some(declared);
    operation.spec.by_person = outside.is_none() || asked.is_some();
    operation.spec.request = asked.map(str::to_owned);
    let step = step(bound, verb, world.may_issue(&operation).err());
    let (reason, then) = match verb {
        Verb::Start => ("Starting", ", starting it again"),
        _ => ("Stopping", ", stopping it again"),
    };
    // One event for what happened and what is done about it.
    let event = match outside.and_then(|o| o.event(if step.hold.is_none() { then } else { "" })) {
        Some(both) if step.hold.is_none() => both,
        alone => {
            draft.events.extend(alone);
            EventDraft::normal(reason, format!("{}: {why}", step.summary))
        }
    };
    draft.step(Pending {
        step,
        implied: Implied::TheRecord,
        writes: vec![RecordWrite::CreateOperation(Box::new(operation))],
        event: Some(event),
    });
}
