//! `/health`, `/health/live`, `/health/ready` and `/metrics`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use devpocket_controllers::clock::Clock as _;
use devpocket_specs::status::{Reason, Status};
use serde_json::{Value, json};

use super::counted::{Api, count_user, too_many};
use super::limits::PROBE;
use super::reply::{self, refuse};
use super::state::AppState;
use crate::access::{Attributes, Decision};
use crate::clock::SystemClock;
use crate::kube::{authenticate, forbidden};

/// The process runs. Never looks further: restarting does not mend a database that is away.
pub(super) async fn live() -> Response {
    reply::json(StatusCode::OK, &json!({"status": "ok"}))
}

/// Whether requests should be sent here, with what is wrong.
pub(super) async fn ready(State(state): State<Arc<AppState>>) -> Response {
    let (code, document) = checked(&state).await;
    reply::json(code, &document)
}

/// The same as `ready`, with which build this is, and which schema of the database it works on:
/// none other than its own, or it would not have started.
pub(super) async fn health(State(state): State<Arc<AppState>>) -> Response {
    let (code, mut document) = checked(&state).await;
    document["version"] = state.build.version.into();
    document["uptime_seconds"] = state.build.started.elapsed().as_secs().into();
    document["schema"] = crate::store::newest_schema().into();
    // Nothing a probe has to act on: it is served all the same.
    let certificate = state.edge.certificate.as_ref();
    if let Some(doubt) = certificate.and_then(|tls| tls.doubt(SystemClock::new().now())) {
        document["warnings"] = json!([doubt]);
    }
    reply::json(code, &document)
}

async fn checked(state: &AppState) -> (StatusCode, Value) {
    let mut checks = serde_json::Map::new();
    let mut well = true;
    for probe in &state.probes {
        let problem = tokio::time::timeout(PROBE, probe.problem())
            .await
            .unwrap_or_else(|_| Some(format!("no answer within {} s", PROBE.as_secs())));
        well &= problem.is_none();
        checks.insert(probe.name().to_owned(), problem.as_deref().unwrap_or("ok").into());
    }
    if state.shutdown.is_cancelled() {
        well = false;
        checks.insert("shutdown".into(), "the server is stopping".into());
    }
    let (code, word) = if well {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable")
    };
    (code, json!({"status": word, "checks": checks}))
}

/// Prometheus text, for admins. Not for loopback as such: behind a proxy on the same
/// machine everybody comes from there.
pub(super) async fn metrics(State(state): State<Arc<AppState>>, request: Request) -> Response {
    let user = match authenticate(&state, request.headers()).await {
        Ok(user) => user,
        Err(status) => return refuse(&status),
    };
    let counted = count_user(&state, request.extensions(), &user, Api::Kube).await;
    if let Err(standing) = counted {
        return refuse(&too_many(standing));
    }
    // They count what everybody does.
    let asked = Attributes { verb: "get".into(), path: "/metrics".into(), ..Attributes::default() };
    if let Decision::Deny(why) = state.authorizer.authorize(&user, &asked) {
        return refuse(&forbidden(&user, &asked, &why));
    }
    let Some(render) = &state.metrics else {
        return refuse(&Status::new(Reason::NotFound, "no metrics are recorded here"));
    };
    let mut response = Response::new(Body::from(render()));
    let content_type = HeaderValue::from_static("text/plain; version=0.0.4");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}
