//! Waiting for environments, with progress. Ctrl-C ends the watching, not the work.

use std::collections::BTreeMap;

use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::environment::{Environment, Phase};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Resource};
use tokio::time::{Duration, Instant, MissedTickBehavior};

use super::api::{Api, Change, Watcher};
use super::args::TIMEOUT;
use super::error::{Failure, Outcome, Report, Retry, exit};
use super::interrupt::Interrupt;
use super::progress::Progress;
use super::session::Session;
use super::standing::{self, Standing};
use crate::manifest::short_name;

/// How often what is shown is redrawn.
const TICK: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// As declared, which for a stopped environment is stopped.
    Ready,
    Deleted,
    Phase(Phase),
    Condition {
        name: String,
        status: ConditionStatus,
    },
    /// Ready, and this request with this id is done.
    Requested(&'static str, String),
}

impl Goal {
    fn reached(&self, environment: &Environment) -> bool {
        let status = &environment.status;
        match self {
            Goal::Ready => standing::is_ready(environment),
            Goal::Deleted => false,
            Goal::Phase(phase) => status.phase == *phase,
            Goal::Condition { name, status: wanted } => {
                condition::find(&status.conditions, name).is_some_and(|c| c.status == *wanted)
            }
            Goal::Requested(which, id) => {
                let done = status.requests.get(*which) == Some(id);
                done && standing::is_ready(environment)
            }
        }
    }

    /// Whether a standstill means that it will not be reached without a person.
    fn needs_work(&self) -> bool {
        matches!(self, Goal::Ready | Goal::Deleted | Goal::Requested(..))
    }
}

/// Waits until each target has reached its goal.
pub async fn follow(
    session: &Session,
    api: &Api,
    targets: BTreeMap<Key, Goal>,
    after_ready: bool,
) -> Outcome {
    let mut progress = Progress::stderr(session.output.err, session.output.words.clone());
    if after_ready {
        progress = progress.then(|name| format!(".  Next: devpocket describe {name}"));
    }
    let timeout = session.globals.timeout.unwrap_or(TIMEOUT);
    let deadline = Instant::now() + timeout.unsigned_abs();
    let mut namespaces: Vec<&str> = targets.keys().map(|key| key.namespace.as_str()).collect();
    namespaces.dedup();
    let namespace = if let [one] = namespaces.as_slice() { one } else { "" };
    let mut watcher = Watcher::new(api, Kind::Environment, namespace);
    let mut open = targets.clone();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupt = Interrupt::listen();
    watcher.start().await.map_err(|error| session.report(&error))?;
    missing(session, &watcher, &mut open, &mut progress)?;
    loop {
        if open.is_empty() {
            progress.end();
            return Ok(exit::DONE);
        }
        let change = tokio::select! {
            biased;
            () = interrupt.heard() => {
                progress.end();
                return Ok(interrupted(session, &open));
            }
            () = tokio::time::sleep_until(deadline) => {
                progress.end();
                return Err(timed_out(session, &open, &watcher, api));
            }
            change = watcher.next() => change,
            _ = tick.tick() => {
                progress.tick(session.now());
                continue;
            }
        };
        let change = change.map_err(|error| {
            progress.end();
            session.report(&error)
        })?;
        let ended = judge(session, api, change, &mut open, &mut progress);
        if let Err(report) = ended {
            progress.end();
            return Err(report);
        }
    }
}

/// What is not there when the watching begins: that is a goal, or a mistake.
fn missing(
    session: &Session,
    watcher: &Watcher,
    open: &mut BTreeMap<Key, Goal>,
    progress: &mut Progress,
) -> Result<(), Report> {
    let there = |key: &Key| watcher.known().any(|item| is(item, key));
    let absent: Vec<Key> = open.keys().filter(|key| !there(key)).cloned().collect();
    for key in absent {
        if open.get(&key) == Some(&Goal::Deleted) {
            progress.gone(&key, session.now());
            open.remove(&key);
        } else {
            return Err(absent_failure(&key).into());
        }
    }
    Ok(())
}

pub fn absent_failure(key: &Key) -> Failure {
    let place =
        if key.namespace.is_empty() { String::new() } else { format!(" in {}", key.namespace) };
    let failure = Failure::new("not-found", format!("there is no {}{place}", short_name(key)));
    failure.attempt(format!("devpocket get {}", key.kind.info().plural), "what there is")
}

fn is(item: &serde_json::Value, key: &Key) -> bool {
    item["metadata"]["name"] == key.name.as_str()
        && item["metadata"]["namespace"].as_str().unwrap_or_default() == key.namespace
}

fn judge(
    session: &Session,
    api: &Api,
    change: Change,
    open: &mut BTreeMap<Key, Goal>,
    progress: &mut Progress,
) -> Result<(), Report> {
    let now = session.now();
    let (value, gone) = match change {
        Change::Present(value) => (value, false),
        Change::Gone(value) => (value, true),
    };
    let environment: Environment = api.typed(value).map_err(|error| session.report(&error))?;
    let key = environment.key();
    let Some(goal) = open.get(&key).cloned() else { return Ok(()) };
    if gone {
        progress.gone(&key, now);
        open.remove(&key);
        return if goal == Goal::Deleted { Ok(()) } else { Err(vanished(&key)) };
    }
    progress.observe(&environment, now);
    if goal.reached(&environment) {
        open.remove(&key);
        return Ok(());
    }
    let standing = Standing::of(&environment);
    if goal.needs_work()
        && standing.at_rest
        && standing.word != "ready"
        && standing.word != "stopped"
    {
        return Err(stands_still(&key, &standing));
    }
    Ok(())
}

fn vanished(key: &Key) -> Report {
    Failure::new("not-found", format!("{} was deleted meanwhile", short_name(key)))
        .so_far("the waiting ended")
        .attempt(format!("devpocket undelete {}", key.name), "while its disk is untouched")
        .into()
}

/// Paused, waiting or stalled: it goes on when a person does something.
fn stands_still(key: &Key, standing: &Standing) -> Report {
    let what = standing::joined(standing.word, &standing.message);
    let message = format!("{} is {what}", short_name(key));
    let explain = format!("devpocket explain {}", short_name(key));
    let failure = match standing.word {
        "stalled" => Failure::new("stalled", message),
        word => Failure::held(word, message),
    };
    let failure = failure.so_far("what was declared stands").retry(Retry::AfterChange);
    let failure = match standing.word {
        "paused" => failure.attempt(format!("devpocket resume {}", key.name), "ends the pause"),
        _ => failure,
    };
    failure.attempt(explain, "").into()
}

fn interrupted(session: &Session, open: &BTreeMap<Key, Goal>) -> u8 {
    let names: Vec<String> = open.keys().map(short_name).collect();
    session.output.note(format!(
        "Stopped watching; the work goes on. Look again: devpocket wait {}",
        names.join(" ")
    ));
    exit::INTERRUPTED
}

fn timed_out(
    session: &Session,
    open: &BTreeMap<Key, Goal>,
    watcher: &Watcher,
    api: &Api,
) -> Report {
    let names: Vec<String> = open.keys().map(short_name).collect();
    let mut reasons = Vec::new();
    for item in watcher.known().filter(|item| open.keys().any(|key| is(item, key))) {
        let Ok(environment) = api.typed::<Environment>(item.clone()) else { continue };
        let standing = Standing::of(&environment);
        let what = standing::joined(standing.word, &standing.message);
        reasons.push(format!("{} is {what}", environment.metadata.name));
    }
    let timeout = session.globals.timeout.unwrap_or(TIMEOUT);
    let message =
        format!("{} did not get there in {}", names.join(", "), super::output::span(timeout));
    Failure::new("timeout", message)
        .exit(exit::TIMEOUT)
        .because(session.output.words.local_times(&reasons.join(". "), session.now()))
        .so_far("the work goes on")
        .attempt(format!("devpocket wait {}", names.join(" ")), "")
        .attempt(format!("devpocket explain {}", names.first().map_or("", String::as_str)), "")
        .retry(Retry::GoesOn)
        .into()
}
