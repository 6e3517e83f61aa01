//! Whether a list of the account's instances may be believed where it shows nothing.

use std::collections::BTreeSet;

/// As many machines may always be missing from a list before it is distrusted.
pub const VANISHED_FLOOR: usize = 3;
/// Beyond the floor: this share of the machines known before, in percent.
pub const VANISHED_PERCENT: usize = 30;

/// What a list is worth as evidence of absence. What it shows is there in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trust {
    Trusted,
    /// Not all pages arrived, or they do not agree with each other.
    Partial,
    /// More machines are missing than anything but a fault explains.
    MassVanish {
        missing: usize,
        known: usize,
    },
}

impl Trust {
    pub fn is_trusted(&self) -> bool {
        *self == Trust::Trusted
    }

    /// Why it is distrusted, in a sentence; empty when it is not.
    pub fn sentence(&self) -> String {
        match self {
            Trust::Trusted => String::new(),
            Trust::Partial => "The list of machines is incomplete: pages are missing or do not \
                               agree. Nothing is bought, wiped or cancelled from it; it is read \
                               again every minute"
                .into(),
            Trust::MassVanish { missing, known } => format!(
                "{missing} of {known} machines are missing from the list at once. Nothing is \
                 bought, wiped or cancelled from it; the missing ones are asked for one by one"
            ),
        }
    }
}

/// Judges a list. `known`: instances that existed by the lists before. `explained`: those of them
/// whose absence was to be expected (past their cancel date, or already proved to be gone).
/// `listed`: what the list shows. `complete`: all pages arrived and agree.
pub fn trust(
    known: &BTreeSet<i64>,
    explained: &BTreeSet<i64>,
    listed: &BTreeSet<i64>,
    complete: bool,
) -> Trust {
    if !complete {
        return Trust::Partial;
    }
    let missing = known.iter().filter(|id| !listed.contains(id) && !explained.contains(id)).count();
    let limit = VANISHED_FLOOR.max(known.len() * VANISHED_PERCENT / 100);
    if missing > limit { Trust::MassVanish { missing, known: known.len() } } else { Trust::Trusted }
}
