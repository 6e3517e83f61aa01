//! What a server said no to, or did not answer, in the form of errors.

use devpocket_specs::status::{Cause, Reason, Status};

use super::api::{ApiError, Doubt};
use super::error::{Failure, Report, Retry, Snippet, exit};
use super::session::Session;
use crate::manifest::Fault;

/// Codes of what is wrong in a file or a flag: nothing was written, and the same again fails again.
const INVALID: [&str; 5] =
    ["bad-value", "unknown-", "size-not-in-region", "not-supported", "duplicate-"];

/// Codes of what a tier does not allow.
const LIMITS: [&str; 3] = ["quota", "no-tier", "size-not-in-tier"];

/// Any error of a call that changes nothing by itself, or that nothing came before.
pub fn report(session: &Session, error: &ApiError) -> Report {
    match error {
        ApiError::Unreachable { server, evidence, tries, took } => {
            let tries = match tries {
                0 | 1 => String::new(),
                _ => format!(", {tries} tries in {} s", took.as_secs()),
            };
            let failure = Failure::new("server-unreachable", format!("no answer from {server}"))
                .exit(exit::UNREACHABLE)
                .at(session.origin())
                .because(format!("{evidence}{tries}"))
                .so_far("nothing was sent. What was declared before stays in force")
                .retry(Retry::Later(None));
            other_contexts(session, failure).into()
        }
        ApiError::Cut { server, evidence } => {
            Failure::new("server-unreachable", format!("{server} did not answer to the end"))
                .exit(exit::UNREACHABLE)
                .at(session.origin())
                .because(evidence)
                .so_far(
                    "what was asked may have been done. What was declared before stays in force",
                )
                .attempt("devpocket status", "what the server says now")
                .retry(Retry::Later(None))
                .into()
        }
        ApiError::Untrusted { server, doubt } => untrusted(session, server, doubt).into(),
        ApiError::SignedOut { server, with_token } => {
            signed_out(session, server, *with_token).into()
        }
        ApiError::NotKept { problem } => {
            Failure::new("contexts-file", "the renewed sign-in cannot be kept")
                .exit(exit::INVALID)
                .because(problem)
                .so_far("nothing was changed; the sign-in is as good as before")
                .into()
        }
        ApiError::Foreign { server, problem } => Failure::new(
            "server-unknown",
            format!("what answers at {server} is not this DevPocket"),
        )
        .exit(exit::UNREACHABLE)
        .at(session.origin())
        .because(problem)
        .attempt("devpocket version", "both versions")
        .into(),
        ApiError::Refused { status, request_id, .. } => refused(status, request_id.as_deref()),
    }
}

/// Something is there, and it is not certain that it is the server.
fn untrusted(session: &Session, server: &str, doubt: &Doubt) -> Failure {
    let host = reqwest::Url::parse(server).ok();
    let host = host.as_ref().and_then(|url| url.host_str()).unwrap_or(server).to_owned();
    let (message, because) = match doubt {
        Doubt::Issuer => (
            format!("nobody who is trusted here vouches for {server}"),
            "its certificate is signed by an authority that neither this system nor the context \
             knows"
                .to_owned(),
        ),
        Doubt::Name(names) if names.is_empty() => (
            format!("what answers at {server} is another server"),
            format!("its certificate is not for {host}"),
        ),
        Doubt::Name(names) => (
            format!("what answers at {server} is another server"),
            format!("its certificate is for {}, not for {host}", names.join(", ")),
        ),
        Doubt::Time => (
            format!("the certificate of {server} is not valid today"),
            "it is over, or has not begun; or this computer's clock is wrong".to_owned(),
        ),
        Doubt::NoTls => {
            (format!("{server} does not speak TLS"), "it answers in another protocol".to_owned())
        }
        Doubt::Authority(why) => {
            (format!("the certificates to trust for {server} cannot be read"), why.clone())
        }
        Doubt::Other(why) => (format!("{server} cannot be trusted"), why.clone()),
    };
    let failure = Failure::new("server-untrusted", message)
        .exit(exit::UNREACHABLE)
        .at(session.origin())
        .because(because)
        .so_far("nothing was sent, the token neither");
    match doubt {
        Doubt::NoTls => failure.attempt(
            format!("devpocket version --server http://{}", authority_of(server)),
            "asks without TLS",
        ),
        Doubt::Name(_) => failure.attempt("devpocket context", "which servers are known here"),
        Doubt::Time => failure.attempt("date", "what this computer takes for now"),
        _ => failure.attempt(
            format!("devpocket login {server} --token-file FILE --certificate-authority FILE"),
            "trusts the authority in that file, for this server only",
        ),
    }
}

/// Host and port of an address.
fn authority_of(server: &str) -> &str {
    server.split_once("://").map_or(server, |(_, rest)| rest)
}

fn signed_out(session: &Session, server: &str, with_token: bool) -> Failure {
    let (message, because) = if with_token {
        ("does not accept the token", "the token is not valid there, or no longer")
    } else {
        ("wants to know who asks", "there is no token for it here")
    };
    Failure::new("signed-out", format!("{server} {message}"))
        .exit(exit::UNREACHABLE)
        .at(session.origin())
        .because(because)
        .so_far("nothing was changed")
        .attempt(format!("devpocket login {server}"), "asks for the password")
        .attempt(format!("devpocket login {server} --token-file FILE"), "with an API token")
}

fn other_contexts(session: &Session, failure: Failure) -> Failure {
    let others = session.other_contexts();
    if others.is_empty() {
        return match session.is_local() {
            true => failure.attempt("devpocket up", "starts the one on this computer"),
            false => failure.attempt("devpocket context", "which servers are known here"),
        };
    }
    failure.attempt("devpocket context", &format!("you also have: {}", others.join(", ")))
}

/// A refusal, each cause with its own message.
pub fn refused(status: &Status, request_id: Option<&str>) -> Report {
    let details = &status.details;
    let object = object(status);
    if status.reason == Reason::Invalid && !details.causes.is_empty() {
        let each = details.causes.iter().map(|cause| {
            of_cause(cause, details.code.as_deref()).at(at_field(&object, &cause.field))
        });
        return Report::new(each.collect());
    }
    let code = code(status);
    let mut failure = Failure::new(&code, sentence(status)).at(object).exit(exit_of(status, &code));
    let facts: Vec<&str> = details.causes.iter().map(|cause| cause.message.as_str()).collect();
    failure = failure.because(facts.join(". "));
    failure.retry = match status.reason {
        Reason::TooManyRequests | Reason::ServiceUnavailable | Reason::Timeout => {
            Retry::Later(details.retry_after_seconds)
        }
        Reason::InternalError => Retry::Later(None),
        _ => Retry::AfterChange,
    };
    for attempt in details.causes.iter().flat_map(|cause| &cause.r#try) {
        failure = failure.attempt(attempt, "");
    }
    if LIMITS.contains(&code.as_str()) {
        failure = failure.so_far("nothing was bought, nothing was created");
    }
    if status.reason == Reason::InternalError {
        failure.request_id = request_id.map(str::to_owned);
        failure = failure
            .so_far("it is not certain that nothing was changed")
            .attempt("devpocket status", "safe: only looks");
    }
    failure.into()
}

/// One fault of an object that a server or this program found, without its place.
fn of_cause(cause: &Cause, outer: Option<&str>) -> Failure {
    let code = cause.code.as_deref().or(outer).unwrap_or("bad-value");
    let exit = if is_invalid(code) { exit::INVALID } else { exit::REFUSED };
    let mut failure = Failure::new(code, cause.sentence()).exit(exit);
    if let Some(because) = &cause.because {
        failure = failure.because(because);
    }
    failure = match cause.r#try.as_slice() {
        // Where to look all of them up stands beside the one suggested.
        [one, all] if all.starts_with("all ") => failure.attempt(one, all),
        many => many.iter().fold(failure, |failure, attempt| failure.attempt(attempt, "")),
    };
    let told = |nearest: &str| cause.r#try.iter().any(|attempt| attempt.contains(nearest));
    if let Some(nearest) = cause.nearest.as_ref().filter(|nearest| !told(nearest)) {
        failure.message = format!("{}; did you mean {nearest:?}?", failure.message);
    }
    failure
}

/// A fault in a file: with its place, and its line where a name was mistyped.
pub fn of_fault(fault: &Fault) -> Failure {
    let cause = Cause { nearest: None, ..fault.cause.clone() };
    let mut failure = of_cause(&cause, None);
    failure.message = fault.cause.sentence();
    let place = &fault.place;
    let mark = fault.cause.nearest.is_some() || cause.code.as_deref() == Some("bad-yaml");
    let object = fault.object.as_deref().unwrap_or_default();
    let what = match (mark || cause.field.is_empty(), object) {
        (true, object) => object.to_owned(),
        (false, "") => cause.field.clone(),
        (false, object) if failure.message.starts_with(&cause.field) => object.to_owned(),
        (false, object) => format!("{} of {object}", cause.field),
    };
    let gap = if what.is_empty() { "" } else { "  " };
    failure.at = Some(format!("{place}{gap}{what}"));
    if mark {
        let nearest = fault.cause.nearest.as_ref();
        failure.snippet = Some(Snippet {
            number: place.position.line,
            line: place.line().to_owned(),
            column: place.position.column,
            width: place.width.min(place.line().chars().count().max(1)),
            remark: nearest.map(|near| format!("did you mean {near:?}?")).unwrap_or_default(),
        });
    }
    failure
}

fn is_invalid(code: &str) -> bool {
    code == "bad-yaml" || INVALID.iter().any(|known| code.starts_with(known))
}

/// DevPocket's own code, or Kubernetes' reason in kebab-case.
fn code(status: &Status) -> String {
    if let Some(code) = &status.details.code {
        return code.clone();
    }
    let word = match status.reason {
        Reason::RequestEntityTooLarge => "too-large",
        Reason::ServiceUnavailable => "server-unavailable",
        Reason::InternalError => "internal",
        Reason::BadRequest => "bad-request",
        Reason::Forbidden => "forbidden",
        Reason::NotFound => "not-found",
        Reason::AlreadyExists => "already-exists",
        Reason::Conflict => "conflict",
        Reason::Invalid => "bad-value",
        Reason::TooManyRequests => "too-many-requests",
        Reason::Timeout => "timeout",
        Reason::Expired => "expired",
        Reason::Unauthorized => "signed-out",
        Reason::MethodNotAllowed | Reason::NotAcceptable | Reason::UnsupportedMediaType => {
            "not-offered"
        }
    };
    word.to_owned()
}

fn exit_of(status: &Status, code: &str) -> u8 {
    match status.reason {
        Reason::Forbidden | Reason::AlreadyExists | Reason::Conflict | Reason::TooManyRequests => {
            exit::REFUSED
        }
        Reason::BadRequest | Reason::Invalid | Reason::RequestEntityTooLarge => exit::INVALID,
        Reason::ServiceUnavailable | Reason::Timeout => exit::UNREACHABLE,
        _ if is_invalid(code) => exit::INVALID,
        _ => exit::FAILED,
    }
}

/// Kubernetes' sentences, in ours where they are about how its API works.
fn sentence(status: &Status) -> String {
    let object = object(status);
    match status.reason {
        Reason::NotFound if status.details.code.is_none() && !object.is_empty() => {
            format!("there is no {object}")
        }
        Reason::AlreadyExists if !object.is_empty() => format!("{object} is there already"),
        Reason::Conflict if status.details.code.is_none() && !object.is_empty() => {
            format!("{object} was changed by somebody else meanwhile")
        }
        Reason::InternalError => "a bug of DevPocket's; it is in the server's log".to_owned(),
        _ => status.message.clone(),
    }
}

/// `env/api` from what a status says it is about.
fn object(status: &Status) -> String {
    let details = &status.details;
    if details.name.is_empty() {
        return String::new();
    }
    match devpocket_specs::kind::Kind::from_word(&details.kind) {
        Some(kind) => {
            let key = devpocket_specs::object::Key::cluster(kind, details.name.clone());
            crate::manifest::short_name(&key)
        }
        None => details.name.clone(),
    }
}

fn at_field(object: &str, field: &str) -> String {
    match (object.is_empty(), field.is_empty()) {
        (_, true) => object.to_owned(),
        (true, false) => field.to_owned(),
        (false, false) => format!("{field} of {object}"),
    }
}
