//! What was seen and what was done, by time: drift, operations, and the news of decisions.

use std::collections::BTreeMap;

use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::environment::{Drift, Environment, Power};
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names;
use devpocket_specs::object::{Key, Resource};
use devpocket_specs::operation::{Operation, OperationPhase, Verb};
use jiff::Timestamp;
use uuid::Uuid;

use crate::cli::api::Api;
use crate::cli::command::describe::{events, last};
use crate::cli::error::Report;
use crate::cli::session::Session;
use crate::cli::standing;

/// Reasons of news that drift and operations tell better.
const TOLD_ELSEWHERE: [&str; 2] = ["Drift", "DriftOver"];

/// The story of an environment that is there, oldest first.
pub(super) async fn history(
    session: &Session,
    api: &Api,
    key: &Key,
    environment: &Environment,
    records: &[DecisionRecord],
) -> Result<Vec<(Timestamp, String)>, Report> {
    let uid = environment.uid().to_string();
    let about = format!("{}={uid}", names::ENVIRONMENT_UID);
    let operations = match api.list(Kind::Operation, "", &about).await {
        // The calls are the operators' to see; drift and decisions tell the story too.
        Err(error) if error.is_forbidden() => Vec::new(),
        operations => operations.map_err(|error| session.report(&error))?.items,
    };
    let operations: Vec<Operation> = operations
        .into_iter()
        .map(|item| api.typed(item).map_err(|error| session.report(&error)))
        .collect::<Result<_, _>>()?;
    let mut story = Vec::new();
    let mut ends = BTreeMap::new();
    for drift in &environment.status.drift {
        story.push((drift.since, seen(drift)));
        let Some(healed) = drift.healed else { continue };
        match healer(drift, &operations) {
            Some(operation) => drop(ends.insert(operation.uid(), (healed, drift))),
            None => story.push((healed, format!("{} is as declared again.", drift.what))),
        }
    }
    let power = standing::wanted(environment);
    for operation in &operations {
        story.extend(told(operation, ends.get(&operation.uid()).copied(), power));
    }
    let mut news = News { operations: &operations, story };
    for record in records.iter().filter(|record| record.environment.uid == environment.uid()) {
        for told in &record.told {
            news.add(record.at, &told.reason, &told.message, 1);
        }
    }
    for event in events(session, api, key, Some(&uid)).await? {
        let Some(at) = last(&event) else { continue };
        news.add(at, &event.reason, &event.message, event.count);
    }
    let mut story = news.story;
    story.sort_by_key(|(at, _)| *at);
    story.dedup();
    Ok(story)
}

/// News that neither drift nor operations tell, each once.
struct News<'a> {
    operations: &'a [Operation],
    story: Vec<(Timestamp, String)>,
}

impl News<'_> {
    fn add(&mut self, at: Timestamp, reason: &str, message: &str, count: i64) {
        let message = message.trim_end_matches('.');
        let by_operation = |o: &Operation| message.contains(o.spec.reason.as_str());
        if TOLD_ELSEWHERE.contains(&reason) || self.operations.iter().any(by_operation) {
            return;
        }
        let text = format!("{message}.");
        // The event of a decision that is told already is later by the time its writes took.
        match self.story.iter().position(|(_, told)| *told == text) {
            None => self.story.push((at, text)),
            Some(place) if count > 1 => {
                self.story[place] = (at, format!("{message} ({count} times)."));
            }
            Some(_) => {}
        }
    }
}

fn seen(drift: &Drift) -> String {
    let who = match drift.by.as_str() {
        "unknown" => {
            "Contabo's audits show no such call: it was the customer panel, or the machine itself"
                .to_owned()
        }
        by => format!("Contabo's audits name {by}"),
    };
    format!("{}. {who}.", drift.message.trim_end_matches('.'))
}

/// What DevPocket did that ended the drift.
fn healer<'a>(drift: &Drift, operations: &'a [Operation]) -> Option<&'a Operation> {
    let fits = |verb| match drift.what.as_str() {
        "power" => matches!(verb, Verb::Start | Verb::Stop | Verb::Shutdown),
        _ => false,
    };
    operations
        .iter()
        .filter(|o| fits(o.spec.verb) && o.status.phase == OperationPhase::Succeeded)
        .filter(|o| o.status.issued_at.is_some_and(|at| at >= drift.since))
        .min_by_key(|o| o.status.issued_at)
}

/// An operation in a sentence, at the time it became what it is. `end`: when the drift it was done
/// for was over.
fn told(
    operation: &Operation,
    end: Option<(Timestamp, &Drift)>,
    power: Power,
) -> Option<(Timestamp, String)> {
    let (spec, status) = (&operation.spec, &operation.status);
    let at = status.ended_at.or(status.issued_at).or(operation.metadata.creation_timestamp)?;
    let request = short(operation.uid());
    let (verb, done) = words(spec.verb);
    let message = status.message.trim_end_matches('.');
    let gap = if message.is_empty() { "" } else { ": " };
    let reason = spec.reason.trim_end_matches('.');
    let mut text = match status.phase {
        OperationPhase::Planned => match &status.held {
            Some(hold) => format!("{verb} is held: {}.", hold.message.trim_end_matches('.')),
            None => format!("{verb} is planned: {reason}."),
        },
        OperationPhase::Issued => format!("{verb} was sent (request {request}), no answer yet."),
        OperationPhase::Succeeded => match end {
            // The line before said why.
            Some((over, _)) => {
                let state = if power == Power::Running { "running" } else { "stopped" };
                format!("{done} again (request {request}), {state} at {over}.")
            }
            None => format!("{done} (request {request}): {reason}."),
        },
        OperationPhase::Rejected => {
            format!("{verb} was refused (request {request}){gap}{message}.")
        }
        OperationPhase::Unknown => {
            format!("{verb} was sent (request {request}); whether it happened is not known yet.")
        }
        OperationPhase::Resolved => {
            format!("{verb} was found out about (request {request}){gap}{message}.")
        }
    };
    if let Some(first) = text.get(..1).map(str::to_uppercase) {
        text.replace_range(..1, &first);
    }
    Some((at, text))
}

fn short(uid: Uuid) -> String {
    uid.to_string().chars().take(8).collect()
}

fn words(verb: Verb) -> (&'static str, &'static str) {
    match verb {
        Verb::Purchase => ("the order", "the order was accepted"),
        Verb::Start => ("start", "started"),
        Verb::Stop => ("power cut", "cut the power"),
        Verb::Shutdown => ("shutdown", "shut down"),
        Verb::Restart => ("restart", "restarted"),
        Verb::Rename => ("rename", "renamed"),
        Verb::Reinstall => ("reinstall", "reinstalled"),
        Verb::Cancel => ("cancellation", "cancelled"),
    }
}
