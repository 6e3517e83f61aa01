//! What a decision is made of.

use std::time::Duration;

use uuid::Uuid;

use devpocket_specs::environment::{Environment, EnvironmentStatus};
use devpocket_specs::machine::Machine;
use devpocket_specs::operation::Operation;
use devpocket_specs::plan::Plan;

/// One record to write. Updates carry the `resourceVersion` they were decided on.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordWrite {
    /// The environment gets its finalizer, before anything is made for it.
    AddFinalizer,
    /// The environment's finalizer goes; nothing is left to be done for it.
    RemoveFinalizer,
    /// AlreadyExists with the same demand means that it is recorded already.
    CreateMachine(Box<Machine>),
    /// The spec of a machine: claim, release, name.
    UpdateMachine(Box<Machine>),
    /// The record of a machine that was never bought.
    DeleteMachine { name: String, uid: Uuid },
    /// AlreadyExists means that somebody with the same view was faster.
    CreateOperation(Box<Operation>),
}

/// Something to tell about the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDraft {
    /// A person may have to do something.
    pub warning: bool,
    /// CamelCase word for programs.
    pub reason: String,
    /// One sentence for people.
    pub message: String,
}

impl EventDraft {
    pub(super) fn normal(reason: impl Into<String>, message: impl Into<String>) -> EventDraft {
        EventDraft { warning: false, reason: reason.into(), message: message.into() }
    }

    pub(super) fn warning(reason: impl Into<String>, message: impl Into<String>) -> EventDraft {
        EventDraft { warning: true, reason: reason.into(), message: message.into() }
    }
}

/// Everything decided about one environment in one pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// What is left to do, including what waits; empty when the world is as declared.
    pub plan: Plan,
    /// The status as it should be; none when it is so already.
    pub status: Option<EnvironmentStatus>,
    /// To be written in this order; a failure ends the pass.
    pub writes: Vec<RecordWrite>,
    /// To be recorded once the writes and the status are through.
    pub events: Vec<EventDraft>,
    /// Look again after this time though nothing changed by then.
    pub requeue: Option<Duration>,
}

impl Decision {
    /// The status as it should be, of the environment that was decided about.
    pub fn status_of<'a>(&'a self, environment: &'a Environment) -> &'a EnvironmentStatus {
        self.status.as_ref().unwrap_or(&environment.status)
    }

    /// Whether there is anything to write.
    pub fn writes_something(&self) -> bool {
        !self.writes.is_empty() || self.status.is_some()
    }
}
