//! A decision in the making: steps, bookkeeping, what to report; and how they become one.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use devpocket_specs::environment::EnvironmentStatus;
use devpocket_specs::machine::{Machine, MachineSpec};
use devpocket_specs::plan::{Hold, Plan, StandstillKind, Step};

use super::consent::{self, Implied};
use super::decision::{Decision, EventDraft, RecordWrite};
use super::report::{self, Report};
use super::world::World;
use crate::guard::codes;

/// A step with what doing it means.
pub(super) struct Pending {
    pub step: Step,
    pub implied: Implied,
    /// None for a step that starts by itself once the ones before it are done.
    pub writes: Vec<RecordWrite>,
    pub event: Option<EventDraft>,
}

/// Collects a decision.
pub(super) struct Draft<'w, 'a> {
    pub world: &'w World<'a>,
    /// Copied only where something in it changes: mostly nothing does.
    pub status: Cow<'w, EnvironmentStatus>,
    pub report: Report,
    pub events: Vec<EventDraft>,
    bookkeeping: Vec<RecordWrite>,
    steps: Vec<Pending>,
    holds: Vec<Hold>,
    wake: Option<Timestamp>,
}

impl<'w, 'a> Draft<'w, 'a> {
    pub fn new(world: &'w World<'a>) -> Self {
        Draft {
            world,
            status: Cow::Borrowed(&world.environment.status),
            report: Report::default(),
            events: Vec::new(),
            bookkeeping: Vec::new(),
            steps: Vec::new(),
            holds: Vec::new(),
            wake: None,
        }
    }

    /// A write that is no step of its own: a finalizer, a mirror, a mark.
    pub fn keep(&mut self, write: RecordWrite) {
        self.bookkeeping.push(write);
    }

    /// Changes the spec of a machine as part of the bookkeeping; several changes are one write.
    pub fn edit(&mut self, machine: &Machine, change: impl FnOnce(&mut MachineSpec)) {
        let planned = self.bookkeeping.iter_mut().find_map(|write| match write {
            RecordWrite::UpdateMachine(m) if m.metadata.name == machine.metadata.name => Some(m),
            _ => None,
        });
        if let Some(planned) = planned {
            return change(&mut planned.spec);
        }
        let mut next = machine.clone();
        change(&mut next.spec);
        self.keep(RecordWrite::UpdateMachine(Box::new(next)));
    }

    pub fn step(&mut self, mut pending: Pending) {
        consent::settle(self.world, &mut pending.step, pending.implied);
        self.steps.push(pending);
    }

    /// Something that keeps the environment from going on and is no step of the plan.
    pub fn hold(&mut self, hold: Hold) {
        self.holds.push(hold);
    }

    /// Look again at this time.
    pub fn wake_at(&mut self, at: Timestamp) {
        self.wake = Some(self.wake.map_or(at, |before| before.min(at)));
    }

    pub fn finish(mut self) -> Decision {
        self.pause();
        let writes = self.writes();
        for hold in self.steps.iter().filter_map(|p| p.step.hold.as_ref()).chain(&self.holds) {
            if let Some(until) = hold.until {
                self.wake = Some(self.wake.map_or(until, |before| before.min(until)));
            }
        }
        let mut holds = std::mem::take(&mut self.holds);
        let steps: Vec<Step> = self.steps.into_iter().map(|p| p.step).collect();
        holds.extend(steps.iter().filter_map(|s| s.hold.clone()));
        let plan = Plan::of(steps);
        let mut status = self.status;
        let shown = (!plan.is_empty()).then_some(&plan);
        if status.plan.as_ref() != shown {
            status.to_mut().plan = shown.cloned();
        }
        let generation = self.world.environment.metadata.generation;
        if status.observed_generation != generation {
            status.to_mut().observed_generation = generation;
        }
        report::write(self.world, &mut status, self.report, &holds);
        let mut events = self.events;
        let turned = super::events::transitions(self.world.environment, &status, &events);
        events.extend(turned);
        let now = self.world.now;
        let requeue = self.wake.map(|at| {
            let left = at.duration_since(now);
            Duration::try_from(left).unwrap_or_default().max(Duration::from_secs(1))
        });
        let status = match status {
            Cow::Owned(status) if status != self.world.environment.status => Some(status),
            _ => None,
        };
        Decision { plan, status, writes, events, requeue }
    }

    /// A pause beats everything: nothing is written, every step says why it stands.
    fn pause(&mut self) {
        let Some(pause) = &self.world.environment.spec.paused else { return };
        if pause.until <= self.world.now {
            return;
        }
        let why = pause.reason.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
        let name = &self.world.environment.metadata.name;
        let hold = Hold {
            kind: StandstillKind::Paused,
            code: codes::PAUSED.into(),
            message: format!(
                "env/{name} is paused until {}{why}; nothing is done for it",
                pause.until
            ),
            until: Some(pause.until),
        };
        self.bookkeeping.clear();
        self.holds = vec![hold.clone()];
        for pending in &mut self.steps {
            pending.step.hold = Some(hold.clone());
        }
    }

    /// What is written now: the bookkeeping, and the steps that nothing holds. Of the operations only
    /// the first: what the next one needs is seen after it.
    fn writes(&mut self) -> Vec<RecordWrite> {
        let mut writes = std::mem::take(&mut self.bookkeeping);
        let mut operates = false;
        for pending in &mut self.steps {
            let acts = pending.writes.iter().any(|w| matches!(w, RecordWrite::CreateOperation(_)));
            if pending.step.hold.is_some() || !pending.step.approved || (acts && operates) {
                continue;
            }
            operates |= acts;
            writes.append(&mut pending.writes);
            self.events.extend(pending.event.take());
        }
        writes
    }
}
