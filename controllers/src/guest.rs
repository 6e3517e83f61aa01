//! The guest port: what can be learned from, and done to, the machine's operating system.

use async_trait::async_trait;
use devpocket_specs::machine::Machine;

/// What is known of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestState {
    /// Nobody looked.
    NotObserved,
    /// It was looked for and does not answer (yet).
    Unreachable { why: String },
    /// It answers and its installation is complete.
    Ready,
}

/// Looks at guests.
#[async_trait]
pub trait Guest: Send + Sync + 'static {
    async fn observe(&self, machine: &Machine) -> GuestState;
}

/// Stands in until guests can be looked at over SSH: always says it did not look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

#[async_trait]
impl Guest for Unobserved {
    async fn observe(&self, _machine: &Machine) -> GuestState {
        GuestState::NotObserved
    }
}
