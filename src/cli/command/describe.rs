//! `devpocket describe`: one object in full.

use clap::Args;
use devpocket_specs::catalogue::Catalogue;
use devpocket_specs::condition::{Condition, ConditionStatus};
use devpocket_specs::environment::{Environment, Reclaim, RenderedTemplate, conditions};
use devpocket_specs::event::Event;
use devpocket_specs::installation::Installation;
use devpocket_specs::kind::Kind;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::{Key, Resource};
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::api::Api;
use crate::cli::error::{Outcome, Report, exit};
use crate::cli::follow::absent_failure;
use crate::cli::output::{Format, Ink, Sign, age, ago, wrap};
use crate::cli::session::Session;
use crate::cli::standing::{self, Standing};
use crate::cli::target::Named;
use crate::manifest::short_name;

/// Columns of a label.
const LABEL: usize = 12;
/// Events shown.
const EVENTS: usize = 5;

/// Show one object in full.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket describe env/db")]
pub struct DescribeArgs {
    /// Objects: db, env/db, machine m-1
    #[arg(required = true, value_name = "NAME")]
    what: Vec<String>,
}

pub async fn run(session: &Session, args: DescribeArgs) -> Outcome {
    let api = session.api()?;
    let named = Named::read(&args.what, false)?;
    for (index, key) in named.keys(session).iter().enumerate() {
        let value = match api.get(key).await {
            Ok(value) => value,
            Err(error) if error.is_not_found() => return Err(absent_failure(key).into()),
            Err(error) => return Err(session.report(&error)),
        };
        match session.output.format {
            Format::Json | Format::Yaml => session.output.next_document(&value),
            Format::Name => session.output.line(short_name(key)),
            _ => {
                if index > 0 {
                    session.output.line("");
                }
                if key.kind == Kind::Environment {
                    environment(session, &api, key, value).await?;
                } else {
                    other(session, &api, key, &value).await?;
                }
            }
        }
    }
    Ok(exit::DONE)
}

async fn environment(session: &Session, api: &Api, key: &Key, value: Value) -> Result<(), Report> {
    let failed = |error| session.report(&error);
    let environment: Environment = api.typed(value).map_err(failed)?;
    let machine = match &environment.status.machine {
        Some(bound) => match api.find::<Machine>("", &bound.name).await {
            // What a tenant has to know of it is in the environment.
            Err(error) if error.is_forbidden() => None,
            machine => machine.map_err(failed)?,
        },
        None => None,
    };
    let installation = session.installation(api).await?;
    let uid = environment.metadata.uid.map(|uid| uid.to_string());
    let events = events(session, api, key, uid.as_deref()).await?;
    let now = session.now();
    head(session, &environment, installation.as_ref());
    for (label, text) in facts(session, &environment, machine.as_ref()) {
        field(session, label, &text);
    }
    let fields = fields(&environment.metadata.managed_fields.entries());
    if !fields.is_empty() {
        field(session, "Fields", &fields);
    }
    let about_guest = [conditions::GUEST_READY, conditions::GUEST_CONFIGURED];
    let shown = environment.status.conditions.iter();
    let shown = shown.filter(|c| !about_guest.contains(&c.r#type.as_str()));
    let mut shown: Vec<&Condition> = shown.collect();
    shown.sort_by_key(|c| (c.r#type != conditions::READY, c.r#type != conditions::MACHINE_BOUND));
    let mut shown: Vec<String> =
        shown.into_iter().filter_map(|c| condition(session, c, now)).collect();
    if !environment
        .status
        .conditions
        .iter()
        .any(|c| c.r#type == conditions::DRIFTED && c.status == ConditionStatus::True)
    {
        shown.push(format!("{} no drift", session.output.out.sign(Sign::Done)));
    }
    field(session, "Conditions", &shown.join("  "));
    field(session, "Guest", &guest(&environment));
    for drift in environment.status.drift.iter().rev().take(3) {
        let healed = drift.healed.map(|at| format!(", undone {} ago", ago(at, now)));
        let text = format!(
            "{} ({}, {} ago{})",
            drift.message,
            drift.by,
            ago(drift.since, now),
            healed.unwrap_or_default()
        );
        field(session, "Drift", &text);
    }
    if let Some(plan) = environment.status.plan.as_ref().filter(|plan| !plan.is_empty()) {
        let steps: Vec<&str> = plan.steps.iter().map(|step| step.summary.as_str()).collect();
        field(session, "Next", &steps.join("; "));
    }
    let ways = standing::failed(&environment).map(|failed| failed.ways()).unwrap_or_default();
    for (index, (command, remark)) in ways.iter().enumerate() {
        let label = if index == 0 { "You can" } else { "" };
        field(session, label, &format!("{command}  {remark}"));
    }
    tell_events(session, &events, key, now);
    Ok(())
}

/// `env/db      ready and as declared, checked 12 s ago`
fn head(session: &Session, environment: &Environment, installation: Option<&Installation>) {
    let name = short_name(&environment.key());
    let standing = Standing::of(environment);
    let checked = installation.and_then(|i| i.status.sweep.as_ref());
    let checked = checked.map(|sweep| format!(", checked {} ago", age(sweep.as_of, session.now())));
    let checked = checked.unwrap_or_default();
    let words = if standing::is_ready(environment) {
        format!("{} and as declared{checked}", standing.word)
    } else {
        format!("{}{checked}", standing::joined(standing.word, &standing.message))
    };
    let words = session.output.words.local_times(&words, session.now());
    let width = session.output.out.prose_width().saturating_sub(LABEL);
    let painted =
        session.output.out.paint(Ink::Bold, &format!("{name:<width$}", width = LABEL - 1));
    for (index, line) in wrap(&words, width).iter().enumerate() {
        let label = if index == 0 { painted.clone() } else { " ".repeat(LABEL - 1) };
        session.output.line(format!("{label} {line}"));
    }
}

fn facts(
    session: &Session,
    environment: &Environment,
    machine: Option<&Machine>,
) -> Vec<(&'static str, String)> {
    let (spec, status) = (&environment.spec, &environment.status);
    let size = Catalogue::builtin().size(&spec.size);
    let numbers = size.map(|size| {
        format!(
            "{}: {} vCPU, {} GB, {} GB  ({}, {})",
            size.name, size.vcpu, size.ram_gb, size.disk_gb, size.product_id, spec.region
        )
    });
    let numbers = numbers.unwrap_or_else(|| format!("{} in {}", spec.size, spec.region));
    let mut facts = Vec::new();
    match &status.machine {
        Some(bound) => {
            let called = bound.instance_name.as_deref().unwrap_or(&bound.name);
            let address = bound.address.as_deref().unwrap_or("no address yet");
            facts.push(("Machine", format!("{called}  {address}  {numbers}")));
        }
        None => facts.push(("Machine", format!("none yet; declared {numbers}"))),
    }
    if let Some(cost) = &status.cost {
        let until = cost.paid_until.map(|day| format!("until {day}, ")).unwrap_or_default();
        facts.push((
            "Paid",
            format!("{until}{} a month; {}", cost.monthly, ending(environment, machine)),
        ));
    }
    let power = super::columns::power(spec.power);
    let effective = status.effective_power.as_ref().filter(|e| e.power != spec.power);
    let effective = effective.map(|e| {
        format!("; {} now, by its {}", super::columns::power(e.power), e.reason.to_lowercase())
    });
    facts.push(("Power", format!("declared {power}{}", effective.unwrap_or_default())));
    if let Some(template) = &spec.template {
        let rendered = status.template.as_ref();
        facts.push((
            "Template",
            match rendered {
                Some(RenderedTemplate { name, generation, newer: Some(newer), .. }) => {
                    format!("{name}@{generation}; version {newer} is out, and taken when named")
                }
                Some(installed) => format!("{}@{}", installed.name, installed.generation),
                None => format!("{template}, not installed yet"),
            },
        ));
    }
    if let Some(pause) = &spec.paused {
        let until = session.output.words.moment(pause.until, session.now());
        let reason = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        facts.push(("Paused", format!("until {until}{reason}")));
    }
    facts
}

fn ending(environment: &Environment, machine: Option<&Machine>) -> String {
    let seen = machine.and_then(|machine| machine.status.seen.as_ref());
    if let Some(day) = seen.and_then(|seen| seen.cancel_date) {
        return format!("cancelled to {day}");
    }
    match environment.spec.reclaim {
        Reclaim::Pool | Reclaim::CancelAtTermEnd => {
            let paid = environment.status.cost.as_ref().and_then(|cost| cost.paid_until);
            let by = paid.and_then(|day| day.yesterday().ok()).map(|day| format!(" by {day}"));
            format!("renews unless released{}", by.unwrap_or_default())
        }
        Reclaim::Retain => "renews, also after a delete".to_owned(),
    }
}

/// `size, region: ci    power: mobile`
fn fields(managed: &[Value]) -> String {
    let mut parts = Vec::new();
    for entry in managed {
        let manager = entry["manager"].as_str().unwrap_or_default();
        if entry["subresource"] == "status"
            || super::columns::owners(std::slice::from_ref(entry)).is_empty()
        {
            continue;
        }
        let names = entry["fieldsV1"]["f:spec"].as_object().into_iter().flatten();
        let names: Vec<&str> = names.filter_map(|(name, _)| name.strip_prefix("f:")).collect();
        if !names.is_empty() {
            parts.push(format!("{}: {manager}", names.join(", ")));
        }
    }
    parts.join("    ")
}

fn condition(session: &Session, condition: &Condition, now: Timestamp) -> Option<String> {
    let good = matches!(condition.r#type.as_str(), conditions::READY | conditions::MACHINE_BOUND);
    let since = ago(condition.last_transition_time, now);
    let sign = match (condition.status, good) {
        (ConditionStatus::True, true) => Sign::Done,
        (ConditionStatus::False, true) => Sign::UnderWay,
        (ConditionStatus::Unknown, _) => Sign::Unknown,
        (ConditionStatus::True, false) => Sign::Waits,
        // Something that could be wrong and is not.
        (ConditionStatus::False, false) => return None,
    };
    Some(format!("{} {} {since}", session.output.out.sign(sign), condition.r#type))
}

/// What is known of the inside of the machine, which may be nothing.
fn guest(environment: &Environment) -> String {
    let all = &environment.status.conditions;
    if environment.status.machine.is_none() {
        return "there is no machine yet".to_owned();
    }
    match devpocket_specs::condition::find(all, conditions::GUEST_READY) {
        Some(condition) if condition.status == ConditionStatus::True => {
            match devpocket_specs::condition::find(all, conditions::GUEST_CONFIGURED) {
                Some(configured) if configured.status == ConditionStatus::True => {
                    "answers, user and variables as declared".to_owned()
                }
                Some(configured) => format!("answers; {}", configured.message),
                None => "answers".to_owned(),
            }
        }
        Some(condition) if condition.reason != "NotObserved" => condition.message.clone(),
        _ => "not observed yet: nothing looks into the machine, Ready rests on what Contabo says"
            .to_owned(),
    }
}

/// Events about an object, newest first; not those of another that had its name before.
pub async fn events(
    session: &Session,
    api: &Api,
    key: &Key,
    uid: Option<&str>,
) -> Result<Vec<Event>, Report> {
    let namespace =
        if key.namespace.is_empty() { "devpocket-system" } else { key.namespace.as_str() };
    let all = api.all::<Event>(namespace).await.map_err(|error| session.report(&error))?;
    let kind = key.kind.info().name;
    let about = |event: &Event| {
        event.involved_object.kind.as_deref() == Some(kind)
            && event.involved_object.name.as_deref() == Some(&key.name)
            && is_of(event, uid)
    };
    let mut events: Vec<Event> = all.into_iter().filter(about).collect();
    events.sort_by_key(|event| std::cmp::Reverse(last(event)));
    Ok(events)
}

/// Whether it is about the object with this uid, as far as both are known.
pub fn is_of(event: &Event, uid: Option<&str>) -> bool {
    match (event.involved_object.uid.as_deref(), uid) {
        (Some(about), Some(uid)) => about == uid,
        _ => true,
    }
}

/// When it last happened.
pub fn last(event: &Event) -> Option<Timestamp> {
    event.last_timestamp.or(event.event_time).or(event.metadata.creation_timestamp)
}

fn tell_events(session: &Session, events: &[Event], key: &Key, now: Timestamp) {
    if events.is_empty() {
        return field(session, "Events", "none in the last 24 h");
    }
    for (index, event) in events.iter().take(EVENTS).enumerate() {
        let times =
            if event.count > 1 { format!(" ({} times)", event.count) } else { String::new() };
        let age = last(event).map(|at| ago(at, now)).unwrap_or_default();
        let label = if index == 0 { "Events" } else { "" };
        field(session, label, &format!("{age:<4} {}{times}", event.message));
    }
    if events.len() > EVENTS {
        let more = events.len() - EVENTS;
        let all = format!("{more} more: devpocket events {}", short_name(key));
        field(session, "", &all);
    }
}

async fn other(session: &Session, api: &Api, key: &Key, value: &Value) -> Result<(), Report> {
    session.output.line(session.output.out.paint(Ink::Bold, &short_name(key)));
    for part in ["spec", "data", "status"] {
        let Some(members) = value[part].as_object().filter(|members| !members.is_empty()) else {
            continue;
        };
        let mut shown = serde_json::Map::new();
        // The values of a secret are for programs that ask for them, not for a screen.
        let hidden = key.kind == Kind::Secret && part == "data";
        for (name, value) in members {
            shown.insert(name.clone(), if hidden { "***".into() } else { value.clone() });
        }
        session.output.line(format!("{}{}", part[..1].to_uppercase(), &part[1..]));
        let text = serde_yaml::to_string(&shown).unwrap_or_default();
        text.lines().for_each(|line| session.output.line(format!("  {line}")));
    }
    let events = events(session, api, key, value["metadata"]["uid"].as_str()).await?;
    if !events.is_empty() {
        tell_events(session, &events, key, session.now());
    }
    Ok(())
}

/// A labelled line; the continuation stands under the text.
pub fn field(session: &Session, label: &str, text: &str) {
    let width = session.output.out.prose_width().saturating_sub(LABEL);
    let text = session.output.words.local_times(text, session.now());
    let text = text.as_str();
    let lines = wrap(text, width);
    for (index, line) in lines.iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        session.output.line(format!("{label:<LABEL$}{line}").trim_end());
    }
}
