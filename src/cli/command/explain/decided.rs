//! Recorded decisions, told one by one; and what is left of an environment that was deleted.

use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::Key;
use devpocket_specs::plan::{Fact, StandstillKind, moved};
use jiff::Timestamp;
use serde_json::json;

use super::{HISTORY, say, timeline};
use crate::cli::api::Api;
use crate::cli::error::{Outcome, exit};
use crate::cli::session::Session;
use crate::manifest::short_name;

/// `--decisions`: each record, oldest first.
pub(super) fn tell(session: &Session, key: &Key, records: &[DecisionRecord]) -> u8 {
    if session.output.format.is_document() {
        session.output.document(&json!({"object": short_name(key), "decisions": records}));
        return exit::DONE;
    }
    if records.is_empty() {
        say(session, &format!("Nothing was decided about {} yet.", short_name(key)), 0);
        return exit::DONE;
    }
    let now = session.now();
    let mut before: &[Fact] = &[];
    let mut story = Vec::new();
    for record in records.iter().rev() {
        let mut sentences = Vec::new();
        sentences.extend(seen(before, record));
        sentences.extend(decided(record));
        let text = sentences.join(" ");
        story.push((record.at, session.output.words.local_times(&text, now)));
        before = &record.seen;
    }
    timeline(session, &story);
    exit::DONE
}

/// What was seen, as far as it is not what the decision before saw.
fn seen(before: &[Fact], record: &DecisionRecord) -> Option<String> {
    let news = moved(before, &record.seen);
    (!news.is_empty()).then(|| format!("Seen: {}.", news.join("; ")))
}

fn decided(record: &DecisionRecord) -> Vec<String> {
    let mut sentences = Vec::new();
    if !record.did.is_empty() {
        sentences.push(format!("Decided: {}.", record.did.join("; ")));
    }
    for step in &record.steps {
        if let Some(hold) = &step.hold {
            let kind = kind(hold.kind);
            let why = hold.message.trim_end_matches('.');
            sentences.push(format!("Not yet ({kind}): {}: {why}.", step.summary));
        }
    }
    for told in &record.told {
        let message = told.message.trim_end_matches('.');
        if !sentences.iter().any(|sentence| sentence.contains(message)) {
            sentences.push(format!("{message}."));
        }
    }
    if sentences.is_empty() {
        let rest = match record.message.trim_end_matches('.') {
            "" => "nothing to do".to_owned(),
            message => message.to_owned(),
        };
        sentences.push(format!("Noted: {rest}."));
    }
    sentences
}

fn kind(kind: StandstillKind) -> &'static str {
    match kind {
        StandstillKind::Paused => "paused",
        StandstillKind::Held => "held",
        StandstillKind::Waiting => "waiting",
        StandstillKind::Stalled => "stalled",
        StandstillKind::Unknown => "unknown",
    }
}

/// The story of an environment that is not there any more.
pub(super) async fn gone(
    session: &Session,
    api: &Api,
    key: &Key,
    records: &[DecisionRecord],
) -> Outcome {
    let story: Vec<(Timestamp, String)> = news(session, records);
    let summary = format!("{} is not declared any more.", short_name(key));
    let back = way_back(session, api, key).await;
    if session.output.format.is_document() {
        let lines: Vec<_> =
            story.iter().map(|(at, text)| json!({"at": at, "text": text})).collect();
        session.output.document(&json!({
            "object": short_name(key), "summary": summary, "history": lines, "next": null,
            "decisions": records,
        }));
        return Ok(exit::DONE);
    }
    say(session, &summary, 0);
    timeline(session, &story[story.len().saturating_sub(HISTORY)..]);
    if let Some(until) = back {
        let until = session.output.words.moment(until, session.now());
        say(session, &format!("You can: devpocket undelete {} (until {until})", key.name), 0);
    }
    Ok(exit::DONE)
}

/// What the decisions told, oldest first, each once.
fn news(session: &Session, records: &[DecisionRecord]) -> Vec<(Timestamp, String)> {
    let mut story: Vec<(Timestamp, String)> = Vec::new();
    for record in records.iter().rev() {
        for told in &record.told {
            let text = format!("{}.", told.message.trim_end_matches('.'));
            let text = session.output.words.local_times(&text, session.now());
            if !story.iter().any(|(_, known)| *known == text) {
                story.push((record.at, text));
            }
        }
    }
    story
}

/// Until when its machine can be taken back, if it can.
async fn way_back(session: &Session, api: &Api, key: &Key) -> Option<Timestamp> {
    // A hint: whoever may not look at machines gets the story without it.
    let machines = api.all::<Machine>("").await.ok()?;
    let ours = |machine: Machine| {
        let open = machine.spec.claim.is_none() && machine.spec.pool.is_none();
        let release = machine.spec.release.filter(|_| open)?;
        let same = release.namespace == key.namespace && release.name == key.name;
        (same && release.until > session.now()).then_some(release.until)
    };
    machines.into_iter().filter_map(ours).max()
}
