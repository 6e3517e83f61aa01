//! The Kubernetes-style API over the store, as kubectl, kube-rs and everything that speaks to a
//! Kubernetes API server expect it.
//!
//! # A request's way
//! [`handle`] authenticates it, [`path`] says what the path names, the verb follows from the
//! method, the [`Authorizer`](crate::access::Authorizer) decides, and one module answers:
//! [`discovery`], [`openapi`], [`read`] (get, list), [`watch`], [`write`] (create, update, patch,
//! apply, delete), [`collection`], or one of the parts only DevPocket has ([`plan`],
//! [`decisions`], [`exec`], [`log`], [`approval`], [`resolve`], [`undelete`]).
//! Kinds come from the table in `specs`; nothing here is written per kind except the rules in
//! [`rules`] and those parts.
//!
//! # Guarantees
//! - Every write passes `specs::admit` and the store's compare-and-swap. Where the client named no
//!   `resourceVersion`, a lost race is tried again on the new state, at most
//!   [`write::ATTEMPTS`] times.
//! - `dryRun=All` writes nothing, on every verb. A parameter that is not understood is refused where
//!   ignoring it could write.
//! - Lists and watches send the bytes the store made at commit; nothing is serialised per reader
//!   (Secrets excepted: their values are opened for each answer, the stored bytes stay sealed).
//! - A watch ends when it said it would, also when nothing happens.
//!
//! - A list in pages is the list as of one revision ([`page`]), on every replica.
//!
//! # Caveats
//! Answers are JSON; protobuf is read where clients send nothing else ([`protobuf`]). `/openapi/v2`
//! is not served.

mod accept;
mod approval;
mod body;
mod call;
mod catalogue;
mod collection;
mod decisions;
mod discovery;
mod events;
mod exec;
mod fit;
mod keys;
mod log;
mod made;
mod openapi;
mod page;
mod params;
mod path;
mod plan;
mod protobuf;
mod read;
mod reply;
mod resolve;
mod reviews;
mod rules;
mod secrets;
mod select;
mod shape;
mod spending;
mod strategic;
mod tenancy;
mod undelete;
mod watch;
mod write;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use devpocket_specs::status::{Reason, Status};

use crate::access::{Attributes, AuthError, Decision, User};
use crate::server::{Api, AppState, count_user, refuse, too_many};
use call::Call;

pub use approval::ApprovalRequest;
pub use catalogue::{CatalogueView, RegionPrice, SizeView};
pub use decisions::EnvironmentDecisions;
pub use exec::EXEC_PROTOCOL;
pub use made::PlansMade;
pub use plan::EnvironmentPlan;
pub use resolve::ResolveRequest;
pub use secrets::{resealed, sealed_texts};

use path::{Part, ResourcePath, Target};

/// Answers a request whose path begins with `prefix`.
pub async fn handle(state: Arc<AppState>, prefix: &str, request: Request) -> Response {
    match answer(state, prefix, request).await {
        Ok(response) => response,
        Err(status) => {
            if status.reason == Reason::InternalError {
                tracing::error!("{}", status.message);
            }
            refuse(&status)
        }
    }
}

/// The user with the bearer token in these headers.
pub async fn authenticate(state: &AppState, headers: &HeaderMap) -> Result<User, Status> {
    let unauthorized = |message: &str| Status::new(Reason::Unauthorized, message);
    let token = match bearer(headers) {
        Bearer::None => return Err(unauthorized("a bearer token is required")),
        Bearer::Odd => return Err(unauthorized("the token is not valid")),
        Bearer::Token(token) => token,
    };
    let user = state.authenticator.authenticate(token).await.map_err(|error| match error {
        AuthError::Invalid(why) => unauthorized(&why),
        AuthError::Unavailable(_) => {
            Status::new(Reason::ServiceUnavailable, error.to_string()).with_code("unavailable")
        }
    })?;
    // Whoever asks as somebody else must not be answered, or obeyed, as themselves.
    match headers.keys().find(|name| name.as_str().starts_with(IMPERSONATE)) {
        None => Ok(user),
        Some(name) => Err(Status::new(
            Reason::Forbidden,
            format!(
                "{name}: nothing is done in another's name here; leave out --as, or use their token"
            ),
        )
        .with_code("impersonation")),
    }
}

/// What the names of Kubernetes' headers for acting as somebody else begin with.
const IMPERSONATE: &str = "impersonate-";

/// What stands in `Authorization`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bearer<'h> {
    None,
    /// Another scheme, no text, or several: who stands in front of us may have judged another one.
    Odd,
    Token(&'h str),
}

fn bearer(headers: &HeaderMap) -> Bearer<'_> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Bearer::None };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    match (token, all.next()) {
        (Some(token), None) => Bearer::Token(token),
        _ => Bearer::Odd,
    }
}

async fn answer(state: Arc<AppState>, prefix: &str, request: Request) -> Result<Response, Status> {
    let user = authenticate(&state, request.headers()).await?;
    count_user(&state, request.extensions(), &user, Api::Kube).await.map_err(too_many)?;
    let full_path = request.uri().path().to_owned();
    let path = full_path.strip_prefix(prefix).unwrap_or(&full_path);
    let Some(target) = path::parse(path) else {
        let message = format!("the server could not find the requested resource: {path}");
        return Err(Status::new(Reason::NotFound, message));
    };
    let (parts, body) = request.into_parts();
    if let Target::Resource(resource) = &target
        && resource.part == Some(Part::Exec)
    {
        return exec_call(state, user, parts, resource.clone(), path).await;
    }
    let mut call = Call::new(state, user, parts)?;
    let verb = verb(&call, &target)?;
    let attributes = attributes(verb, &target, path);
    // Everybody who is signed in may ask what they may do.
    if !is_review(&target) {
        call.within = match call.state.authorizer.authorize(&call.user, &attributes) {
            Decision::Allow => None,
            Decision::Within(namespaces) => Some(Arc::new(namespaces)),
            Decision::Hidden(namespace) => return Err(hidden(&namespace)),
            Decision::Deny(why) => return Err(forbidden(&call.user, &attributes, &why)),
        };
    }
    call.asked = attributes;
    if call.method != Method::GET {
        call.body = body::bytes(body).await?;
    }
    match target {
        Target::Resource(resource) => resource_call(call, resource).await,
        Target::SelfSubjectAccessReview => reviews::access(&call),
        Target::SelfSubjectRulesReview => reviews::rules(&call),
        Target::SelfSubjectReview => Ok(reviews::whoami(&call)),
        Target::Catalogue => catalogue::serve(&call.state).await,
        Target::Keys => keys::list(&call).await,
        Target::KeyRotation => keys::rotate(&call).await,
        meta => discovery::serve(&call, &meta),
    }
}

/// A session on a machine is opened with GET, as a WebSocket must, and is no reading.
async fn exec_call(
    state: Arc<AppState>,
    user: User,
    parts: axum::http::request::Parts,
    resource: ResourcePath,
    path: &str,
) -> Result<Response, Status> {
    if parts.method != Method::GET {
        return Err(method_not_allowed(&parts.method));
    }
    let attributes = attributes("create", &Target::Resource(resource.clone()), path);
    match state.authorizer.authorize(&user, &attributes) {
        Decision::Allow | Decision::Within(_) => {}
        Decision::Hidden(namespace) => return Err(hidden(&namespace)),
        Decision::Deny(why) => return Err(forbidden(&user, &attributes, &why)),
    }
    exec::serve(state, user, attributes, parts, resource).await
}

/// What everybody may ask about themselves.
fn is_review(target: &Target) -> bool {
    matches!(
        target,
        Target::SelfSubjectAccessReview
            | Target::SelfSubjectRulesReview
            | Target::SelfSubjectReview
    )
}

async fn resource_call(mut call: Call, resource: ResourcePath) -> Result<Response, Status> {
    let one = !resource.name.is_empty();
    call.shape_for(&resource)?;
    match (call.method.clone(), resource.part) {
        (Method::GET, None) if !one && call.params.watch => watch::serve(call, resource).await,
        (Method::GET, None) if !one => read::list(call, resource).await,
        (Method::GET, None | Some(Part::Status)) => read::get(call, resource).await,
        (Method::POST, None) => write::create(call, resource).await,
        (Method::PUT, None | Some(Part::Status)) => write::update(call, resource).await,
        (Method::PATCH, None | Some(Part::Status)) => write::patch(call, resource).await,
        (Method::DELETE, None) if !one => collection::delete(call, resource).await,
        (Method::DELETE, None) => write::delete(call, resource).await,
        (Method::GET, Some(Part::Plan)) => plan::stored(call, resource).await,
        (Method::POST, Some(Part::Plan)) => plan::proposed(call, resource).await,
        (Method::GET, Some(Part::Decisions)) => decisions::read(call, resource).await,
        (Method::GET, Some(Part::Log)) => log::read(call, resource).await,
        (Method::POST, Some(Part::Approval)) => approval::approve(call, resource).await,
        (Method::POST, Some(Part::Undelete)) => undelete::undelete(call, resource).await,
        (Method::POST, Some(Part::Resolve)) => resolve::resolve(call, resource).await,
        _ => Err(method_not_allowed(&call.method)),
    }
}

/// The Kubernetes verb of a request; 405 where the method does not fit the path.
fn verb(call: &Call, target: &Target) -> Result<&'static str, Status> {
    let not_allowed = || method_not_allowed(&call.method);
    let Target::Resource(resource) = target else {
        let posted = is_review(target) || *target == Target::KeyRotation;
        let (wanted, verb) = if posted { (Method::POST, "create") } else { (Method::GET, "get") };
        return if call.method == wanted { Ok(verb) } else { Err(not_allowed()) };
    };
    let one = !resource.name.is_empty();
    let verb = match (call.method.as_str(), one) {
        ("GET", false) if call.params.watch => "watch",
        ("GET", false) => "list",
        ("GET", true) => "get",
        ("POST", true) if resource.part == Some(Part::Approval) => "approve",
        ("POST", true) if resource.part.is_some() => "create",
        // Nothing is created in all namespaces at once, nor deleted.
        ("POST" | "DELETE", false)
            if resource.kind.is_namespaced() && resource.namespace.is_empty() =>
        {
            return Err(not_allowed());
        }
        ("POST", false) => "create",
        ("PUT", true) => "update",
        ("PATCH", true) => "patch",
        ("DELETE", true) => "delete",
        ("DELETE", false) => "deletecollection",
        _ => return Err(not_allowed()),
    };
    let allowed = match resource.part {
        None => true,
        Some(Part::Approval) => verb == "approve",
        Some(part) => part.verbs().contains(&verb),
    };
    if allowed { Ok(verb) } else { Err(not_allowed()) }
}

fn attributes(verb: &str, target: &Target, path: &str) -> Attributes {
    let verb = verb.to_owned();
    match target {
        Target::Resource(resource) => {
            let info = resource.kind.info();
            Attributes {
                verb,
                group: info.group.to_owned(),
                version: info.version.to_owned(),
                resource: info.plural.to_owned(),
                subresource: resource.part.map_or(String::new(), |part| part.word().to_owned()),
                namespace: resource.namespace.clone(),
                name: resource.name.clone(),
                path: String::new(),
            }
        }
        _ => Attributes { verb, path: path.to_owned(), ..Attributes::default() },
    }
}

/// The answer about a namespace that is somebody else's: what Kubernetes says of one that is not
/// there.
pub fn hidden(namespace: &str) -> Status {
    Status::not_found(&Key::cluster(Kind::Namespace, namespace))
}

/// The answer to somebody who may see a thing, but not do this to it.
pub fn forbidden(user: &User, attributes: &Attributes, why: &str) -> Status {
    let what = if attributes.resource.is_empty() {
        attributes.path.clone()
    } else {
        let slash = if attributes.subresource.is_empty() { "" } else { "/" };
        format!("{}{slash}{}", attributes.resource, attributes.subresource)
    };
    let message = format!("user {:?} cannot {} {what}: {why}", user.name, attributes.verb);
    let mut status = Status::new(Reason::Forbidden, message);
    status.details.group.clone_from(&attributes.group);
    status.details.kind.clone_from(&attributes.resource);
    status.details.name.clone_from(&attributes.name);
    status
}

fn method_not_allowed(method: &Method) -> Status {
    Status::new(Reason::MethodNotAllowed, format!("{method} is not allowed here"))
}

/// An answer with a document.
fn document(code: StatusCode, value: &serde_json::Value) -> Response {
    crate::server::json(code, value)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let value = |line: &&[u8]| HeaderValue::from_bytes(line).ok();
        let values = lines.iter().filter_map(value);
        values.map(|value| (header::AUTHORIZATION, value)).collect()
    }

    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        assert_eq!(bearer(&headers(&[])), Bearer::None);
        for good in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(bearer(&headers(&[good.as_bytes()])), Bearer::Token("abc"), "{good}");
        }
        for odd in ["Basic YTpi", "Bearer", "abc", "Bearer\tabc", "Token abc"] {
            assert_eq!(bearer(&headers(&[odd.as_bytes()])), Bearer::Odd, "{odd}");
        }
        // Two, of which a proxy may have judged the other one.
        let smuggled: [&[u8]; 2] = [b"Bearer abc", b"Bearer admin"];
        let mut two = HeaderMap::new();
        for line in smuggled {
            two.append(header::AUTHORIZATION, HeaderValue::from_bytes(line).unwrap());
        }
        assert_eq!(bearer(&two), Bearer::Odd);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_reader_fall_over(line in any::<Vec<u8>>()) {
            if let Bearer::Token(token) = bearer(&headers(&[&line])) {
                prop_assert!(token.is_ascii() && token.trim() == token);
            }
        }
    }
}
