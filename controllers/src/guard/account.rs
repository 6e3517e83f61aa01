//! Holds of the account as a whole: pause, database behind, another account, silence.

use jiff::SignedDuration;

use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::installation::{Installation, conditions};
use devpocket_specs::plan::{Hold, StandstillKind};

use super::{GuardWorld, codes, hold};

/// How old the last complete list may be before nothing is bought, wiped or cancelled: before a
/// purchase the account is searched for what it may already have sold us.
pub const SIGHT_LIMIT: SignedDuration = SignedDuration::from_mins(10);

/// What holds every change of every machine.
pub fn account_hold(world: &GuardWorld<'_>) -> Result<(), Hold> {
    let Some(installation) = world.installation else {
        return Err(hold(
            StandstillKind::Unknown,
            codes::NOT_OBSERVED,
            "Nothing is done yet: this database is not tied to a Contabo account",
        ));
    };
    if let Some(pause) = installation.spec.paused.as_ref().filter(|p| p.until > world.now) {
        let why = pause.reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
        return Err(Hold {
            kind: StandstillKind::Paused,
            code: codes::PAUSED.into(),
            message: format!("Everything is paused until {}{why}", pause.until),
            until: Some(pause.until),
        });
    }
    if let Some(held) = installation.status.holds.first() {
        return Err(held.clone());
    }
    condition_hold(installation)
}

/// The conditions say the same as the holds; they are read as well so that an installation whose
/// status was half restored is still held.
fn condition_hold(installation: &Installation) -> Result<(), Hold> {
    let not_true = |name: &str| {
        condition::find(&installation.status.conditions, name)
            .filter(|c| c.status == ConditionStatus::False)
    };
    if let Some(found) = not_true(conditions::ACCOUNT_MATCHES) {
        return Err(hold(
            StandstillKind::Held,
            codes::ACCOUNT_MISMATCH,
            sentence(&found.message, "The credentials belong to another Contabo account"),
        ));
    }
    if installation.status.behind_accepted.is_none()
        && let Some(found) = not_true(conditions::DATABASE_CURRENT)
    {
        return Err(hold(
            StandstillKind::Held,
            codes::DATABASE_BEHIND,
            sentence(&found.message, "The account knows more than this database"),
        ));
    }
    if let Some(found) = not_true(conditions::CONTABO_REACHABLE) {
        let code = if found.reason == codes::reason(codes::CONTABO_SIGN_IN) {
            codes::CONTABO_SIGN_IN
        } else {
            codes::CONTABO_SILENT
        };
        return Err(hold(
            StandstillKind::Unknown,
            code,
            sentence(&found.message, "Contabo does not answer"),
        ));
    }
    Ok(())
}

fn sentence(message: &str, otherwise: &str) -> String {
    if message.is_empty() { otherwise.to_owned() } else { message.to_owned() }
}

/// Whether the account was seen well enough and lately enough to buy, wipe or cancel anything.
pub fn sight_hold(world: &GuardWorld<'_>) -> Result<(), Hold> {
    let sweep = world.installation.and_then(|i| i.status.sweep.as_ref());
    let Some(sweep) = sweep else {
        return Err(hold(
            StandstillKind::Unknown,
            codes::NOT_OBSERVED,
            "Nothing is bought, wiped or cancelled before the account was looked at once",
        ));
    };
    if !sweep.complete || !sweep.trusted {
        let what = if sweep.complete { "implausible" } else { "incomplete" };
        return Err(hold(
            StandstillKind::Held,
            codes::INVENTORY_UNTRUSTED,
            format!(
                "The list of machines of {} is {what}; nothing is bought, wiped or cancelled \
                 before one that is whole",
                sweep.as_of
            ),
        ));
    }
    if world.now.duration_since(sweep.as_of) > SIGHT_LIMIT {
        return Err(hold(
            StandstillKind::Unknown,
            codes::NOT_OBSERVED,
            format!(
                "The account was last seen at {}; nothing is bought, wiped or cancelled before \
                 it is seen again",
                sweep.as_of
            ),
        ));
    }
    Ok(())
}
