//! Who answers for the brakes while a decision is made.
//!
//! The brakes count over the whole account, and everything else a decision rests on is a handful of
//! records. So a decision is recorded with what the brakes answered instead of what they counted,
//! and made again with these answers.

use std::cell::RefCell;
use std::collections::VecDeque;

use devpocket_specs::decision::BrakeAnswer;
use devpocket_specs::plan::{Hold, StandstillKind};

/// Code of the hold that a replay meets when it asks something else than was asked then.
pub(super) const OTHER_QUESTION: &str = "replay-differs";

/// Where the answers come from.
#[derive(Clone, Copy, Debug)]
pub enum Brakes<'a> {
    /// From the ledger, now.
    Asked,
    /// From the ledger, now, and written down.
    Heard(&'a RefCell<Vec<BrakeAnswer>>),
    /// As they were written down then, in their order.
    Remembered(&'a RefCell<VecDeque<BrakeAnswer>>),
}

impl Brakes<'_> {
    /// The answer to a question; `judge` asks the ledger.
    pub(super) fn answer(
        self,
        asked: impl FnOnce() -> String,
        judge: impl FnOnce() -> Result<(), Hold>,
    ) -> Result<(), Hold> {
        match self {
            Brakes::Asked => judge(),
            Brakes::Heard(answers) => {
                let answer = judge();
                let hold = answer.clone().err();
                answers.borrow_mut().push(BrakeAnswer { asked: asked(), hold });
                answer
            }
            Brakes::Remembered(answers) => {
                let asked = asked();
                match answers.borrow_mut().pop_front() {
                    Some(then) if then.asked == asked => then.hold.map_or(Ok(()), Err),
                    // Shows in the plan, so the replay cannot pass for the decision.
                    _ => Err(Hold {
                        kind: StandstillKind::Unknown,
                        code: OTHER_QUESTION.into(),
                        message: format!("the brakes were not asked about {asked} then"),
                        until: None,
                    }),
                }
            }
        }
    }
}
