//! The steps of an operation's life, as pure changes of its status. Nothing here decides; see
//! `decide` for when, and `reconcile` for the compare-and-swap around each.

use std::time::Duration;

use devpocket_specs::operation::{OperationPhase, OperationStatus, Resolution};
use devpocket_specs::plan::Hold;
use jiff::{SignedDuration, Timestamp};

use crate::cloud::CloudError;

/// Longest message a status keeps; Contabo's own words are cut to this.
pub const MESSAGE_LIMIT: usize = 400;

/// Who issues: the leader's identity, and the epoch its writes are fenced by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    pub identity: String,
    pub epoch: i32,
}

/// What a call that was answered with success tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub code: Option<u16>,
    pub instance_id: Option<i64>,
    pub message: String,
}

/// `Planned -> Issued`: from here on it counts as perhaps sent.
pub fn issue(status: &mut OperationStatus, issuer: &Issuer, now: Timestamp, timeout: Duration) {
    status.phase = OperationPhase::Issued;
    status.issued_at = Some(now);
    status.issued_by = Some(issuer.identity.clone());
    status.issued_epoch = i64::from(issuer.epoch);
    status.deadline = Some(after(now, timeout));
    status.held = None;
    status.message.clear();
}

/// Records what came back. Knowledge of the one who sent it is final: it may follow `Issued`, or
/// `Unknown` when somebody had stopped waiting for it.
pub fn answer(status: &mut OperationStatus, reply: Result<&Answer, &CloudError>, now: Timestamp) {
    status.ended_at = Some(now);
    status.held = None;
    match reply {
        Ok(answer) => {
            status.phase = OperationPhase::Succeeded;
            status.code = answer.code;
            status.instance_id = answer.instance_id.or(status.instance_id);
            status.message = cut(&answer.message);
        }
        Err(error) => {
            status.phase = match error {
                // A mutation answered with something unreadable may have happened.
                CloudError::Unknown { .. } | CloudError::BadReply { .. } => OperationPhase::Unknown,
                _ => OperationPhase::Rejected,
            };
            status.code = match error {
                CloudError::Rejected { code, .. } => Some(*code),
                CloudError::Unknown { code, .. } => *code,
                _ => None,
            };
            status.message = cut(&error.to_string());
        }
    }
}

/// `Planned -> Rejected` by DevPocket itself, or a preparation that failed before anything was
/// sent: it is certain that nothing happened.
pub fn withdraw(status: &mut OperationStatus, message: &str, now: Timestamp) {
    status.phase = OperationPhase::Rejected;
    status.ended_at = Some(now);
    status.held = None;
    status.message = cut(message);
}

/// `Issued -> Unknown`: the sender is gone, or its time is over.
pub fn lose(status: &mut OperationStatus, message: &str, now: Timestamp) {
    status.phase = OperationPhase::Unknown;
    status.ended_at = Some(now);
    status.message = cut(message);
}

/// `Unknown -> Resolved`.
pub fn resolve(
    status: &mut OperationStatus,
    resolution: Resolution,
    instance_id: Option<i64>,
    message: &str,
) {
    status.phase = OperationPhase::Resolved;
    status.resolution = Some(resolution);
    status.instance_id = instance_id.or(status.instance_id);
    status.held = None;
    status.message = cut(message);
}

/// One more sweep that showed no sign of it.
pub fn count_silence(status: &mut OperationStatus, as_of: Timestamp) {
    status.silent_sweeps += 1;
    status.silent_since.get_or_insert(as_of);
    status.silent_latest = Some(as_of);
}

/// Shows what keeps it. The same hold again changes nothing, so it costs no write.
pub fn hold(status: &mut OperationStatus, hold: Hold) {
    status.held = Some(hold);
}

/// `at` moved by `duration`; the far end of time stands for what lies beyond it.
pub fn after(at: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    at.checked_add(duration).unwrap_or(Timestamp::MAX)
}

fn cut(message: &str) -> String {
    message.chars().take(MESSAGE_LIMIT).collect()
}
