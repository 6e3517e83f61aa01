//! Striking a process at a point: just before a step takes effect ("not done"), or just after
//! ("done"). By default it is killed there; what else can befall it is the caller's.
//!
//! The steps are the mutating calls of the cloud and the writes to the store, counted together in
//! the order in which they happen. A deterministic run counts the same ones each time, so "the
//! seventh step" means the same step in every run up to there.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use devpocket_specs::kind::Kind;
use tokio::sync::Notify;

use super::store::{Verdict, WriteProbe};
use crate::store::{Stored, Write};

/// Which side of the step the process is struck on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    NotDone,
    Done,
}

/// Where to strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// 1 is the first step counted.
    pub step: usize,
    pub side: Side,
}

/// What befalls the process at the point.
#[derive(Clone, Default)]
pub enum Blow {
    /// It is killed: nothing it had begun goes on.
    #[default]
    Kill,
    /// This happens, at that very moment, and the process goes on.
    Meet(Arc<dyn Fn() + Send + Sync>),
}

impl fmt::Debug for Blow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Blow::Kill => "Kill",
            Blow::Meet(_) => "Meet",
        })
    }
}

#[derive(Debug, Default)]
struct State {
    counting: bool,
    blow: Blow,
    struck: bool,
    steps: Vec<String>,
    /// Steps that have begun and not ended, by what they change: others may come in between.
    begun: BTreeMap<String, usize>,
    point: Option<Point>,
    tripped: bool,
}

/// Counts steps, and trips at one.
#[derive(Debug, Default)]
pub struct Switch {
    state: Mutex<State>,
    pulled: Notify,
}

impl Switch {
    /// Counts from here on; kills at the point, if there is one.
    pub fn arm(&self, point: Option<Point>) {
        self.arm_with(point, Blow::Kill);
    }

    /// Counts from here on; strikes at the point, if there is one.
    pub fn arm_with(&self, point: Option<Point>, blow: Blow) {
        let mut state = self.lock();
        *state = State { counting: true, point, blow, ..State::default() };
    }

    /// Whether the point was reached since it was armed.
    pub fn is_struck(&self) -> bool {
        self.lock().struck
    }

    /// Neither counts nor trips from here on; the steps counted, in order.
    pub fn disarm(&self) -> Vec<String> {
        let mut state = self.lock();
        state.counting = false;
        state.point = None;
        std::mem::take(&mut state.steps)
    }

    pub fn is_tripped(&self) -> bool {
        self.lock().tripped
    }

    /// The process is dead now; what comes next is another one.
    pub fn reset(&self) {
        self.lock().tripped = false;
    }

    /// Completes when the point is reached.
    pub async fn tripped(&self) {
        loop {
            let mut pulled = std::pin::pin!(self.pulled.notified());
            pulled.as_mut().enable();
            if self.is_tripped() {
                return;
            }
            pulled.await;
        }
    }

    /// Right before a step; never returns when the process is killed here.
    pub async fn before(&self, what: &str) {
        if self.step(what) {
            std::future::pending::<()>().await;
        }
    }

    /// Right after a step.
    pub async fn after(&self, what: &str) {
        if self.stepped(what) {
            std::future::pending::<()>().await;
        }
    }

    fn step(&self, what: &str) -> bool {
        let mut state = self.lock();
        if state.tripped {
            return true;
        }
        if !state.counting {
            return false;
        }
        state.steps.push(what.to_owned());
        let step = state.steps.len();
        state.begun.insert(what.to_owned(), step);
        let here = Point { step, side: Side::NotDone };
        self.trip_at(state, here)
    }

    fn stepped(&self, what: &str) -> bool {
        let mut state = self.lock();
        if state.tripped {
            return true;
        }
        let Some(step) = state.begun.remove(what) else { return false };
        self.trip_at(state, Point { step, side: Side::Done })
    }

    fn trip_at(&self, mut state: MutexGuard<'_, State>, here: Point) -> bool {
        if state.point != Some(here) {
            return false;
        }
        state.point = None;
        state.struck = true;
        if let Blow::Meet(what) = state.blow.clone() {
            drop(state);
            what();
            return false;
        }
        state.tripped = true;
        drop(state);
        self.pulled.notify_waiters();
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Renewals of the lease are no steps of a scenario: there are as many as time passes.
fn counts(write: &Write) -> bool {
    write.admitted.key().kind != Kind::Lease
}

fn name(write: &Write) -> String {
    format!("{:?} {}", write.admitted.change(), write.admitted.key())
}

impl WriteProbe for Switch {
    fn before(&self, write: &Write) -> Verdict {
        if counts(write) && self.step(&name(write)) {
            return Verdict::Hang;
        }
        if self.is_tripped() { Verdict::Hang } else { Verdict::Proceed }
    }

    fn after(&self, write: &Write, _stored: &Stored) -> Verdict {
        if counts(write) && self.stepped(&name(write)) { Verdict::Hang } else { Verdict::Proceed }
    }
}
