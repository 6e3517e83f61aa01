//! `/environments/{id}/metrics` and `/environments/metrics`: how machines are and were doing.
//!
//! Percentages are of all of it, sizes are bytes, network is bytes a second, uptime is seconds. What
//! is not known is null, and where nothing was heard there is no entry: a gap is no zero. `message`
//! says why there is nothing new.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use devpocket_controllers::history::History;
use devpocket_specs::condition::{self, ConditionStatus};
use devpocket_specs::environment::{Environment, conditions};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Resource as _;
use devpocket_specs::sample::{KEPT_DAYS, MEAN_SECONDS, SAMPLE_SECONDS, Sample, Usage, thinned};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::auth::document;
use super::caller::Caller;
use super::environments::{attributes, found};
use super::problem::{FieldProblem, Problem};
use crate::access::{Attributes, Decision, User};
use crate::server::AppState;

/// Hours that are told where nothing is said, and at most.
const HOURS: i64 = 24;
const HOURS_MAX: i64 = KEPT_DAYS * 24;
/// A sample older than this says nothing of now.
const CURRENT_SECONDS: i64 = 3 * SAMPLE_SECONDS;
/// How far back the overview looks.
const OVERVIEW_SECONDS: i64 = 3_600;
/// Up to so many hours are told in entries of so many seconds.
const STEPS: [(i64, i64); 3] = [(24, SAMPLE_SECONDS), (168, MEAN_SECONDS), (HOURS_MAX, 1_800)];

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/environments/metrics", get(all))
        .route("/environments/{id}/metrics", get(one))
}

#[derive(Default, Deserialize)]
struct Span {
    hours: Option<String>,
}

async fn one(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Path(id): Path<String>,
    query: Result<Query<Span>, QueryRejection>,
) -> Result<Response, Problem> {
    // How a machine is doing is a part of how its environment stands.
    let environment = found(&state, &caller.user, &id, "get", "status").await?;
    let Query(span) = query.map_err(bad)?;
    let hours = hours(span.hours.as_deref())?;
    let step =
        STEPS.iter().find(|(most, _)| hours <= *most).map_or(MEAN_SECONDS, |(_, step)| *step);
    let now = state.clock.now();
    let since = before(now, hours * 3_600);
    let uid = environment.uid();
    let samples = history(&state)?.since(&[uid], since).await.map_err(away)?;
    let samples = samples.into_values().next().unwrap_or_default();
    let mut body = latest(&environment, samples.last(), now);
    let entries = match step {
        SAMPLE_SECONDS => samples,
        step => thinned(&samples, step),
    };
    let entries: Vec<Value> = entries.iter().map(|sample| Value::Object(entry(sample))).collect();
    body.insert("hours".into(), hours.into());
    body.insert("interval_seconds".into(), step.into());
    body.insert("metrics".into(), entries.into());
    document(StatusCode::OK, &Value::Object(body))
}

#[derive(Default, Deserialize)]
struct Where {
    namespace: Option<String>,
}

/// All environments of a namespace, or of all that are the caller's.
async fn all(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    query: Result<Query<Where>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(asked) = query.map_err(bad)?;
    let namespace = asked.namespace.filter(|namespace| !namespace.is_empty());
    let environments = visible(&state, &caller.user, namespace.as_deref()).await?;
    let now = state.clock.now();
    let uids: Vec<Uuid> = environments.iter().map(|environment| environment.uid()).collect();
    let since = before(now, OVERVIEW_SECONDS);
    let samples = history(&state)?.since(&uids, since).await.map_err(away)?;
    let items = environments.iter().map(|environment| {
        let samples = samples.get(&environment.uid()).map(Vec::as_slice).unwrap_or_default();
        let mut item = latest(environment, samples.last(), now);
        item.insert("cpu_recent".into(), recent(samples, now).into());
        Value::Object(item)
    });
    let items: Vec<Value> = items.collect();
    document(StatusCode::OK, &json!({"items": items, "interval_seconds": MEAN_SECONDS}))
}

/// What the caller may see, by namespace and name.
async fn visible(
    state: &AppState,
    user: &User,
    namespace: Option<&str>,
) -> Result<Vec<Environment>, Problem> {
    let plural = Kind::Environment.info().plural;
    let asked = Attributes::within("list", plural, namespace.unwrap_or_default());
    let only = match state.authorizer.authorize(user, &asked) {
        Decision::Allow => None,
        Decision::Within(only) => Some(only),
        Decision::Hidden(name) => {
            return Err(Problem::not_found(format!("there is no namespace {name:?}")));
        }
        Decision::Deny(why) => return Err(Problem::new(StatusCode::FORBIDDEN, why)),
    };
    let all = state.store.list(Kind::Environment, namespace).await.map_err(away)?;
    let environments = all.items.iter().filter_map(|stored| stored.to::<Environment>().ok());
    let mut environments: Vec<Environment> = environments
        .filter(|environment| {
            let namespace = &environment.metadata.namespace;
            only.as_ref().is_none_or(|only| only.contains(namespace))
                && state.authorizer.authorize(user, &attributes(environment, "get", "status"))
                    == Decision::Allow
        })
        .collect();
    environments.sort_by_key(|environment| environment.key());
    Ok(environments)
}

fn bad(error: QueryRejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, error.body_text())
}

fn away(error: impl std::fmt::Display) -> Problem {
    tracing::error!("metrics: {error}");
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the database does not answer")
}

fn history(state: &AppState) -> Result<&Arc<dyn History>, Problem> {
    let nothing = || Problem::new(StatusCode::NOT_IMPLEMENTED, "this server keeps no history");
    state.history.as_ref().ok_or_else(nothing)
}

fn hours(text: Option<&str>) -> Result<i64, Problem> {
    let Some(text) = text else { return Ok(HOURS) };
    let hours = text.parse().ok().filter(|hours| (1..=HOURS_MAX).contains(hours));
    hours.ok_or_else(|| {
        Problem::invalid(vec![FieldProblem {
            field: "hours".into(),
            message: format!("is {text:?}; it is a whole number from 1 to {HOURS_MAX}"),
            code: "out_of_range".into(),
        }])
    })
}

fn before(now: Timestamp, seconds: i64) -> Timestamp {
    now.saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}

/// The newest of an environment, with what it is about.
fn latest(
    environment: &Environment,
    sample: Option<&Sample>,
    now: Timestamp,
) -> Map<String, Value> {
    let mut body = sample.map_or_else(nothing, entry);
    let at = body.remove("timestamp").unwrap_or_default();
    let about = json!({
        "environment_id": environment.uid(),
        "environment_name": environment.metadata.name,
        "namespace": environment.metadata.namespace,
        "status": environment.status.phase,
        "last_updated": at,
        "message": silence(environment, sample, now),
    });
    if let Value::Object(about) = about {
        body.extend(about);
    }
    body
}

/// Why there is nothing of now; null where there is.
fn silence(environment: &Environment, sample: Option<&Sample>, now: Timestamp) -> Option<String> {
    if sample.is_some_and(|sample| sample.at >= before(now, CURRENT_SECONDS)) {
        return None;
    }
    if environment.status.machine.is_none() {
        return Some("there is no machine yet".into());
    }
    let guest = condition::find(&environment.status.conditions, conditions::GUEST_READY);
    let says = guest.filter(|guest| guest.status != ConditionStatus::True);
    let says = says.map(|guest| guest.message.as_str()).filter(|says| !says.is_empty());
    Some(match (says, sample) {
        (Some(says), _) => says.to_owned(),
        (None, Some(_)) => "the machine has not answered since".into(),
        (None, None) => {
            "the machine was not asked yet; the first answer comes within a minute".into()
        }
    })
}

/// A sample in the words of the app.
fn entry(sample: &Sample) -> Map<String, Value> {
    let percent = |value: Option<f64>| value.map(|value| (value * 100.0).round() / 100.0);
    let used = |usage: Option<Usage>| percent(usage.map(|usage| usage.percent()));
    let entry = json!({
        "timestamp": sample.at.to_string(),
        "cpu_usage": percent(sample.cpu_percent()),
        "memory_usage": used(sample.memory),
        "memory_used": sample.memory.map(|memory| memory.used),
        "memory_total": sample.memory.map(|memory| memory.total),
        "storage_usage": used(sample.disk),
        "storage_used": sample.disk.map(|disk| disk.used),
        "storage_total": sample.disk.map(|disk| disk.total),
        "network_rx": sample.network.map(|network| network.received),
        "network_tx": sample.network.map(|network| network.sent),
        "uptime": sample.uptime,
    });
    match entry {
        Value::Object(entry) => entry,
        _ => Map::new(),
    }
}

/// The same with nothing in it.
fn nothing() -> Map<String, Value> {
    let sample = Sample {
        at: Timestamp::UNIX_EPOCH,
        cpu: None,
        memory: None,
        disk: None,
        network: None,
        uptime: 0,
    };
    entry(&sample).into_iter().map(|(name, _)| (name, Value::Null)).collect()
}

/// The processor's last hour in means of five minutes, oldest first; null for a gap.
fn recent(samples: &[Sample], now: Timestamp) -> Vec<Value> {
    let means: BTreeMap<i64, Option<f64>> = thinned(samples, MEAN_SECONDS)
        .iter()
        .map(|mean| (mean.at.as_second(), mean.cpu_percent()))
        .collect();
    let last = now.as_second().div_euclid(MEAN_SECONDS) * MEAN_SECONDS;
    let cells = OVERVIEW_SECONDS / MEAN_SECONDS;
    let begins = (0..cells).rev().map(|back| last - back * MEAN_SECONDS);
    begins.map(|begin| json!(means.get(&begin).copied().flatten())).collect()
}
