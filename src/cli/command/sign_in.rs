//! The ways to sign in that lead to tokens: a password, and a code that is confirmed elsewhere.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::api::{Api, ApiError};
use crate::cli::error::{Failure, Report, exit};
use crate::cli::interrupt::Interrupt;
use crate::cli::session::Session;
use crate::contabo::Sensitive;

/// Longest pause between two questions, whatever the server asks for.
const PAUSE_MAX: u64 = 60;
/// Added to the pause when the server says it is asked too often, as RFC 8628 has it.
const SLOWER: u64 = 5;

/// What a sign-in leads to.
pub struct SignedIn {
    pub token: Sensitive,
    pub refresh: Sensitive,
    pub user: String,
    /// Where what they own is.
    pub namespace: Option<String>,
}

impl SignedIn {
    fn read(value: &Value) -> Option<SignedIn> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Some(SignedIn {
            token: Sensitive::new(text(&value["access_token"])?),
            refresh: Sensitive::new(text(&value["refresh_token"])?),
            user: text(&value["user"]["username"])?,
            namespace: text(&value["user"]["namespace"]),
        })
    }
}

fn unreadable(api: &Api) -> Report {
    Failure::new("server-unknown", format!("{} answered no tokens", api.server()))
        .exit(exit::UNREACHABLE)
        .into()
}

/// By user name or address, and password.
pub async fn by_password(
    session: &Session,
    api: &Api,
    name: &str,
    password: &str,
) -> Result<SignedIn, Report> {
    let body = json!({"username_or_email": name, "password": password});
    let answer = api.rest(Method::POST, "/auth/login", Some(&body)).await;
    let answer = answer.map_err(|error| refused(session, api, &error))?;
    SignedIn::read(&answer).ok_or_else(|| unreadable(api))
}

fn refused(session: &Session, api: &Api, error: &ApiError) -> Report {
    match error {
        ApiError::Refused { code: 401, status, .. } => {
            Failure::new("signed-out", status.message.clone())
                .exit(exit::UNREACHABLE)
                .at(api.server())
                .because("after 5 failures the password of an account is locked for 15 min")
                .so_far("nothing was changed")
                .attempt(format!("devpocket login {} --device", api.server()), "without a password")
                .into()
        }
        other => session.report(other),
    }
}

/// By a code that somebody confirms on another device.
pub async fn by_device(session: &Session, api: &Api) -> Result<SignedIn, Report> {
    let asked = api.rest(Method::POST, "/auth/device", Some(&json!({}))).await;
    let begun = asked.map_err(|error| session.report(&error))?;
    let text = |name: &str| begun[name].as_str().unwrap_or_default().to_owned();
    session.output.note(format!(
        "Open {} where you are signed in, and type {}",
        text("verification_uri"),
        text("user_code")
    ));
    session.output.note(format!("or open {}", text("verification_uri_complete")));
    let body = json!({"device_code": begun["device_code"]});
    let mut pause = begun["interval"].as_u64().unwrap_or(SLOWER).clamp(1, PAUSE_MAX);
    let mut interrupt = Interrupt::listen();
    loop {
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(pause)) => {}
            () = interrupt.heard() => {
                let failure = Failure::new("interrupted", "stopped before anybody answered");
                return Err(failure.exit(exit::INTERRUPTED).so_far("nobody was signed in").into());
            }
        }
        let answer = api.device_answer(&body).await.map_err(|error| session.report(&error))?;
        let word = answer["error"].as_str().unwrap_or_default();
        match word {
            "" => return SignedIn::read(&answer).ok_or_else(|| unreadable(api)),
            "authorization_pending" => {}
            "slow_down" => pause = (pause + SLOWER).min(PAUSE_MAX),
            other => {
                let message = match other {
                    "access_denied" => "the sign-in was refused",
                    _ => "nobody answered in time",
                };
                let again = format!("devpocket login {} --device", api.server());
                let failure = Failure::new("signed-out", message).exit(exit::UNREACHABLE);
                return Err(failure.so_far("nobody was signed in").attempt(again, "").into());
            }
        }
    }
}
