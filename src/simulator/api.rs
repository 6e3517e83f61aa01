//! The public port: Contabo's API and its token endpoint.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request as HttpRequest, State};
use axum::http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{any, post};
use devpocket_controllers::sim::contabo::{
    Body as Reported, Call, Delivery, Effect, ErrorBody, Reply, Request,
};
use futures::{StreamExt as _, stream};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::body::{BadBody, Sent};
use super::engine::Engine;
use super::envelope::Letter;
use super::route::{Misrouted, route};
use super::token::{self, Kind};
use super::wire::{CuttableListener, Line};
use super::{SimulatorClock, TOKEN_PATH};

/// Largest request body.
const BODY_LIMIT: usize = 1024 * 1024;
/// A reply that hangs is given up after this; no client waits so long.
const HANG_LIMIT: Duration = Duration::from_secs(15 * 60);

/// Pieces in which a slow reply leaves.
const DROPS: usize = 16;

#[derive(Clone)]
struct Api {
    engine: Engine,
    clock: SimulatorClock,
    stop: CancellationToken,
}

pub(super) async fn serve(
    listener: TcpListener,
    engine: Engine,
    clock: SimulatorClock,
    stop: CancellationToken,
) {
    let ended = stop.clone();
    let router = Router::new()
        .route(TOKEN_PATH, post(sign_in))
        .route("/v1/{*path}", any(call))
        .fallback(nothing_here)
        .with_state(Api { engine, clock, stop });
    let service = router.into_make_service_with_connect_info::<Line>();
    let served = axum::serve(CuttableListener(listener), service)
        .with_graceful_shutdown(async move { ended.cancelled().await })
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the simulated API has ended");
    }
}

async fn nothing_here(request: HttpRequest) -> Response {
    let reply = not_found(request.method().as_str(), request.uri().path());
    plain(&reply, request.uri().path())
}

/// A request below `/v1`.
async fn call(
    State(api): State<Api>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: HttpRequest,
) -> Response {
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or("").to_owned();
    let Ok(bytes) = to_bytes(body, BODY_LIMIT).await else {
        return plain(&error(413, "request entity too large"), &path);
    };
    let now = (api.clock.now)();
    let Ok(settings) = api.engine.look(|model| model.settings().clone()).await else {
        return plain(&error(500, "the simulator stands still"), &path);
    };
    let bearer = header(&head.headers, "authorization");
    let bearer =
        bearer.and_then(|value| value.strip_prefix("Bearer ").or(value.strip_prefix("bearer ")));
    if !bearer.is_some_and(|token| token::valid(token.trim(), Kind::Access, &settings, now)) {
        return plain(&error(401, "Unauthorized"), &path);
    }
    let below = path.strip_prefix("/v1/").unwrap_or("").trim_end_matches('/');
    let sent = Sent { bytes: &bytes, unknown: settings.unknown_fields };
    let request = match route(&head.method, below, &query, sent) {
        Ok(request) => request,
        Err(problem) => return plain(&misrouted(problem, head.method.as_str(), &path), &path),
    };
    let call = Call {
        request_id: header(&head.headers, "x-request-id").unwrap_or("").to_owned(),
        trace_id: header(&head.headers, "x-trace-id").map(str::to_owned),
        request,
    };
    match api.engine.step(call).await {
        Ok(reply) => deliver(&api, &line, &reply, &path, &query).await,
        Err(_) => plain(&error(500, "the simulator stands still"), &path),
    }
}

/// A form for the token endpoint.
async fn sign_in(
    State(api): State<Api>,
    ConnectInfo(line): ConnectInfo<Line>,
    headers: HeaderMap,
    form: Bytes,
) -> Response {
    let call = Call::new(Uuid::new_v4().to_string(), Request::Grant);
    let settings = api.engine.look(|model| model.settings().clone()).await;
    let (Ok(settings), Ok(reply)) = (settings, api.engine.step(call).await) else {
        return plain(&error(500, "the simulator stands still"), TOKEN_PATH);
    };
    if reply.status != 200
        || !matches!(reply.delivery, Delivery::Delivered | Delivery::Late(_) | Delivery::Slow(_))
    {
        return deliver(&api, &line, &reply, TOKEN_PATH, "").await;
    }
    if let Delivery::Late(by) | Delivery::Slow(by) = reply.delivery {
        tokio::time::sleep(by.unsigned_abs()).await;
    }
    let form = String::from_utf8_lossy(&form);
    let basic = header(&headers, AUTHORIZATION.as_str());
    let (status, body) = match token::grant(&form, basic, &settings, (api.clock.now)()) {
        Ok(body) => (200, body),
        Err(refusal) => (refusal.status, refusal.body()),
    };
    let mut response = Response::new(Body::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, media);
    response
}

/// Sends a reply, or loses it, as the model says.
async fn deliver(api: &Api, line: &Line, reply: &Reply, path: &str, query: &str) -> Response {
    let letter = Letter::write(reply, path, query);
    match reply.delivery {
        Delivery::Delivered | Delivery::Mistyped => whole(letter),
        Delivery::Late(by) => {
            tokio::select! {
                () = tokio::time::sleep(by.unsigned_abs()) => {}
                () = api.stop.cancelled() => {}
            }
            whole(letter)
        }
        Delivery::Slow(over) => dribble(letter, over.unsigned_abs(), api.stop.clone()),
        Delivery::Reset => {
            line.cut();
            whole(letter)
        }
        Delivery::Hang => {
            tokio::select! {
                () = tokio::time::sleep(HANG_LIMIT) => {}
                () = api.stop.cancelled() => {}
            }
            line.cut();
            whole(letter)
        }
        Delivery::Stalled => stall(letter, 0, api.stop.clone()),
        Delivery::Half => {
            let half = letter.bytes.len() / 2;
            stall(letter, half, api.stop.clone())
        }
        Delivery::Truncated => {
            let length = letter.bytes.len();
            let start = Bytes::copy_from_slice(&letter.bytes[..length / 2]);
            let mut response = letter.response(line.torn_body(start));
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
            response
        }
    }
}

fn whole(mut letter: Letter) -> Response {
    let bytes = std::mem::take(&mut letter.bytes);
    letter.response(Body::from(bytes))
}

/// The headers and the first bytes; the rest never comes.
fn stall(mut letter: Letter, first: usize, stop: CancellationToken) -> Response {
    let bytes = std::mem::take(&mut letter.bytes);
    let length = bytes.len();
    let start = stream::iter((first > 0).then(|| Ok(Bytes::copy_from_slice(&bytes[..first]))));
    let silence = stream::once(async move {
        tokio::select! {
            () = tokio::time::sleep(HANG_LIMIT) => {}
            () = stop.cancelled() => {}
        }
        Err(std::io::Error::from(std::io::ErrorKind::TimedOut))
    });
    let mut response = letter.response(Body::from_stream(start.chain(silence)));
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// The whole reply, a few bytes at a time.
fn dribble(mut letter: Letter, over: Duration, stop: CancellationToken) -> Response {
    let bytes = std::mem::take(&mut letter.bytes);
    let length = bytes.len();
    let drop = length.div_ceil(DROPS).max(1);
    let drops: Vec<Bytes> = bytes.chunks(drop).map(Bytes::copy_from_slice).collect();
    let pause = over / u32::try_from(drops.len().max(1)).unwrap_or(u32::MAX);
    let slow = stream::iter(drops).then(move |bytes| {
        let stop = stop.clone();
        async move {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => {}
            }
            Ok::<Bytes, std::io::Error>(bytes)
        }
    });
    let mut response = letter.response(Body::from_stream(slow));
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

/// An answer that no fault touches.
fn plain(reply: &Reply, path: &str) -> Response {
    whole(Letter::write(reply, path, ""))
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn error(status: u16, text: impl Into<String>) -> Reply {
    refusal(status, ErrorBody::Message(text.into()))
}

fn refusal(status: u16, body: ErrorBody) -> Reply {
    Reply {
        status,
        body: Reported::Error(body),
        delivery: Delivery::Delivered,
        effect: Effect::Nothing,
        retry_after: None,
    }
}

fn not_found(method: &str, path: &str) -> Reply {
    error(404, format!("Cannot {method} {path}"))
}

fn misrouted(problem: Misrouted, method: &str, path: &str) -> Reply {
    match problem {
        Misrouted::NotFound => not_found(method, path),
        Misrouted::Body(BadBody::Sentence(text)) => error(400, text),
        Misrouted::Body(BadBody::Violations(texts)) | Misrouted::Query(texts) => {
            refusal(400, ErrorBody::Messages(texts))
        }
    }
}
