//! The server's side of the control plane.

use std::net::IpAddr;

use axum::extract::{DefaultBodyLimit, Path, Query, Request as HttpRequest, State};
use axum::http::header::{CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use devpocket_controllers::sim::contabo::{Contabo, CreateInstance, Fault, PanelError, Settings};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::super::SimulatorClock;
use super::super::engine::{Answer, Command, Engine, Stalled};
use super::super::guests::Guests;
use super::{
    Advance, Armed, Calls, Clock, Complaint, Disarmed, Health, Instance, LATEST, Meant, Named,
    OperationName, Panel, Scenario, Told, parse_duration,
};

/// Calls shown when nobody says how many.
const CALLS_DEFAULT: usize = 50;
/// Largest account that can be loaded, in bytes.
const STATE_LIMIT: usize = 64 * 1024 * 1024;
/// The page for people, whole: it loads nothing from anywhere.
const PAGE: &str = include_str!("page.html");
/// The largest token epoch is never reached by hand.
const EPOCH_LIMIT: u32 = u32::MAX - 1;

/// What the control plane steers.
#[derive(Clone)]
pub(crate) struct Steered {
    pub engine: Engine,
    pub clock: SimulatorClock,
    pub guests: Option<Guests>,
}

type Control = Steered;

/// Why a request of the control plane is refused.
pub(super) struct Refused(StatusCode, String);

pub(super) type Answered<T> = Result<Json<T>, Refused>;

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(Complaint { message: self.1 })).into_response()
    }
}

impl From<Stalled> for Refused {
    fn from(stalled: Stalled) -> Refused {
        Refused(StatusCode::INTERNAL_SERVER_ERROR, stalled.to_string())
    }
}

impl From<PanelError> for Refused {
    fn from(error: PanelError) -> Refused {
        let status = match error {
            PanelError::NoSuchInstance(_) => StatusCode::NOT_FOUND,
            PanelError::NotNow(..) => StatusCode::CONFLICT,
            PanelError::NoSuchImage(_) | PanelError::Refused(_) => StatusCode::BAD_REQUEST,
        };
        Refused(status, error.to_string())
    }
}

pub(super) fn bad(message: impl Into<String>) -> Refused {
    Refused(StatusCode::BAD_REQUEST, message.into())
}

pub(crate) async fn serve(listener: TcpListener, control: Steered, stop: CancellationToken) {
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/instances", get(instances))
        .route("/instances/{id}", get(instance))
        .route("/ledger", get(ledger))
        .route("/audits", get(audits))
        .route("/calls", get(calls))
        .route("/faults", get(faults).post(arm).delete(disarm_all))
        .route("/faults/{id}", delete(disarm))
        .route("/clock", get(time))
        .route("/clock/advance", post(advance))
        .route("/panel", post(panel))
        .route("/panel/purchase", post(purchase))
        .route("/guests", get(super::guest::list).post(super::guest::spoil))
        .route("/settings", get(settings).patch(change_settings))
        .route("/tokens/revoke", post(revoke))
        .route("/scenario", post(scenario))
        .route("/journal", get(journal))
        .route("/state", get(state).put(load).layer(DefaultBodyLimit::max(STATE_LIMIT)))
        .route("/", get(page))
        .fallback(async || Refused(StatusCode::NOT_FOUND, "there is nothing here".to_owned()))
        .layer(middleware::from_fn(own_page_only))
        .with_state(control);
    let served = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stop.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the simulator's control plane has ended");
    }
}

/// A web page somewhere can make the browser of whoever runs this send requests here, or point a
/// name of its own at this address. Only the page served here, and programs, may ask.
async fn own_page_only(request: HttpRequest, next: Next) -> Response {
    if is_ours(request.headers()) {
        return next.run(request).await;
    }
    let message = "pages of other addresses may not steer the simulator".to_owned();
    Refused(StatusCode::FORBIDDEN, message).into_response()
}

fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(HOST).unwrap_or("");
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    let own_name = name == "localhost" || name.parse::<IpAddr>().is_ok();
    let own_page = text(ORIGIN).is_none_or(|origin| {
        origin.split_once("://").is_some_and(|(_, authority)| authority == host)
    });
    own_name && own_page
}

/// A body whose mistakes come back as a sentence.
pub(super) fn parse<T: DeserializeOwned>(body: &str) -> Result<T, Refused> {
    serde_json::from_str(body).map_err(|error| bad(format!("the body is not understood: {error}")))
}

async fn health(State(control): State<Control>) -> Answered<Health> {
    let now = control.engine.look(Contabo::now).await?;
    Ok(Json(Health { status: "ok".to_owned(), now }))
}

#[derive(Deserialize)]
struct Match {
    r#match: Option<String>,
}

async fn instances(
    State(control): State<Control>,
    Query(wanted): Query<Match>,
) -> Answered<Vec<Instance>> {
    let found = control.engine.look(move |model| {
        let ids = wanted.r#match.map(|text| model.find(&text));
        let all = model.instances();
        all.filter(|instance| ids.as_ref().is_none_or(|ids| ids.contains(&instance.instance_id)))
            .cloned()
            .collect()
    });
    Ok(Json(found.await?))
}

async fn instance(State(control): State<Control>, Path(id): Path<i64>) -> Answered<Instance> {
    let found = control.engine.look(move |model| model.instance(id).cloned()).await?;
    found.map(Json).ok_or_else(|| PanelError::NoSuchInstance(id).into())
}

async fn ledger(State(control): State<Control>) -> Answered<super::Ledger> {
    Ok(Json(control.engine.look(|model| model.ledger().clone()).await?))
}

async fn audits(State(control): State<Control>) -> Answered<Vec<super::AuditEntry>> {
    Ok(Json(control.engine.look(|model| model.audits().cloned().collect()).await?))
}

#[derive(Deserialize)]
struct Last {
    last: Option<usize>,
}

async fn calls(State(control): State<Control>, Query(wanted): Query<Last>) -> Answered<Calls> {
    let last = wanted.last.unwrap_or(CALLS_DEFAULT);
    let calls = control.engine.look(move |model| {
        let mut calls: Vec<_> = model.journal().rev().take(last).cloned().collect();
        calls.reverse();
        let counts = OperationName::ALL.iter().copied().map(|name| (name, model.calls(name)));
        let counts: std::collections::BTreeMap<_, _> =
            counts.filter(|(_, count)| *count > 0).collect();
        Calls { total: counts.values().sum(), counts, calls }
    });
    Ok(Json(calls.await?))
}

async fn faults(State(control): State<Control>) -> Answered<Vec<super::ArmedFault>> {
    Ok(Json(control.engine.look(|model| model.faults().to_vec()).await?))
}

async fn arm(State(control): State<Control>, body: String) -> Answered<Armed> {
    let fault: Fault = parse(&body)?;
    match control.engine.run(Command::Arm(Box::new(fault))).await? {
        Answer::Armed(Ok(id)) => Ok(Json(Armed { id })),
        Answer::Armed(Err(problem)) => Err(bad(problem)),
        _ => Err(Stalled.into()),
    }
}

async fn disarm(State(control): State<Control>, Path(id): Path<u64>) -> Answered<Disarmed> {
    match control.engine.run(Command::Disarm(id)).await? {
        Answer::Disarmed(0) => {
            Err(Refused(StatusCode::NOT_FOUND, format!("no armed fault has the id {id}")))
        }
        Answer::Disarmed(disarmed) => Ok(Json(Disarmed { disarmed })),
        _ => Err(Stalled.into()),
    }
}

async fn disarm_all(State(control): State<Control>) -> Answered<Disarmed> {
    match control.engine.run(Command::DisarmAll).await? {
        Answer::Disarmed(disarmed) => Ok(Json(Disarmed { disarmed })),
        _ => Err(Stalled.into()),
    }
}

async fn time(State(control): State<Control>) -> Answered<Clock> {
    let seen = control.engine.look(|model| Clock { now: model.now(), next: model.next_due() });
    Ok(Json(seen.await?))
}

async fn advance(State(control): State<Control>, body: String) -> Answered<Clock> {
    let wanted: Advance = parse(&body)?;
    let by: SignedDuration = parse_duration(&wanted.by).map_err(bad)?;
    let latest = LATEST.parse().unwrap_or(Timestamp::MAX);
    if (control.clock.now)().saturating_add(by).is_ok_and(|then| then > latest) {
        return Err(bad(format!("the clock is not moved beyond {LATEST}")));
    }
    (control.clock.advance)(by);
    control.engine.run(Command::Tick).await?;
    time(State(control)).await
}

async fn panel(State(control): State<Control>, body: String) -> Answered<Meant> {
    let wanted: Panel = parse(&body)?;
    let id = meaning(&control, &wanted.instance).await?;
    match control.engine.run(Command::Panel { id, action: wanted.action }).await? {
        Answer::Panel(done) => done?,
        _ => return Err(Stalled.into()),
    }
    one(&control, id).await
}

/// The one instance a text means.
pub(super) async fn meaning(control: &Control, wanted: &str) -> Result<i64, Refused> {
    let text = wanted.to_owned();
    let found: Vec<Meant> = control
        .engine
        .look(move |model| {
            let found = model.find(&text).into_iter().filter_map(|id| model.instance(id));
            found.map(meant).collect()
        })
        .await?;
    match found.as_slice() {
        [one] => Ok(one.instance_id),
        [] => {
            let message = format!("no instance is called {wanted:?}");
            Err(Refused(StatusCode::NOT_FOUND, message))
        }
        several => {
            let names: Vec<String> = several
                .iter()
                .map(|one| format!("{} ({})", one.instance_id, one.display_name))
                .collect();
            let names = names.join(", ");
            let message = format!("{wanted:?} can mean {names}; say which");
            Err(Refused(StatusCode::CONFLICT, message))
        }
    }
}

async fn purchase(State(control): State<Control>, body: String) -> Answered<Meant> {
    let order: CreateInstance = parse(&body)?;
    match control.engine.run(Command::PanelPurchase(Box::new(order))).await? {
        Answer::Purchased(id) => one(&control, id?).await,
        _ => Err(Stalled.into()),
    }
}

pub(super) async fn one(control: &Control, id: i64) -> Answered<Meant> {
    let found = control.engine.look(move |model| model.instance(id).map(meant)).await?;
    found.map(Json).ok_or_else(|| PanelError::NoSuchInstance(id).into())
}

fn meant(instance: &Instance) -> Meant {
    let status = match instance.gone {
        Some(_) => "gone".to_owned(),
        None => instance.facts.status.to_string(),
    };
    Meant {
        instance_id: instance.instance_id,
        name: instance.name.clone(),
        display_name: instance.facts.display_name.clone(),
        status,
    }
}

async fn settings(State(control): State<Control>) -> Answered<Settings> {
    Ok(Json(control.engine.look(|model| model.settings().clone()).await?))
}

/// RFC 7396 over the present settings; unknown fields are refused, or a slip would go unnoticed.
async fn change_settings(State(control): State<Control>, body: String) -> Answered<Settings> {
    let patch: Value = parse(&body)?;
    let Json(present) = settings(State(control.clone())).await?;
    let mut merged = serde_json::to_value(&present).map_err(|error| bad(error.to_string()))?;
    if let (Some(known), Some(wanted)) = (merged.as_object(), patch.as_object()) {
        if let Some(unknown) = wanted.keys().find(|name| !known.contains_key(*name)) {
            return Err(bad(format!("there is no setting {unknown:?}")));
        }
    } else {
        return Err(bad("the body must be an object of settings"));
    }
    json_patch::merge(&mut merged, &patch);
    let changed: Settings = serde_json::from_value(merged)
        .map_err(|error| bad(format!("the settings are not understood: {error}")))?;
    store(&control, changed).await
}

async fn revoke(State(control): State<Control>) -> Answered<Settings> {
    let Json(present) = settings(State(control.clone())).await?;
    let token_epoch = present.token_epoch.min(EPOCH_LIMIT) + 1;
    store(&control, Settings { token_epoch, ..present }).await
}

async fn store(control: &Control, changed: Settings) -> Answered<Settings> {
    control.engine.run(Command::Settings(Box::new(changed.clone()))).await?;
    Ok(Json(changed))
}

async fn state(State(control): State<Control>) -> Answered<Contabo> {
    Ok(Json(control.engine.look(Contabo::clone).await?))
}

/// The loaded account is not from the future: the clock of the world follows it.
async fn load(State(control): State<Control>, body: String) -> Answered<Clock> {
    let loaded: Contabo = parse(&body)?;
    loaded.check().map_err(|problem| bad(format!("the account cannot be loaded: {problem}")))?;
    let latest = LATEST.parse().unwrap_or(Timestamp::MAX);
    if loaded.now() > latest {
        return Err(bad(format!("the account is from after {LATEST}")));
    }
    let behind = loaded.now().duration_since((control.clock.now)());
    if behind > SignedDuration::ZERO {
        (control.clock.advance)(behind);
    }
    control.engine.run(Command::Load(Box::new(loaded))).await?;
    time(State(control)).await
}

async fn scenario(State(control): State<Control>, body: String) -> Answered<Told> {
    let wanted: Named = parse(&body)?;
    let scenario: Scenario = wanted.name.parse().map_err(bad)?;
    let Json(present) = settings(State(control.clone())).await?;
    for command in scenario.commands(&present, (control.clock.now)()) {
        if let Answer::Armed(Err(problem)) = control.engine.run(command).await? {
            return Err(bad(problem));
        }
    }
    Ok(Json(Told { told: scenario.told().to_owned() }))
}

async fn journal(State(control): State<Control>) -> Result<Response, Refused> {
    let text = control.engine.export().await?;
    Ok(([(CONTENT_TYPE, "application/x-ndjson")], text).into_response())
}

async fn page() -> Html<&'static str> {
    Html(PAGE)
}
