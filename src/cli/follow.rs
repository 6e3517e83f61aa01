//! Waiting for environments, with progress. Ctrl-C ends the watching, not the work.

use std::collections::BTreeMap;

use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::environment::{Environment, Phase, conditions};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::{Key, Resource};
use tokio::time::{Duration, Instant, MissedTickBehavior};

use super::api::{Api, Change, Watcher};
use super::args::TIMEOUT;
use super::error::{Failure, Outcome, Report, Retry, exit};
use super::interrupt::Interrupt;
use super::output::Sign;
use super::progress::Progress;
use super::session::Session;
use super::standing::{self, Failed, Standing};
use crate::manifest::short_name;

/// How often what is shown is redrawn.
const TICK: Duration = Duration::from_secs(1);

/// Conditions that every environment has once it was looked at.
const ALWAYS_THERE: [&str; 4] = [
    conditions::READY,
    conditions::MACHINE_BOUND,
    conditions::GUEST_READY,
    conditions::GUEST_CONFIGURED,
];

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
    /// Only what is known of the newest declaration counts.
    fn reached(&self, environment: &Environment) -> bool {
        let status = &environment.status;
        match self {
            Goal::Ready => standing::is_ready(environment),
            Goal::Deleted => false,
            Goal::Phase(phase) => status.phase == *phase && standing::is_seen(environment),
            Goal::Condition { name, status: wanted } => {
                match condition::find(&status.conditions, name) {
                    Some(found) => {
                        found.status == *wanted && standing::is_about_now(environment, found)
                    }
                    // What never stood is not written down as over.
                    None => {
                        *wanted == ConditionStatus::False
                            && !ALWAYS_THERE.contains(&name.as_str())
                            && standing::is_seen(environment)
                    }
                }
            }
            Goal::Requested(..) => self.is_done(environment) && standing::is_ready(environment),
        }
    }

    /// Whether what was asked for was done, however it ended.
    fn is_done(&self, environment: &Environment) -> bool {
        match self {
            Goal::Requested(which, id) => environment.status.requests.get(*which) == Some(id),
            _ => true,
        }
    }

    /// Whether a standstill means that it will not be reached without a person.
    fn needs_work(&self) -> bool {
        matches!(self, Goal::Ready | Goal::Deleted | Goal::Requested(..))
    }

    /// What is waited for, where the environment rests and this is still to come.
    fn awaited(&self) -> String {
        match self {
            Goal::Ready => "not looked at yet".to_owned(),
            Goal::Deleted => "waits to be released".to_owned(),
            Goal::Phase(phase) => {
                format!("waits for phase={}", format!("{phase:?}").to_ascii_lowercase())
            }
            Goal::Condition { name, status } => format!("waits for condition={name}={status:?}"),
            Goal::Requested(which, id) => format!("{which} {id} is asked for"),
        }
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
    let mut silent = false;
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
                if watcher.is_silent() != silent {
                    silent = watcher.is_silent();
                    progress.remark(&silence(session, api, silent), session.now());
                }
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

/// What is waited for goes on behind a server that does not answer, and is not seen.
fn silence(session: &Session, api: &Api, silent: bool) -> String {
    let (sign, what) = match silent {
        true => (Sign::Unknown, "does not answer; it is asked again"),
        false => (Sign::Done, "answers again"),
    };
    format!("  {} {} {what}", session.output.err.sign(sign), api.server())
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
    let standing = Standing::of(&environment);
    if goal.reached(&environment) {
        progress.observe_as(&environment, standing.reached(), now);
        open.remove(&key);
        return Ok(());
    }
    let failed = standing::failed(&environment);
    let held = standing::standstill(&environment).is_some();
    let begins = failed.is_some() && !held && !goal.is_done(&environment);
    let shown = if begins { standing.begun_again() } else { standing.awaiting(&goal.awaited()) };
    progress.observe_as(&environment, shown.clone(), now);
    if !goal.needs_work() || begins {
        return Ok(());
    }
    match failed {
        Some(failed) if goal.is_done(&environment) && !(held && shown.at_rest) => {
            Err(has_failed(&key, &failed))
        }
        _ if shown.at_rest => Err(stands_still(&key, &shown)),
        _ => Ok(()),
    }
}

/// The error of the machine, with what leads out of it.
fn has_failed(key: &Key, failed: &Failed<'_>) -> Report {
    let message = failed.condition.message.trim_end_matches('.');
    let message = match message.strip_prefix("the installation ") {
        Some(rest) => format!("the installation of {} {rest}", short_name(key)),
        None => format!("{}: {message}", short_name(key)),
    };
    let failure =
        Failure::new(failed.code, message).so_far(failed.so_far()).retry(Retry::AfterChange);
    let ways = failed.ways();
    let explained = ways.len() < 2;
    let failure = ways
        .into_iter()
        .fold(failure, |failure, (command, remark)| failure.attempt(command, remark));
    match explained {
        true => {
            let explain = format!("devpocket explain {}", short_name(key));
            failure.attempt(explain, "what is known since when").into()
        }
        false => failure.into(),
    }
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
