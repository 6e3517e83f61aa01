//! The token endpoint: Keycloak's password and refresh grants, and tokens shaped like its own.
//!
//! Tokens are signed with a digest under a key that is no secret: the simulator protects nothing,
//! it only has to notice tokens that are expired, revoked, foreign or of the wrong kind. They hold
//! over a restart.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use devpocket_controllers::sim::contabo::Settings;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::credentials::{API_PASSWORD, API_USER, CLIENT_ID, CLIENT_SECRET};
use super::query::decoded;

const SIGNING_KEY: &str = "devpocket-simulator";

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Access,
    Refresh,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Access => "Bearer",
            Kind::Refresh => "Refresh",
        }
    }
}

/// Keycloak's way to say no.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GrantError {
    pub status: u16,
    code: &'static str,
    description: &'static str,
}

impl GrantError {
    pub fn body(&self) -> Value {
        json!({ "error": self.code, "error_description": self.description })
    }
}

const fn refused(status: u16, code: &'static str, description: &'static str) -> GrantError {
    GrantError { status, code, description }
}

/// Answers a form sent to the token endpoint. `authorization` is the header, if there is one.
pub(super) fn grant(
    form: &str,
    authorization: Option<&str>,
    settings: &Settings,
    now: Timestamp,
) -> Result<Value, GrantError> {
    let field = |name: &str| {
        let pairs = form.split('&').filter_map(|pair| pair.split_once('='));
        pairs.map(|(own, value)| (decoded(own), decoded(value))).find(|(own, _)| own == name)
    };
    let field = |name: &str| field(name).map(|(_, value)| value);
    let client = authorization
        .and_then(basic)
        .or_else(|| field("client_id").zip(field("client_secret").or(Some(String::new()))));
    if client != Some((CLIENT_ID.to_owned(), CLIENT_SECRET.to_owned())) {
        return Err(refused(
            401,
            "unauthorized_client",
            "Invalid client or Invalid client credentials",
        ));
    }
    match field("grant_type").as_deref() {
        None => return Err(refused(400, "invalid_request", "Missing form parameter: grant_type")),
        Some("password") => {
            let known = field("username").as_deref() == Some(API_USER)
                && field("password").as_deref() == Some(API_PASSWORD);
            if !known {
                return Err(refused(401, "invalid_grant", "Invalid user credentials"));
            }
        }
        Some("refresh_token") => {
            let token = field("refresh_token").unwrap_or_default();
            if !valid(&token, Kind::Refresh, settings, now) {
                return Err(refused(400, "invalid_grant", "Token is not active"));
            }
        }
        Some(_) => return Err(refused(400, "unsupported_grant_type", "Unsupported grant_type")),
    }
    let session = Uuid::new_v4();
    Ok(json!({
        "access_token": issue(Kind::Access, session, settings, now),
        "expires_in": settings.token_seconds,
        "refresh_expires_in": settings.refresh_seconds,
        "refresh_token": issue(Kind::Refresh, session, settings, now),
        "token_type": "Bearer",
        "not-before-policy": 0,
        "session_state": session,
        "scope": "email profile",
    }))
}

/// User and password of a Basic header; OAuth form-encodes both before base64.
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((decoded(user), decoded(password)))
}

fn issue(kind: Kind, session: Uuid, settings: &Settings, now: Timestamp) -> String {
    let seconds = match kind {
        Kind::Access => settings.token_seconds,
        Kind::Refresh => settings.refresh_seconds,
    };
    let account = &settings.account;
    let header = json!({ "alg": "RS256", "typ": "JWT", "kid": "devpocket-simulator" });
    let claims = json!({
        "exp": now.as_second() + i64::from(seconds),
        "iat": now.as_second(),
        "jti": Uuid::new_v4(),
        "iss": "https://auth.contabo.com/auth/realms/contabo",
        "aud": "account",
        "sub": account.user_id,
        "typ": kind.as_str(),
        "azp": CLIENT_ID,
        "session_state": session,
        "scope": "email profile",
        "preferred_username": account.username,
        "email": account.username,
        "tenantId": account.tenant_id,
        "customerId": account.customer_id,
        "epoch": settings.token_epoch,
    });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let signature = signature(&signed);
    format!("{signed}.{signature}")
}

fn signature(signed: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{SIGNING_KEY}.{signed}")))
}

/// Whether a token is ours, of this kind, not expired and not revoked.
pub(super) fn valid(token: &str, kind: Kind, settings: &Settings, now: Timestamp) -> bool {
    let Some((signed, sent)) = token.rsplit_once('.') else { return false };
    let claims = signed
        .split_once('.')
        .and_then(|(_, claims)| URL_SAFE_NO_PAD.decode(claims).ok())
        .and_then(|claims| serde_json::from_slice::<Value>(&claims).ok());
    let Some(claims) = claims else { return false };
    sent == signature(signed)
        && claims["typ"] == kind.as_str()
        && claims["epoch"] == settings.token_epoch
        && claims["exp"].as_i64().is_some_and(|expiry| now.as_second() < expiry)
}
