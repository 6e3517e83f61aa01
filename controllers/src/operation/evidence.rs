//! Finding out whether an effect happened whose reply nobody has.
//!
//! Repeatable effects are settled by looking at the machine. The others leave a trace: Contabo's
//! audits name the request id, an order's displayName names the Machine record, a cancellation
//! shows its date. That *nothing* happened is never read from one silent answer: it takes
//! [`SILENT_SWEEPS`] complete, trusted lists spread over the settle time, each with no audit, no
//! instance that bears the token, and no instance of that product and region that nobody can
//! explain. Two instances that could be the one are a person's to tell apart.

use std::time::Duration;

use devpocket_specs::installation::{Installation, UnknownPurchase};
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::{Operation, OperationStatus, Resolution, Verb};
use devpocket_specs::plan::{Hold, StandstillKind};
use jiff::{SignedDuration, Timestamp};

use super::intent::is_created_since;
use super::token;
use crate::cloud::{Audit, AuditLog};
use crate::environment::words::spoken;

/// Complete trusted sweeps without a trace that prove absence.
pub const SILENT_SWEEPS: u32 = 3;
/// An instance may have been created this much before the order was sent by our clock, and still
/// be the one: clocks differ.
const CLOCK_SLACK: SignedDuration = SignedDuration::from_mins(10);

/// What the evidence says.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// It is known what became of it.
    Settled { resolution: Resolution, instance_id: Option<i64>, message: String },
    /// It happened or may have, but a person must say which instance it is.
    Undecided(Hold),
    /// Proved not to have arrived; a person decides whether to buy again.
    Absent(Hold),
    /// One more sweep without a trace; its start.
    Silent(Timestamp),
    /// Nothing new can be said yet.
    Open,
}

/// The records and audits a verdict rests on.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    pub operation: &'a Operation,
    pub machine: Option<&'a Machine>,
    /// All machines, also those DevPocket did not buy.
    pub machines: &'a [&'a Machine],
    pub installation: &'a Installation,
    /// Audits with the operation's uid as request id; empty for verbs that need none.
    pub audits: &'a [Audit],
}

/// Which audits would show the verb; none for effects that are settled by looking.
pub fn audit_log(verb: Verb) -> Option<AuditLog> {
    match verb {
        Verb::Restart => Some(AuditLog::Actions),
        Verb::Purchase | Verb::Reinstall | Verb::Cancel => Some(AuditLog::Instances),
        Verb::Start | Verb::Stop | Verb::Shutdown | Verb::Rename => None,
    }
}

/// What became of an operation of unknown outcome.
pub fn judge(evidence: &Evidence<'_>) -> Verdict {
    match evidence.operation.spec.verb {
        Verb::Start | Verb::Stop | Verb::Shutdown | Verb::Rename => looked_at(evidence),
        Verb::Purchase => purchase(evidence),
        Verb::Restart | Verb::Reinstall | Verb::Cancel => once(evidence),
    }
}

fn looked_at(evidence: &Evidence<'_>) -> Verdict {
    let (spec, status) = (&evidence.operation.spec, &evidence.operation.status);
    let Some(machine) = evidence.machine else {
        return settled(Resolution::NotHappened, None, "the machine's record is gone");
    };
    let seen = machine.status.seen.as_ref();
    let matches = seen.is_some_and(|seen| match spec.verb {
        Verb::Rename => spec.display_name.as_deref() == Some(&seen.display_name),
        _ => spec.power.is_some() && seen.power == spec.power,
    });
    let issued = status.issued_at.unwrap_or(Timestamp::MIN);
    if matches && seen.is_some_and(|seen| seen.since > issued) {
        return settled(Resolution::Happened, None, "the machine shows it");
    }
    if as_of(machine, evidence.installation) <= believable_from(status, evidence.installation) {
        return Verdict::Open;
    }
    if matches {
        settled(Resolution::Happened, None, "the machine shows it")
    } else {
        settled(Resolution::NotHappened, None, "the machine does not show it")
    }
}

fn once(evidence: &Evidence<'_>) -> Verdict {
    if !evidence.audits.is_empty() {
        return settled(Resolution::Happened, None, "Contabo's audit shows it");
    }
    let cancelled = evidence
        .machine
        .and_then(|machine| machine.status.seen.as_ref())
        .and_then(|seen| seen.cancel_date);
    if let (Verb::Cancel, Some(date)) = (evidence.operation.spec.verb, cancelled) {
        return settled(Resolution::Happened, None, &format!("the contract ends on {date}"));
    }
    match silence(evidence) {
        Silence::Proved => settled(Resolution::NotHappened, None, "it left no trace"),
        Silence::One(as_of) => Verdict::Silent(as_of),
        Silence::No => Verdict::Open,
    }
}

fn purchase(evidence: &Evidence<'_>) -> Verdict {
    let mut ids: Vec<i64> = bearers(evidence).map(|(id, _)| id).collect();
    ids.extend(evidence.audits.iter().map(|audit| audit.instance_id).filter(|id| *id > 0));
    ids.sort_unstable();
    ids.dedup();
    match ids.as_slice() {
        [id] => {
            let message = format!("instance {id} is the one ordered");
            return settled(Resolution::Happened, Some(*id), &message);
        }
        [] => {}
        several => return Verdict::Undecided(two_matches(evidence, several)),
    }
    if !evidence.audits.is_empty() {
        // The order arrived; Contabo does not say yet which instance it became.
        return Verdict::Open;
    }
    if let Some((id, name)) = unexplained(evidence) {
        return Verdict::Undecided(hold(format!(
            "instance {id} ({name}) appeared after the order was sent and nobody can explain it; \
             say whether it is the one: `devpocket operation resolve {}`",
            evidence.operation.metadata.name
        )));
    }
    match (silence(evidence), evidence.installation.spec.unknown_purchase) {
        (Silence::Proved, UnknownPurchase::Proceed) => {
            settled(Resolution::NotHappened, None, "the order never arrived")
        }
        (Silence::Proved, UnknownPurchase::Hold) => Verdict::Absent(never_arrived(evidence)),
        (Silence::One(as_of), _) => Verdict::Silent(as_of),
        (Silence::No, _) => Verdict::Open,
    }
}

/// Instances without a record of ours that bear the machine's token.
fn bearers<'a>(evidence: &Evidence<'a>) -> impl Iterator<Item = (i64, &'a str)> {
    let machine = &evidence.operation.spec.machine;
    strangers_bearing(evidence.machines, &evidence.installation.spec.id, machine)
}

/// Instances without a record of ours that bear this machine's token: id and displayName. Before
/// a purchase this is the search for one that was already bought.
pub fn strangers_bearing<'a>(
    machines: &'a [&'a Machine],
    installation: &str,
    machine: &str,
) -> impl Iterator<Item = (i64, &'a str)> {
    machines.iter().filter(|m| !m.spec.managed).filter_map(move |stranger| {
        let name = stranger.status.seen.as_ref()?.display_name.as_str();
        let id = stranger.status.instance_id?;
        token::bears(name, installation, machine).then_some((id, name))
    })
}

fn unexplained<'a>(evidence: &Evidence<'a>) -> Option<(i64, &'a str)> {
    let order = evidence.machine?.spec.order.as_ref()?;
    let issued = evidence.operation.status.issued_at?;
    evidence.machines.iter().filter(|m| !m.spec.managed).find_map(|stranger| {
        let seen = stranger.status.seen.as_ref()?;
        let fits = seen.product_id == order.product_id && seen.region == order.region;
        let after = seen.created.is_none_or(|created| created >= issued - CLOCK_SLACK);
        let ours = !token::tokens(&seen.display_name).is_empty();
        (fits && after && is_created_since(&stranger.metadata, issued) && !ours)
            .then_some((stranger.status.instance_id?, seen.display_name.as_str()))
    })
}

enum Silence {
    Proved,
    One(Timestamp),
    No,
}

fn silence(evidence: &Evidence<'_>) -> Silence {
    let status = &evidence.operation.status;
    let settle = SignedDuration::from_secs(evidence.installation.spec.settle_seconds);
    let span = match (status.silent_since, status.silent_latest) {
        (Some(since), Some(latest)) => latest.duration_since(since),
        _ => SignedDuration::ZERO,
    };
    if status.silent_sweeps >= SILENT_SWEEPS && span >= settle {
        return Silence::Proved;
    }
    let Some(sweep) = evidence.installation.status.sweep.as_ref() else { return Silence::No };
    let spaced = status.silent_latest.is_none_or(|latest| sweep.as_of >= latest + spacing(settle));
    let believable = sweep.as_of > believable_from(status, evidence.installation);
    if sweep.complete && sweep.trusted && spaced && believable {
        Silence::One(sweep.as_of)
    } else {
        Silence::No
    }
}

/// Sweeps are counted this far apart: three of them span the settle time.
pub fn spacing(settle: SignedDuration) -> SignedDuration {
    settle / (SILENT_SWEEPS as i32 - 1)
}

/// A look begun at or before this time says nothing about the operation.
pub fn believable_from(status: &OperationStatus, installation: &Installation) -> Timestamp {
    let lag = Duration::from_secs(installation.spec.lag_allowance_seconds.max(0).unsigned_abs());
    let over = status.deadline.max(status.ended_at).unwrap_or(Timestamp::MIN);
    super::transition::after(over, lag)
}

/// When the latest look at a machine began: the last trusted, complete list, or a later look at
/// the machine alone that changed something.
pub fn as_of(machine: &Machine, installation: &Installation) -> Timestamp {
    let sweep = installation.status.sweep.as_ref().filter(|s| s.complete && s.trusted);
    let seen = machine.status.seen.as_ref().map_or(Timestamp::MIN, |seen| seen.since);
    sweep.map_or(seen, |sweep| sweep.as_of.max(seen))
}

fn two_matches(evidence: &Evidence<'_>, ids: &[i64]) -> Hold {
    let list: Vec<String> = ids.iter().map(i64::to_string).collect();
    hold(format!(
        "{} could each be the machine ordered; say which one: `devpocket operation resolve {}`",
        list.join(" and "),
        evidence.operation.metadata.name
    ))
}

fn never_arrived(evidence: &Evidence<'_>) -> Hold {
    hold(format!(
        "the order was sent and left no trace for {}; look at the account, then say so: \
         `devpocket operation resolve {} --not-happened`",
        spoken(SignedDuration::from_secs(evidence.installation.spec.settle_seconds)),
        evidence.operation.metadata.name
    ))
}

fn hold(message: String) -> Hold {
    Hold { kind: StandstillKind::Held, code: "purchase-undecided".into(), message, until: None }
}

fn settled(resolution: Resolution, instance_id: Option<i64>, message: &str) -> Verdict {
    Verdict::Settled { resolution, instance_id, message: message.to_owned() }
}
