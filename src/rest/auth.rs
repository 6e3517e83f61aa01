//! `/auth`: registering, signing in and out, verifying, and passwords that were forgotten.

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequest as _, FromRequestParts as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;

use super::body::Body;
use super::caller::{Anyone, Person, accounts};
use super::problem::Problem;
use crate::accounts::codes::Purpose;
use crate::accounts::login::LoggedIn;
use crate::accounts::{AccountError, Accounts, NewAccount};
use crate::server::{AppState, json as reply};

type Answer = Result<Response, Problem>;

pub(super) fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/auth/register", post(register))
        .route("/auth/login", post(login))
        .route("/auth/refresh", post(refresh))
        .route("/auth/logout", post(logout))
        .route("/auth/me", get(me))
        .route("/auth/google", post(google))
        .route("/auth/verify-email", post(verify_email))
        .route("/auth/resend-verification", post(resend_verification))
        .route("/auth/forgot-password", post(forgot_password))
        .route("/auth/reset-password", post(reset_password))
}

/// A document of any type that can be one.
pub(super) fn document<T: serde::Serialize>(code: StatusCode, value: &T) -> Answer {
    let value = serde_json::to_value(value);
    let value = value.map_err(|error| {
        tracing::error!("an answer is no JSON: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal server error")
    })?;
    Ok(reply(code, &value))
}

pub(super) fn message(text: &str) -> Answer {
    Ok(reply(StatusCode::OK, &json!({"message": text})))
}

/// What a sign-in is answered with.
pub(super) fn signed_in(accounts: &Accounts, logged_in: &LoggedIn) -> Answer {
    let mut body = serde_json::to_value(&logged_in.tokens).unwrap_or_default();
    body["user"] = serde_json::to_value(accounts.view(&logged_in.account)).unwrap_or_default();
    Ok(reply(StatusCode::OK, &body))
}

#[derive(Deserialize)]
struct Register {
    username: String,
    email: String,
    password: String,
    #[serde(default)]
    full_name: Option<String>,
}

async fn register(
    State(state): State<Arc<AppState>>,
    Anyone(origin): Anyone,
    Body(form): Body<Register>,
) -> Answer {
    let new = NewAccount {
        username: form.username,
        email: form.email,
        password: form.password,
        full_name: form.full_name.unwrap_or_default(),
    };
    document(StatusCode::CREATED, &accounts(&state)?.register(&new, &origin).await?)
}

#[derive(Deserialize)]
struct Login {
    #[serde(alias = "usernameOrEmail", alias = "username", alias = "email")]
    username_or_email: String,
    password: String,
}

async fn login(
    State(state): State<Arc<AppState>>,
    Anyone(origin): Anyone,
    Body(form): Body<Login>,
) -> Answer {
    let accounts = accounts(&state)?;
    let logged_in = accounts.login(&form.username_or_email, &form.password, &origin).await?;
    signed_in(accounts, &logged_in)
}

#[derive(Deserialize)]
struct Refresh {
    #[serde(alias = "refreshToken")]
    refresh_token: String,
}

async fn refresh(
    State(state): State<Arc<AppState>>,
    Anyone(origin): Anyone,
    Body(form): Body<Refresh>,
) -> Answer {
    document(StatusCode::OK, &accounts(&state)?.refresh(&form.refresh_token, &origin).await?)
}

async fn logout(State(state): State<Arc<AppState>>, person: Person) -> Answer {
    let person = person.in_person()?;
    if let Some(session) = person.session() {
        let ended = accounts(&state)?.end_session(person.id, session, "logout", &person.origin);
        match ended.await {
            // Already over: that is what was asked for.
            Ok(()) | Err(AccountError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    message("Successfully logged out")
}

async fn me(State(state): State<Arc<AppState>>, person: Person) -> Answer {
    let accounts = accounts(&state)?;
    let account = accounts.account(person.id).await?;
    document(StatusCode::OK, &accounts.view(&account))
}

#[derive(Deserialize)]
struct Google {
    #[serde(alias = "id_token", alias = "idToken")]
    token: String,
    #[serde(default)]
    nonce: Option<String>,
}

async fn google(
    State(state): State<Arc<AppState>>,
    Anyone(origin): Anyone,
    Body(form): Body<Google>,
) -> Answer {
    let accounts = accounts(&state)?;
    let logged_in = accounts.google_login(&form.token, form.nonce.as_deref(), &origin).await?;
    signed_in(accounts, &logged_in)
}

#[derive(Deserialize)]
struct Code {
    #[serde(alias = "code")]
    token: String,
}

async fn verify_email(
    State(state): State<Arc<AppState>>,
    Anyone(origin): Anyone,
    Body(form): Body<Code>,
) -> Answer {
    accounts(&state)?.verify_email(&form.token, &origin).await?;
    message("Email verified successfully")
}

#[derive(Deserialize)]
struct Address {
    email: String,
}

/// Answered before anything is looked up: what is asked is the same for every address, and so is
/// the time it takes.
fn ask(state: &AppState, form: Address, purpose: Purpose, origin: Anyone) -> Result<(), Problem> {
    let accounts = accounts(state)?.clone();
    tokio::spawn(async move {
        let asked = accounts.ask_for_code(&form.email, purpose, &origin.0).await;
        if let Err(error) = asked {
            tracing::error!("a letter that was asked for ({}): {error}", purpose.word());
        }
    });
    Ok(())
}

/// For whoever is signed in, without a body, as the app asks; or for an address, by anybody.
async fn resend_verification(State(state): State<Arc<AppState>>, request: Request) -> Answer {
    let (mut parts, body) = request.into_parts();
    if !parts.headers.contains_key(header::AUTHORIZATION) {
        let origin = Anyone::from_request_parts(&mut parts, &state).await?;
        let request = Request::from_parts(parts, body);
        let Body(form) = Body::<Address>::from_request(request, &state).await?;
        ask(&state, form, Purpose::VerifyEmail, origin)?;
        return message(
            "If this address has an account that is not verified, a letter is on its way",
        );
    }
    let person = Person::from_request_parts(&mut parts, &state).await?;
    let accounts = accounts(&state)?;
    let account = accounts.account(person.id).await?;
    if accounts.view(&account).is_verified {
        return message("The address is verified already");
    }
    accounts.ask_for_code(&account.email, Purpose::VerifyEmail, &person.origin).await?;
    message("A letter is on its way")
}

async fn forgot_password(
    State(state): State<Arc<AppState>>,
    origin: Anyone,
    Body(form): Body<Address>,
) -> Answer {
    if !accounts(&state)?.settings.mail {
        let detail = "This server sends no mail. An administrator can make a link: \
                      devpocket admin reset-link NAME";
        return Err(Problem::new(StatusCode::NOT_IMPLEMENTED, detail));
    }
    ask(&state, form, Purpose::ResetPassword, origin)?;
    message("If this address has an account, a letter is on its way")
}

#[derive(Deserialize)]
struct Reset {
    #[serde(alias = "code")]
    token: String,
    #[serde(alias = "newPassword", alias = "password")]
    new_password: String,
}

async fn reset_password(
    State(state): State<Arc<AppState>>,
    Anyone(origin): Anyone,
    Body(form): Body<Reset>,
) -> Answer {
    accounts(&state)?.reset_password(&form.token, &form.new_password, &origin).await?;
    message("Password has been reset. Sign in with the new one")
}
