//! Limits on their way through HTTP: who is counted for what, the headers that tell, and the 429.
//!
//! An address is counted before anybody is known: for each attempt with a password or a code
//! ([`Subject::SignIn`]), and for each request that came without an accepted token
//! ([`Subject::Stranger`]). Once an address has used up the latter it is refused whatever it carries,
//! before a token is looked at. Whoever has an accepted token is counted as that user instead, by
//! [`count_user`], so that many people behind one address do not share a budget.

use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use devpocket_specs::status::{Reason, Status};
use serde_json::json;

use super::address::ClientAddress;
use super::limiter::{Standing, Subject, Verdict, Who};
use super::reply::{self, refuse};
use super::state::AppState;
use super::{KUBE_PREFIX, REST_PREFIX};
use crate::access::User;

/// The words the app shows.
const DETAIL: &str = "Rate limit exceeded. Try again later.";
/// Where passwords and codes are tried: every POST below it, but for these.
const SIGN_IN: &str = "/api/v1/auth/";
/// Not guessable, or asked again and again by a client that waits.
const NOT_SIGN_IN: [&str; 4] = ["refresh", "logout", "device/token", "device/answer"];

/// Which API somebody uses; each has a budget of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    Rest,
    Kube,
}

/// In a request's extensions: what [`count_user`] found, for the answer's headers.
#[derive(Clone, Default)]
struct Meter(Arc<Mutex<Option<Verdict>>>);

impl Meter {
    fn read(&self) -> Option<Verdict> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, verdict: Verdict) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
    }
}

/// Counts a request of somebody whose token was accepted. Each API calls this once per request,
/// right after authentication, with the request's extensions.
///
/// # Errors
/// Where the user stands, if that was one too many: [`too_many`] and [`too_many_rest`] make the
/// answer of it.
pub async fn count_user(
    state: &AppState,
    extensions: &Extensions,
    user: &User,
    api: Api,
) -> Result<(), Standing> {
    let verdict = match &state.edge.limiter {
        None => Verdict::Unlimited,
        Some(limiter) => {
            let who = match user.account {
                Some(account) => Who::Account(account),
                None => Who::Name(user.name.clone()),
            };
            let subject = match api {
                Api::Rest => Subject::Rest(who),
                Api::Kube => Subject::Kube(who),
            };
            limiter.take(&subject).await
        }
    };
    if let Some(meter) = extensions.get::<Meter>() {
        meter.set(verdict);
    }
    match verdict {
        Verdict::Refused(standing) => {
            counted("user");
            Err(standing)
        }
        _ => Ok(()),
    }
}

/// 429 as Kubernetes clients expect it; they wait and ask again by themselves.
pub fn too_many(standing: Standing) -> Status {
    let message = format!(
        "too many requests: the limit is {}; ask again in {} s",
        standing.limit,
        standing.seconds()
    );
    let mut status = Status::new(Reason::TooManyRequests, message).with_code("too-many-requests");
    status.details.retry_after_seconds = u32::try_from(standing.seconds()).ok();
    status
}

/// 429 as the mobile app reads it.
pub fn too_many_rest(standing: Standing) -> crate::rest::Problem {
    let problem = crate::rest::Problem::new(StatusCode::TOO_MANY_REQUESTS, DETAIL);
    crate::rest::Problem { retry_after: Some(standing.seconds()), ..problem }
}

fn counted(whom: &'static str) {
    metrics::counter!("devpocket_rate_limited_total", "by" => whom).increment(1);
}

/// How a request without a known user is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    /// Probes: whoever restarts what does not answer must not be what is refused.
    Free,
    SignIn,
    Stranger,
}

fn class(method: &Method, path: &str) -> Class {
    if path == "/health" || path.starts_with("/health/") {
        return Class::Free;
    }
    match path.strip_prefix(SIGN_IN) {
        Some(rest) if method == Method::POST => {
            let rest = rest.trim_end_matches('/');
            if NOT_SIGN_IN.contains(&rest) { Class::Stranger } else { Class::SignIn }
        }
        _ => Class::Stranger,
    }
}

pub(super) async fn count(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(limiter) = &state.edge.limiter else { return next.run(request).await };
    let class = class(request.method(), request.uri().path());
    let address = request.extensions().get::<ClientAddress>().copied();
    let (Some(address), false) = (address, class == Class::Free) else {
        return next.run(request).await;
    };
    let path = request.uri().path().to_owned();
    let refused = |standing| {
        counted("address");
        tracing::debug!(%address, "refused: its address asks too often");
        refusal(&state, &path, standing)
    };
    let meter = Meter::default();
    request.extensions_mut().insert(meter.clone());
    let stranger = Subject::Stranger(address.network());
    let before = match class {
        Class::SignIn => limiter.take(&Subject::SignIn(address.network())).await,
        _ => limiter.spent(&stranger).map_or(Verdict::Unlimited, Verdict::Refused),
    };
    if let Verdict::Refused(standing) = before {
        return refused(standing);
    }
    let mut response = next.run(request).await;
    let verdict = match (meter.read(), class) {
        (Some(user), _) => user,
        (None, Class::SignIn) => before,
        // The answer is made; the next request is the one that is refused.
        (None, _) => limiter.take(&stranger).await,
    };
    tell(&state, response.headers_mut(), verdict);
    response
}

/// 429 in the form of the API that was asked.
fn refusal(state: &AppState, path: &str, standing: Standing) -> Response {
    let mut response = if path.starts_with(REST_PREFIX) {
        let seconds = standing.seconds();
        let body = json!({
            "detail": DETAIL,
            "errors": [],
            "timestamp": state.clock.now().to_string(),
            "path": path,
            "retry_after": seconds,
        });
        let mut response = reply::json(StatusCode::TOO_MANY_REQUESTS, &body);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        response
    } else {
        debug_assert!(path.starts_with(KUBE_PREFIX) || path.starts_with('/'));
        refuse(&too_many(standing))
    };
    tell(state, response.headers_mut(), Verdict::Refused(standing));
    response
}

/// The headers the app reads. The reset is a time, in seconds since 1970.
fn tell(state: &AppState, headers: &mut HeaderMap, verdict: Verdict) {
    let (Verdict::Allowed(standing) | Verdict::Refused(standing)) = verdict else { return };
    let now = state.clock.now().as_second();
    let reset = now.saturating_add(i64::try_from(standing.seconds()).unwrap_or(i64::MAX));
    headers.insert("x-ratelimit-limit", HeaderValue::from(standing.limit));
    headers.insert("x-ratelimit-remaining", HeaderValue::from(standing.remaining));
    headers.insert("x-ratelimit-reset", HeaderValue::from(reset));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_with_a_password_or_a_code_are_told_from_the_rest() {
        for (method, path, expected) in [
            (Method::POST, "/api/v1/auth/login", Class::SignIn),
            (Method::POST, "/api/v1/auth/reset-password", Class::SignIn),
            (Method::POST, "/api/v1/auth/whatever-comes-later", Class::SignIn),
            (Method::POST, "/api/v1/auth/refresh", Class::Stranger),
            (Method::POST, "/api/v1/auth/device/token", Class::Stranger),
            (Method::GET, "/api/v1/auth/me", Class::Stranger),
            (Method::POST, "/api/v1/environments", Class::Stranger),
            (Method::GET, "/kube/apis", Class::Stranger),
            (Method::GET, "/health/live", Class::Free),
            (Method::GET, "/healthy", Class::Stranger),
        ] {
            assert_eq!(class(&method, path), expected, "{method} {path}");
        }
    }
}
