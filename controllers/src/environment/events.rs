//! Events about what became of an environment: one when a condition turns, none while it stays.

use devpocket_specs::condition::{Condition, ConditionStatus, find};
use devpocket_specs::environment::{Environment, EnvironmentStatus, conditions};

use super::decision::EventDraft;

/// Conditions whose turning true a person may have to act on.
const ALARMS: [&str; 7] = [
    conditions::HELD,
    conditions::WAITING,
    conditions::STALLED,
    conditions::MACHINE_ENDING,
    conditions::DISK_REPLACED,
    conditions::MACHINE_LOST,
    conditions::NOT_AS_ORDERED,
];

/// What is known of the operating system and goes on by itself seldom or never.
const GUEST_ALARMS: [&str; 6] = [
    "InstallFailed",
    "ToolsMissing",
    "MachineIdentity",
    "GuestUnreachable",
    "GuestRefused",
    "GuestBroken",
];

/// Events for what differs between the recorded status and the new one. A silent Contabo is told
/// once for the account, not here.
pub(super) fn transitions(
    environment: &Environment,
    next: &EnvironmentStatus,
    told: &[EventDraft],
) -> Vec<EventDraft> {
    let before = &environment.status.conditions;
    let mut events = Vec::new();
    for name in ALARMS {
        if let Some(now) = turned(before, next, name) {
            events.push(EventDraft::warning(now.reason.clone(), now.message.clone()));
        }
    }
    if let Some(now) = guest_failed(before, next) {
        events.push(EventDraft::warning(now.reason.clone(), now.message.clone()));
    }
    if let Some(now) = not_configured(before, next) {
        events.push(EventDraft::warning("GuestNotConfigured", now.message.clone()));
    }
    if let Some(now) = turned(before, next, conditions::PAUSED) {
        events.push(EventDraft::normal("Paused", now.message.clone()));
    }
    // That a drift is over says it already.
    let healed = told.iter().any(|event| event.reason == "DriftOver");
    if let Some(now) = turned(before, next, conditions::READY).filter(|_| !healed) {
        events.push(EventDraft::normal("Ready", now.message.clone()));
    }
    events
}

/// What keeps its operating system from being ready, if that is new and nothing to be waited out.
fn guest_failed<'a>(before: &[Condition], next: &'a EnvironmentStatus) -> Option<&'a Condition> {
    let now = find(&next.conditions, conditions::GUEST_READY)?;
    let known = find(before, conditions::GUEST_READY).is_some_and(|old| old.reason == now.reason);
    (!known && GUEST_ALARMS.contains(&now.reason.as_str())).then_some(now)
}

/// What the machine has against its configuration, if that is new. A missing Secret is something
/// that is waited for, and told as that.
fn not_configured<'a>(before: &[Condition], next: &'a EnvironmentStatus) -> Option<&'a Condition> {
    let refused = |c: &&Condition| c.reason == "NotConfigured";
    let was = find(before, conditions::GUEST_CONFIGURED).filter(refused).is_some();
    find(&next.conditions, conditions::GUEST_CONFIGURED).filter(refused).filter(|_| !was)
}

/// The condition, if it is true now and was not so, or for another reason, before.
fn turned<'a>(
    before: &[Condition],
    next: &'a EnvironmentStatus,
    name: &str,
) -> Option<&'a Condition> {
    let now = find(&next.conditions, name).filter(|c| c.status == ConditionStatus::True)?;
    let same = find(before, name).is_some_and(|old| {
        old.status == now.status && (old.reason == now.reason || name == conditions::READY)
    });
    (!same).then_some(now)
}
