//! `devpocket explain`: why an environment is as it is (`env/web`), or what a field means
//! (`environment.spec`). Built from the records only: conditions, drift, operations, events, and
//! what was decided, which is kept longer than the environment itself.

mod decided;
mod story;

use clap::Args;
use devpocket_specs::condition::{self, Condition, ConditionStatus};
use devpocket_specs::environment::{Drift, Environment, Phase, Power, conditions};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Resource;
use jiff::Timestamp;

use super::explain_field;
use crate::cli::error::{Outcome, exit};
use crate::cli::follow::absent_failure;
use crate::cli::output::{age, ago, wrap};
use crate::cli::session::Session;
use crate::cli::standing::{self, Standing};
use crate::cli::target::{Named, kind_of};
use crate::manifest::short_name;

/// Lines of history told.
const HISTORY: usize = 8;
/// Spaces after a time.
const GAP: usize = 2;

/// Say why an environment is as it is, or what a field means.
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket explain env/web\n  devpocket explain environment.spec"
)]
pub struct ExplainArgs {
    /// env/web, or environment.spec.power
    what: String,
    /// Tell each recorded decision: what was seen, what was decided, what the brakes said
    #[arg(long)]
    decisions: bool,
}

pub async fn run(session: &Session, args: ExplainArgs) -> Outcome {
    let kind_word = args.what.split('.').next().unwrap_or_default();
    let is_field = !args.what.contains('/') && Kind::from_word(kind_word).is_some();
    if is_field {
        return explain_field::run(session, kind_of(kind_word)?, &args.what);
    }
    let name = Named::environments(std::slice::from_ref(&args.what))?.remove(0);
    let api = session.api()?;
    let key = session.environment(&name);
    let found = api.find::<Environment>(&key.namespace, &name).await;
    let found = found.map_err(|error| session.report(&error))?;
    let records = api.decisions(&key).await.map_err(|error| session.report(&error))?;
    if args.decisions && (found.is_some() || !records.is_empty()) {
        return Ok(decided::tell(session, &key, &records));
    }
    let Some(environment) = found else {
        if records.is_empty() {
            return Err(absent_failure(&key).into());
        }
        return decided::gone(session, &api, &key, &records).await;
    };
    let now = session.now();
    let local = |text: &str| session.output.words.local_times(text, now);
    let mut story = story::history(session, &api, &key, &environment, &records).await?;
    story.iter_mut().for_each(|(_, text)| *text = local(text));
    if session.output.format.is_document() {
        let lines: Vec<_> =
            story.iter().map(|(at, text)| serde_json::json!({"at": at, "text": text})).collect();
        session.output.document(&serde_json::json!({
            "object": short_name(&key),
            "summary": summary(session, &environment),
            "history": lines,
            "next": next(session, &environment),
            "decisions": records,
        }));
        return Ok(exit::DONE);
    }
    say(session, &local(&summary(session, &environment)), 0);
    timeline(session, &story[story.len().saturating_sub(HISTORY)..]);
    if let Some(newer) = newer(&environment) {
        say(session, &newer, 0);
    }
    if let Some(next) = next(session, &environment) {
        say(session, &format!("Next: {}", local(&next)), 0);
    }
    if let Some(ways) = ways(&environment) {
        say(session, &format!("You can: {ways}"), 0);
    }
    Ok(exit::DONE)
}

/// Lines with their times in a column.
fn timeline(session: &Session, story: &[(Timestamp, String)]) {
    let stamps: Vec<String> = story.iter().map(|(at, _)| stamp(session, *at)).collect();
    let column = stamps.iter().map(String::len).max().unwrap_or(0) + GAP;
    for (stamp, (_, text)) in stamps.iter().zip(story) {
        let width = session.output.out.prose_width().saturating_sub(column + 2);
        for (index, line) in wrap(text, width).iter().enumerate() {
            let stamp = if index == 0 { stamp.as_str() } else { "" };
            session.output.line(format!("  {stamp:<column$}{line}").trim_end());
        }
    }
}

fn say(session: &Session, text: &str, indent: usize) {
    for line in wrap(text, session.output.out.prose_width() - indent) {
        session.output.line(format!("{:indent$}{line}", ""));
    }
}

/// Times of today as a clock, others as a day.
fn stamp(session: &Session, at: Timestamp) -> String {
    let words = &session.output.words;
    if words.day(at) == words.day(session.now()) {
        words.clock(at)
    } else {
        words.day(at).to_string()
    }
}

/// `env/web is not ready: its machine is stopped, declared is Running (by ci, 3d ago).`
fn summary(session: &Session, environment: &Environment) -> String {
    let name = short_name(&environment.key());
    let standing = Standing::of(environment);
    let ready = condition::find(&environment.status.conditions, conditions::READY);
    let since = |condition: &Condition| age(condition.last_transition_time, session.now());
    let for_so_long = ready.map(|ready| format!(" for {}", since(ready)));
    if standing::is_ready(environment) {
        let power = match standing::wanted(environment) {
            Power::Running => "running",
            Power::Stopped => "stopped",
        };
        return format!("{name} is as declared: {power}{}.", for_so_long.unwrap_or_default());
    }
    let message = standing.message.trim_end_matches('.');
    if !standing::is_current(environment) && !environment.metadata.is_deleting() {
        let changed = changed(environment).map(|at| format!(" {} ago", ago(at, session.now())));
        let unseen = condition::find(&environment.status.conditions, conditions::UNOBSERVED)
            .filter(|condition| condition.status == ConditionStatus::True)
            .map(|condition| format!(": {}", condition.message.trim_end_matches('.')));
        let looked = match unseen {
            Some(why) => format!("was not looked at since{why}"),
            None => "is being looked at".to_owned(),
        };
        return format!("{name} was changed{}, and {looked}.", changed.unwrap_or_default());
    }
    if let Some((_, condition)) = standing::standstill(environment) {
        let what = standing::joined(standing.word, message);
        return format!("{name} is {what}. So it stands for {}.", since(condition));
    }
    let what = standing::joined(standing.word, message);
    let declared = declared(session, environment);
    let was_ready = ready.is_some_and(|ready| ready.status == ConditionStatus::True);
    match for_so_long {
        // How long it has been ready is no measure of what was changed since.
        Some(_) if was_ready => format!("{name} is not as declared yet: {what}{declared}."),
        Some(long) => format!("{name} has not been ready{long}: {what}{declared}."),
        None => format!("{name} is not ready: {what}{declared}."),
    }
}

/// When somebody last declared something of it.
fn changed(environment: &Environment) -> Option<Timestamp> {
    let managers = environment.metadata.managed_fields.entries();
    let declared = managers.iter().filter(|entry| entry["subresource"].is_null());
    declared.filter_map(|entry| entry["time"].as_str()?.parse().ok()).max()
}

/// `, declared is Running (by ci, 3d ago)`, where power is what differs.
fn declared(session: &Session, environment: &Environment) -> String {
    let stopped = environment.status.phase == Phase::Stopped;
    if !stopped || standing::wanted(environment) == Power::Stopped {
        return String::new();
    }
    let managers = environment.metadata.managed_fields.entries();
    let owner = managers.iter().rev().find(|entry| {
        entry["subresource"].is_null() && !entry["fieldsV1"]["f:spec"]["f:power"].is_null()
    });
    let by = owner.and_then(|entry| entry["manager"].as_str());
    let at = owner.and_then(|entry| entry["time"].as_str()?.parse::<Timestamp>().ok());
    let by = match (by, at) {
        (Some(by), Some(at)) => format!(" (by {by}, {} ago)", ago(at, session.now())),
        _ => String::new(),
    };
    format!("; declared is Running{by}")
}

/// `It has python@2; version 3 of the template is out, and is taken when spec.template names it.`
fn newer(environment: &Environment) -> Option<String> {
    let installed = environment.status.template.as_ref()?;
    let (name, version, newer) = (&installed.name, installed.generation, installed.newer?);
    Some(format!(
        "It has {name}@{version}; version {newer} of the template is out, and is taken when \
         spec.template names it."
    ))
}

/// What comes next, and when it ends by itself.
fn next(session: &Session, environment: &Environment) -> Option<String> {
    let plan = environment.status.plan.as_ref()?;
    let step = plan.steps.first()?;
    let summary = step.summary.trim_end_matches('.');
    Some(match &step.hold {
        None => format!("{summary}."),
        Some(hold) => {
            let known = standing::standstill(environment);
            let known = known.is_some_and(|(_, condition)| condition.message == hold.message);
            let why = match known {
                true => "that is over".to_owned(),
                false => format!("this is over: {}", hold.message.trim_end_matches('.')),
            };
            match hold.until.map(|at| session.output.words.moment(at, session.now())) {
                Some(at) if known => format!("{summary}, by itself at {at}."),
                Some(at) => format!("{summary}, once {why}. It goes on by itself at {at}."),
                None => format!("{summary}, once {why}."),
            }
        }
    })
}

/// What the person can do.
fn ways(environment: &Environment) -> Option<String> {
    let name = &environment.metadata.name;
    let is = |kind: &str| {
        let found = condition::find(&environment.status.conditions, kind);
        found.is_some_and(|condition| condition.status == ConditionStatus::True)
    };
    let mut ways = Vec::new();
    if let Some(failed) = standing::failed(environment) {
        let lead_out = failed.ways().into_iter();
        ways.extend(lead_out.map(|(command, remark)| format!("{command} ({remark})")));
    }
    if is(conditions::PAUSED) {
        ways.push(format!("devpocket resume {name}"));
    }
    if is(conditions::WAITING) || is(conditions::HELD) {
        ways.push(format!("devpocket plan {name} (its steps, and what holds them)"));
    }
    let stands = |drift: &Drift| drift.what == "power" && drift.healed.is_none();
    let going = environment.metadata.is_deleting();
    let drifted = !going && environment.status.drift.last().is_some_and(stands);
    if drifted && !standing::is_ready(environment) {
        if standing::wanted(environment) == Power::Running {
            ways.push(format!("devpocket stop {name} (accept it)"));
        }
        if !is(conditions::PAUSED) {
            ways.push(format!("devpocket pause {name} --for 2h"));
        }
    }
    (!ways.is_empty()).then(|| ways.join(" · "))
}
