//! What a plan rests on, in words: a plan that no longer fits is refused with the fact that moved.

use devpocket_specs::environment::{Drift, Power};
use devpocket_specs::machine::{Machine, Seen};
use devpocket_specs::operation::{OperationPhase, Verb};
use devpocket_specs::plan::Fact;
use devpocket_specs::template;

use super::acquire::called;
use super::world::World;

/// Everything outside the environment's own record that decides about its plan.
pub fn facts(world: &World<'_>) -> Vec<Fact> {
    let uid = world.environment.metadata.uid;
    let bound = |machine: &&Machine| {
        uid.is_some() && machine.spec.claim.as_ref().map(|claim| claim.uid) == uid
    };
    let machines: Vec<&Machine> = world.machines.iter().copied().filter(bound).collect();
    let mut facts = Vec::new();
    for machine in &machines {
        facts.extend(of_machine(world, machine));
    }
    if machines.is_empty() {
        facts.push(pool(world));
    } else {
        let names: Vec<&str> = machines.iter().map(|machine| called(machine)).collect();
        let since = machines.iter().filter_map(|m| Some(m.spec.claim.as_ref()?.at)).max();
        let name = format!("the machine of env/{}", world.environment.metadata.name);
        facts.push(Fact { since, ..fact(name, names.join(" and ")) });
    }
    if let Some(template) = world.template {
        let name = format!("template {}", template.metadata.name);
        let used = template::version_for(world.environment, template);
        let version = used.map_or(template.metadata.generation, |(version, _)| version);
        facts.push(fact(name, format!("version {version}")));
    }
    facts.extend(of_account(world));
    facts
}

fn fact(name: impl Into<String>, value: impl Into<String>) -> Fact {
    Fact { name: name.into(), value: value.into(), since: None, by: None }
}

fn of_machine(world: &World<'_>, machine: &Machine) -> Vec<Fact> {
    let called = called(machine);
    let mut facts = Vec::new();
    let seen = machine.status.seen.as_ref();
    let environment = &world.environment.metadata.name;
    let power = fact(format!("{called} of env/{environment}"), seen.map_or("not seen yet", word));
    facts.push(told(settled(world, machine, power), outside(machine, "power")));
    if let Some(seen) = seen {
        let name = fact(format!("the name of {called}"), format!("{:?}", seen.display_name));
        facts.push(told(name, outside(machine, "displayName")));
        if let Some(day) = seen.cancel_date {
            let end = fact(format!("the contract of {called}"), format!("cancelled to {day}"));
            facts.push(told(end, outside(machine, "cancelled")));
        }
    }
    if let Some(drift) = outside(machine, "reinstalled") {
        let disk = fact(format!("the disk of {called}"), "reinstalled outside DevPocket");
        facts.push(told(disk, Some(drift)));
    }
    if machine.status.missing.is_some() {
        let name = format!("the place of {called} in Contabo's list");
        let since = machine.status.missing.as_ref().map(|missing| missing.since);
        facts.push(Fact { since, ..fact(name, "empty") });
    }
    let open = world.operations_of(machine).into_iter().rev().find(|o| o.status.phase.is_open());
    if let Some(open) = open {
        let name = format!("what is under way on {called}");
        let since = open.metadata.creation_timestamp;
        facts.push(Fact { since, ..fact(name, open.spec.verb.word()) });
    }
    facts
}

fn word(seen: &Seen) -> &str {
    match seen.power {
        Some(Power::Running) => "Running",
        Some(Power::Stopped) => "Stopped",
        None => &seen.provider_status,
    }
}

/// The last change from outside that stands.
fn outside<'a>(machine: &'a Machine, what: &str) -> Option<&'a Drift> {
    let stands = |drift: &&Drift| drift.what == what && drift.healed.is_none();
    machine.status.outside.iter().rev().find(stands)
}

fn told(fact: Fact, drift: Option<&Drift>) -> Fact {
    let Some(drift) = drift else { return fact };
    let by = match drift.by.as_str() {
        "unknown" => "no audit of Contabo's names who".to_owned(),
        by => format!("Contabo audit: {by}"),
    };
    Fact { since: Some(drift.since), by: Some(by), ..fact }
}

/// Since when: since DevPocket itself set it so, or else since it was first seen so.
fn settled(world: &World<'_>, machine: &Machine, power: Fact) -> Fact {
    let verbs = [Verb::Start, Verb::Restart, Verb::Stop, Verb::Shutdown];
    let last = world
        .operations_of(machine)
        .into_iter()
        .filter(|o| verbs.contains(&o.spec.verb) && o.status.phase == OperationPhase::Succeeded)
        .filter_map(|operation| Some((operation.status.ended_at?, operation.spec.verb)))
        .max_by_key(|(at, _)| *at);
    let made = match last.map(|(_, verb)| verb) {
        Some(Verb::Start | Verb::Restart) => "Running",
        Some(_) => "Stopped",
        None => "",
    };
    match last.filter(|_| power.value == made) {
        Some((at, _)) => Fact { since: Some(at), by: Some("by DevPocket".into()), ..power },
        None => Fact { since: machine.status.seen.as_ref().map(|seen| seen.since), ..power },
    }
}

fn pool(world: &World<'_>) -> Fact {
    let free = world.machines.iter().filter(|m| m.spec.pool.is_some() && m.spec.claim.is_none());
    let mut names: Vec<&str> = free.map(|machine| called(machine)).collect();
    names.sort_unstable();
    fact(
        "the pool of paid machines",
        if names.is_empty() { "empty".into() } else { names.join(", ") },
    )
}

fn of_account(world: &World<'_>) -> Vec<Fact> {
    let Some(installation) = world.installation else { return Vec::new() };
    let mut facts = Vec::new();
    if let Some(pause) = installation.spec.paused.as_ref().filter(|p| p.until > world.now) {
        facts.push(fact("the whole account", format!("paused until {}", pause.until)));
    }
    for hold in &installation.status.holds {
        // Its sentence may have a time in it: the brake is the fact.
        facts.push(fact(format!("the brake {}", hold.code), "on"));
    }
    facts
}
