//! What is known of the account as a whole, as a pure change of the Installation's status.
//!
//! One fact, one place: every condition here appears once for the account, not once a machine, and
//! each that stops work also is a hold with the same sentence.

use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::installation::{Account, Installation, InstallationStatus, Sweep, conditions};
use devpocket_specs::plan::{Hold, StandstillKind};
use jiff::Timestamp;

use crate::cloud::CloudError;
use crate::guard::codes;
use crate::manager::settings::SIGN_IN_PERIOD;

/// Differences named at most; the rest is counted.
pub const DIFFERENCES_KEPT: usize = 100;

/// The holds this module sets and lifts; others are left alone.
const OWN_HOLDS: [&str; 5] = [
    codes::CONTABO_SILENT,
    codes::CONTABO_SIGN_IN,
    codes::ACCOUNT_MISMATCH,
    codes::DATABASE_BEHIND,
    codes::NOT_OBSERVED,
];

/// Contabo could not be asked. Since when, and nothing that changes with every attempt: a silence
/// of two hours is one write and one event.
pub fn unreachable(status: &mut InstallationStatus, error: &CloudError, now: Timestamp) {
    let (code, message) = match error {
        CloudError::SignIn { message } => (
            codes::CONTABO_SIGN_IN,
            format!(
                "Contabo does not accept these credentials since {now}: {message}. Nothing is \
                 changed meanwhile; it is asked again every {} min. `devpocket doctor`, with the \
                 configuration of the server, tells which of the four values is accepted",
                SIGN_IN_PERIOD.as_secs() / 60
            ),
        ),
        other => (
            codes::CONTABO_SILENT,
            format!(
                "Contabo does not answer since {now} ({other}). Nothing is changed meanwhile and \
                 everything keeps its last known state; it is asked again every minute"
            ),
        ),
    };
    let reason = codes::reason(code);
    let current = condition::find(&status.conditions, conditions::CONTABO_REACHABLE);
    let known = current.is_some_and(|c| c.status == ConditionStatus::False && c.reason == reason);
    if !known {
        set(status, conditions::CONTABO_REACHABLE, ConditionStatus::False, &reason, &message, now);
        lift(status, codes::CONTABO_SIGN_IN);
        lift(status, codes::CONTABO_SILENT);
        hold(status, StandstillKind::Unknown, code, message);
    }
}

/// Contabo answers.
pub fn reachable(status: &mut InstallationStatus, now: Timestamp) {
    set(status, conditions::CONTABO_REACHABLE, ConditionStatus::True, "Answers", "", now);
    lift(status, codes::CONTABO_SIGN_IN);
    lift(status, codes::CONTABO_SILENT);
}

/// Whether the credentials belong to the recorded account. The first start records it.
pub fn check_account(installation: &Installation, found: &Account) -> Option<String> {
    let recorded = installation.spec.account.as_ref()?;
    (recorded != found).then(|| {
        format!(
            "this database drives account {} at {}; the credentials belong to account {} at {}. \
             Nothing is changed in either",
            name(recorded),
            recorded.api,
            name(found),
            found.api
        )
    })
}

fn name(account: &Account) -> String {
    format!("{}-{}", account.tenant, account.customer)
}

/// The account is, or is not, the recorded one.
pub fn account(status: &mut InstallationStatus, mismatch: Option<&str>, now: Timestamp) {
    let kind = conditions::ACCOUNT_MATCHES;
    match mismatch {
        None => {
            set(status, kind, ConditionStatus::True, "Recorded", "", now);
            lift(status, codes::ACCOUNT_MISMATCH);
        }
        Some(message) => {
            set(status, kind, ConditionStatus::False, "OtherAccount", message, now);
            hold(status, StandstillKind::Held, codes::ACCOUNT_MISMATCH, message.to_owned());
        }
    }
}

/// The database was compared with the account's mark and its instances.
pub fn current(status: &mut InstallationStatus, now: Timestamp) {
    set(status, conditions::DATABASE_CURRENT, ConditionStatus::True, "Current", "", now);
    lift(status, codes::DATABASE_BEHIND);
    status.differences.clear();
}

/// The account knows more than the database: nothing is changed until a person has looked.
pub fn behind(status: &mut InstallationStatus, differences: &[String], now: Timestamp) {
    let known = is_behind(status);
    if !known {
        status.differences.clear();
        status.behind_accepted = None;
    }
    for difference in differences {
        if status.differences.len() < DIFFERENCES_KEPT && !status.differences.contains(difference) {
            status.differences.push(difference.clone());
        }
    }
    let message = format!(
        "the account knows more than this database ({} differences); look at them with \
         `devpocket status`, then `devpocket resume --all`",
        status.differences.len()
    );
    set(status, conditions::DATABASE_CURRENT, ConditionStatus::False, "Behind", &message, now);
    lift(status, codes::DATABASE_BEHIND);
    hold(status, StandstillKind::Held, codes::DATABASE_BEHIND, message);
}

/// Whether the database is held to be behind.
pub fn is_behind(status: &InstallationStatus) -> bool {
    condition::find(&status.conditions, conditions::DATABASE_CURRENT)
        .is_some_and(|c| c.status == ConditionStatus::False)
}

/// Whether a person accepted the differences after they were found.
pub fn is_accepted(status: &InstallationStatus) -> bool {
    let found = condition::find(&status.conditions, conditions::DATABASE_CURRENT);
    let since = found.map_or(Timestamp::MAX, |c| c.last_transition_time);
    is_behind(status) && status.behind_accepted.is_some_and(|at| at >= since)
}

/// The account was not compared with the database since this process took over: until then
/// nothing is sent, since the database may be an old one.
pub fn unchecked(status: &mut InstallationStatus, is_unchecked: bool) {
    lift(status, codes::NOT_OBSERVED);
    if is_unchecked {
        let message = "the account has not been compared with this database yet".to_owned();
        hold(status, StandstillKind::Unknown, codes::NOT_OBSERVED, message);
    }
}

/// A list of the account is in.
pub fn swept(status: &mut InstallationStatus, sweep: Sweep, why_not: &str, now: Timestamp) {
    let trusted = sweep.complete && sweep.trusted;
    let (is, reason) = match trusted {
        true => (ConditionStatus::True, "Plausible"),
        false if sweep.complete => (ConditionStatus::False, "Implausible"),
        false => (ConditionStatus::False, "Incomplete"),
    };
    set(status, conditions::INVENTORY_TRUSTED, is, reason, why_not, now);
    status.sweep = Some(sweep);
}

fn set(
    status: &mut InstallationStatus,
    kind: &str,
    is: ConditionStatus,
    reason: &str,
    message: &str,
    now: Timestamp,
) {
    let next = Condition {
        r#type: kind.to_owned(),
        status: is,
        reason: reason.to_owned(),
        message: message.to_owned(),
        last_transition_time: now,
        observed_generation: None,
    };
    condition::set(&mut status.conditions, next);
}

fn lift(status: &mut InstallationStatus, code: &str) {
    debug_assert!(OWN_HOLDS.contains(&code));
    status.holds.retain(|hold| hold.code != code);
}

fn hold(status: &mut InstallationStatus, kind: StandstillKind, code: &str, message: String) {
    lift(status, code);
    status.holds.push(Hold { kind, code: code.to_owned(), message, until: None });
    status.holds.sort_by(|a, b| a.code.cmp(&b.code));
}
