//! `devpocket status`: one screen about the server, the account and what waits for a person. Who is no
//! admin sees what is theirs.

mod yours;

use clap::Args;
use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::environment::Environment;
use devpocket_specs::installation::{Installation, conditions};
use devpocket_specs::lease::Lease;
use devpocket_specs::machine::Machine;
use devpocket_specs::object::Resource;
use devpocket_specs::operation::{Operation, OperationPhase};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::budget;
use super::describe::field;
use super::looked;
use crate::cli::api::Api;
use crate::cli::error::{Outcome, Report, exit};
use crate::cli::output::{Ink, Sign, ago, count};
use crate::cli::session::{Session, account_name};
use crate::cli::standing;
use crate::manifest::short_name;

/// Where the lease of the leader is.
const SYSTEM: &str = "devpocket-system";
const LEASE: &str = "controllers";
/// Most lines of one list.
const LINES: usize = 10;

/// Show the server, its leader, Contabo, the budget, drift, and what waits for a person.
#[derive(Args, Debug)]
#[command(before_help = "Example:\n  devpocket status")]
pub struct StatusArgs {}

/// Everything the screen is about.
struct Seen {
    health: Value,
    installation: Option<Installation>,
    lease: Option<Lease>,
    environments: Vec<Environment>,
    machines: Vec<Machine>,
    operations: Vec<Operation>,
    now: Timestamp,
}

pub async fn run(session: &Session, _: StatusArgs) -> Outcome {
    let api = session.api()?;
    let seen = match look(session, &api).await? {
        Sight::Everything(seen) => *seen,
        Sight::Yours(yours) => return yours.show(session, &api),
    };
    if session.output.format.is_document() {
        session.output.document(&document(session, &api, &seen));
        return Ok(exit::DONE);
    }
    server(session, &api, &seen.health);
    field(session, "Leader", &leader(session, &seen));
    for (label, text) in account(session, &seen) {
        field(session, label, &text);
    }
    field(session, "Objects", &objects(&seen));
    list(session, "Drift", drift(&seen.environments, seen.now));
    list(session, "Waits", waiting(&seen));
    if let Some(installation) = &seen.installation {
        let looked = looked::since_start(installation, &seen.health, seen.now);
        let nothing_found = installation.status.differences.is_empty();
        match looked || !nothing_found {
            true => list(session, "Differs", installation.status.differences.clone()),
            false => field(session, "Differs", "not looked at since this server started"),
        }
    }
    Ok(exit::DONE)
}

/// How much somebody may see.
enum Sight {
    Everything(Box<Seen>),
    Yours(Box<yours::Yours>),
}

async fn look(session: &Session, api: &Api) -> Result<Sight, Report> {
    let failed = |error| session.report(&error);
    let health = api.health().await.map_err(failed)?;
    let machines = match api.all::<Machine>("").await {
        Err(error) if error.is_forbidden() => {
            let yours = yours::look(session, api, health).await?;
            return Ok(Sight::Yours(Box::new(yours)));
        }
        machines => machines.map_err(failed)?,
    };
    Ok(Sight::Everything(Box::new(Seen {
        installation: session.installation(api).await?,
        lease: api.find::<Lease>(SYSTEM, LEASE).await.map_err(failed)?,
        environments: api.all("").await.map_err(failed)?,
        machines,
        operations: api.all("").await.map_err(failed)?,
        health,
        now: session.now(),
    })))
}

/// The server, and what it says of itself.
fn server(session: &Session, api: &Api, health: &Value) {
    let style = session.output.out;
    let version = health["version"].as_str().unwrap_or("unknown");
    let server = style.paint(Ink::Bold, api.server());
    field(session, "Server", &format!("{server}  DevPocket {version}{}", checks(health)));
    for warning in health["warnings"].as_array().into_iter().flatten() {
        let sign = style.sign(Sign::Waits);
        field(session, "Warning", &format!("{sign} {}", warning.as_str().unwrap_or_default()));
    }
}

fn checks(health: &Value) -> String {
    let all = health["checks"].as_object().into_iter().flatten();
    let bad: Vec<String> = all
        .filter(|(_, state)| *state != "ok")
        .map(|(name, state)| format!("{name}: {}", state.as_str().unwrap_or_default()))
        .collect();
    if bad.is_empty() { String::new() } else { format!("; {}", bad.join("; ")) }
}

fn leader(session: &Session, seen: &Seen) -> String {
    let Some(lease) = &seen.lease else {
        return "none: no controllers run, so nothing converges".to_owned();
    };
    let spec = &lease.spec;
    let holder = spec.holder_identity.as_deref().filter(|holder| !holder.is_empty());
    let renewed = spec.renew_time;
    let lasts = SignedDuration::from_secs(i64::from(spec.lease_duration_seconds.unwrap_or(0)));
    let live = renewed.is_some_and(|at| seen.now.duration_since(at) <= lasts);
    let renewed = renewed.map(|at| ago(at, seen.now)).unwrap_or_else(|| "never".to_owned());
    match holder {
        Some(holder) if live => {
            format!(
                "{holder}, renewed {renewed} ago (term {})",
                spec.lease_transitions.unwrap_or(0)
            )
        }
        Some(holder) => {
            let sign = session.output.out.sign(Sign::Waits);
            format!(
                "{sign} {holder} is silent since {renewed}: nothing converges until another takes over"
            )
        }
        None => "none: no controllers run, so nothing converges".to_owned(),
    }
}

fn account(session: &Session, seen: &Seen) -> Vec<(&'static str, String)> {
    let Some(installation) = &seen.installation else {
        return vec![("Contabo", "no account is recorded yet".to_owned())];
    };
    let style = session.output.out;
    let mut lines = Vec::new();
    let (spec, status) = (&installation.spec, &installation.status);
    let account = match &spec.account {
        None => "no account is recorded yet".to_owned(),
        Some(account) if account.simulated => "simulated; nothing costs money".to_owned(),
        Some(account) => {
            style.paint(Ink::Yellow, &format!("REAL MONEY, account {}", account_name(account)))
        }
    };
    let reachable = condition::find(&status.conditions, conditions::CONTABO_REACHABLE);
    let reached = match reachable {
        Some(c) if c.status == ConditionStatus::True => String::new(),
        Some(c) => format!(
            "; {} {} (since {})",
            style.sign(Sign::Waits),
            c.message,
            ago(c.last_transition_time, seen.now)
        ),
        None => "; not asked yet".to_owned(),
    };
    lines.push(("Contabo", format!("{account}{reached}")));
    let sweep = match &status.sweep {
        None => "no list was read yet".to_owned(),
        Some(sweep) => {
            let trust = if sweep.trusted {
                ""
            } else {
                ", not trusted: nothing is bought, wiped or cancelled"
            };
            let instances = count(usize::try_from(sweep.instances).unwrap_or(0), "instance");
            format!("{instances}, read {} ago{trust}", ago(sweep.as_of, seen.now))
        }
    };
    lines.push(("Inventory", sweep));
    lines.push(("Budget", budget_words(session, installation, seen)));
    if let Some(pause) = spec.paused.as_ref().filter(|pause| pause.until > seen.now) {
        let until = session.output.words.moment(pause.until, seen.now);
        lines.push((
            "Paused",
            format!("{} until {until}: devpocket resume --all", style.sign(Sign::Waits)),
        ));
    }
    for hold in &status.holds {
        lines.push((
            "Held",
            format!("{} {} ({})", style.sign(Sign::Waits), hold.message, hold.code),
        ));
    }
    lines
}

fn budget_words(session: &Session, installation: &Installation, seen: &Seen) -> String {
    let Some(budget) = &installation.spec.monthly_budget else {
        return "none is set, so nothing is bought".to_owned();
    };
    let committed =
        budget::of(session, installation.clone(), seen.machines.clone(), seen.operations.clone());
    match committed {
        Some(committed) if committed.currency == budget.currency => {
            let amount = committed.to_string();
            let amount = amount.split(' ').next().unwrap_or_default().to_owned();
            format!("{amount} of {budget} this month")
        }
        _ => format!("{budget} a month"),
    }
}

/// `3 environments, 2 as declared`
fn declared(environments: &[Environment]) -> String {
    let ready = environments.iter().filter(|e| standing::is_ready(e)).count();
    format!("{}, {ready} as declared", count(environments.len(), "environment"))
}

fn objects(seen: &Seen) -> String {
    let open = seen.operations.iter().filter(|o| o.status.phase.is_open()).count();
    format!(
        "{}; {}; {} open",
        declared(&seen.environments),
        count(seen.machines.len(), "machine"),
        count(open, "operation"),
    )
}

fn drift(environments: &[Environment], now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for environment in environments {
        for drift in environment.status.drift.iter().filter(|drift| drift.healed.is_none()) {
            let name = short_name(&environment.key());
            lines.push(format!("{name}: {} ({} ago)", drift.message, ago(drift.since, now)));
        }
    }
    lines
}

/// What does not go on without a person, and what nobody knows yet.
fn waiting(seen: &Seen) -> Vec<String> {
    let mut lines = standing_still(&seen.environments, seen.now);
    for operation in &seen.operations {
        if operation.status.phase == OperationPhase::Unknown {
            let name = &operation.metadata.name;
            lines.push(format!(
                "{} {name} is unknown: devpocket operation resolve {name}",
                operation.spec.verb.word()
            ));
        }
    }
    lines
}

fn standing_still(environments: &[Environment], now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    for environment in environments {
        if let Some((word, condition)) = standing::standstill(environment) {
            let name = short_name(&environment.key());
            let since = ago(condition.last_transition_time, now);
            let why = standing::bare(&condition.message, environment, Some(word));
            lines.push(format!("{name} is {} ({since})", standing::joined(word, why)));
        } else if let Some(failed) = standing::failed(environment) {
            let name = short_name(&environment.key());
            let since = ago(failed.condition.last_transition_time, now);
            let why = failed.condition.message.trim_end_matches('.');
            lines.push(format!("{name} has failed: {why} ({since}): devpocket explain {name}"));
        }
    }
    lines
}

fn list(session: &Session, label: &str, lines: Vec<String>) {
    if lines.is_empty() {
        return field(session, label, "nothing");
    }
    let more = lines.len().saturating_sub(LINES);
    for (index, line) in lines.iter().take(LINES).enumerate() {
        field(session, if index == 0 { label } else { "" }, line);
    }
    if more > 0 {
        field(session, "", &format!("and {more} more"));
    }
}

fn document(session: &Session, api: &Api, seen: &Seen) -> Value {
    json!({
        "server": api.server(),
        "health": seen.health,
        "leader": seen.lease.as_ref().map(|lease| &lease.spec),
        "installation": seen.installation,
        "environments": seen.environments.len(),
        "ready": seen.environments.iter().filter(|e| standing::is_ready(e)).count(),
        "machines": seen.machines.len(),
        "drift": drift(&seen.environments, seen.now),
        "looked_at_since_start": seen
            .installation
            .as_ref()
            .is_some_and(|found| looked::since_start(found, &seen.health, seen.now)),
        "waiting": waiting(seen),
        "committed": seen.installation.clone().and_then(|installation| {
            budget::of(session, installation, seen.machines.clone(), seen.operations.clone())
        }),
    })
}
