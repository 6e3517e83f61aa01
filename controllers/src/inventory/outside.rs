//! Changes somebody made outside DevPocket: what, since when, and by whom if Contabo's audits know.
//!
//! Only what a look shows to have *changed* counts, and only if no operation of ours explains it.
//! Audits record calls of the API; what a person does in the customer panel leaves none, and a
//! guest that powers itself off leaves none either. Then it is "unknown", which is the truth.

use devpocket_specs::environment::{Drift, Power};
use devpocket_specs::machine::{Machine, OUTSIDE_KEPT, Seen};
use devpocket_specs::operation::{Operation, OperationPhase, Resolution, Verb};
use jiff::{SignedDuration, Timestamp};

use crate::cloud::{Audit, AuditLog};

/// An operation explains a change seen up to this long after it was issued.
pub const EXPLAINS_FOR: SignedDuration = SignedDuration::from_mins(10);
/// An audit may be dated this much before the last look that still showed the old state.
const AUDIT_SLACK: SignedDuration = SignedDuration::from_mins(5);
/// Who, when no audit says.
pub const UNKNOWN: &str = "unknown";

/// One kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Power,
    DisplayName,
    Cancelled,
    Reinstalled,
}

impl What {
    /// The word in records.
    pub fn word(self) -> &'static str {
        match self {
            What::Power => "power",
            What::DisplayName => "displayName",
            What::Cancelled => "cancelled",
            What::Reinstalled => "reinstalled",
        }
    }

    /// What a record calls so.
    pub fn of(word: &str) -> Option<What> {
        [What::Power, What::DisplayName, What::Cancelled, What::Reinstalled]
            .into_iter()
            .find(|what| what.word() == word)
    }

    /// The audits that would show it.
    pub fn audit_log(self) -> AuditLog {
        match self {
            What::Power => AuditLog::Actions,
            _ => AuditLog::Instances,
        }
    }

    fn explained_by(self, operation: &Operation, now: &Seen) -> bool {
        let verb = operation.spec.verb;
        match self {
            What::Power => match verb {
                Verb::Start | Verb::Stop | Verb::Shutdown => operation.spec.power == now.power,
                Verb::Restart | Verb::Reinstall => true,
                _ => false,
            },
            // The name sometimes falls back after a reinstallation.
            What::DisplayName => matches!(verb, Verb::Rename | Verb::Reinstall),
            What::Cancelled => verb == Verb::Cancel,
            What::Reinstalled => verb == Verb::Reinstall,
        }
    }
}

/// A change, before it is known who made it.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub what: What,
    pub message: String,
    /// Whether it leads back to what is declared: an earlier change is healed by it.
    pub heals: bool,
}

/// What changed between two looks at a machine of ours. `declared`: the power its environment wants,
/// if it has one.
pub fn changes(
    machine: &Machine,
    before: &Seen,
    now: &Seen,
    declared: Option<Power>,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut note = |what, message: String, heals| changes.push(Change { what, message, heals });
    match (before.power, now.power) {
        (Some(Power::Running), Some(Power::Stopped)) => {
            let back = declared == Some(Power::Stopped);
            note(What::Power, "it was running and is stopped".into(), back);
        }
        (Some(Power::Stopped), Some(Power::Running)) => {
            let back = declared == Some(Power::Running);
            note(What::Power, "it was stopped and is running".into(), back);
        }
        _ => {}
    }
    if before.display_name != now.display_name {
        let back = now.display_name == machine.spec.display_name;
        let text = format!("{:?} became {:?}", before.display_name, now.display_name);
        note(What::DisplayName, text, back);
    }
    if let (None, Some(date)) = (before.cancel_date, now.cancel_date) {
        note(What::Cancelled, format!("its contract was cancelled and ends on {date}"), false);
    }
    let installing = |seen: &Seen| seen.provider_status == "installing";
    if before.power.is_some() && installing(now) {
        note(What::Reinstalled, "it is being installed anew; its disk is lost".into(), false);
    }
    changes
}

/// Whether an operation of ours may have made the change that `now` shows.
pub fn is_ours(what: What, operations: &[&Operation], now: &Seen) -> bool {
    operations.iter().any(|operation| {
        let status = &operation.status;
        let sent = !matches!(status.phase, OperationPhase::Planned | OperationPhase::Rejected)
            && status.resolution != Some(Resolution::NotHappened);
        let from = status.deadline.max(status.issued_at);
        let recent = from.is_some_and(|at| now.since.duration_since(at) < EXPLAINS_FOR);
        sent && recent && what.explained_by(operation, now)
    })
}

/// Who made a change between `from` and now, going by the audits: the latest entry that is not
/// one of ours.
pub fn author<'a>(audits: &'a [Audit], ours: &[&Operation], from: Timestamp) -> &'a str {
    let own = |audit: &Audit| {
        ours.iter().any(|operation| {
            let uid = operation.metadata.uid.unwrap_or_default().to_string();
            audit.request_id.eq_ignore_ascii_case(&uid)
        })
    };
    audits
        .iter()
        .filter(|audit| audit.at >= from - AUDIT_SLACK && !own(audit))
        .max_by_key(|audit| (audit.at, audit.id))
        .map_or(UNKNOWN, |audit| audit.username.as_str())
}

/// Who, for the end of a sentence.
pub fn who(by: &str) -> String {
    match by {
        UNKNOWN => "(customer panel or the machine itself)".to_owned(),
        by => format!("by {by}"),
    }
}

/// Adds a change to those the record keeps.
pub fn keep(kept: &mut Vec<Drift>, change: &Change, by: &str, since: Timestamp) {
    kept.push(Drift {
        what: change.what.word().into(),
        message: change.message.clone(),
        since,
        by: by.to_owned(),
        healed: None,
    });
    let surplus = kept.len().saturating_sub(OUTSIDE_KEPT);
    kept.drain(..surplus);
}

/// An operation of ours, or the one who made it, undid the last change of this kind.
pub fn heal(kept: &mut [Drift], what: What, at: Timestamp) {
    let standing = |drift: &&mut Drift| drift.what == what.word() && drift.healed.is_none();
    if let Some(drift) = kept.iter_mut().rev().find(standing) {
        drift.healed = Some(at);
    }
}
