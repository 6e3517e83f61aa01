//! Access tokens: JSON Web Tokens that name a session and are good for half an hour.
//!
//! # Guarantees
//! - The header is compared byte for byte with the one header that is ever made here. So the
//!   algorithm is HS256 whatever a token says about itself, and `kid`, `jku`, `jwk`, `x5c`, `crit`
//!   and their like have no way in.
//! - A token is never enough by itself: the session it names is looked up on each request
//!   ([`super::known`]), so that a sign-out counts at once.
//!
//! # Clocks
//! Replicas may disagree by two minutes. `iat` and `nbf` may lie [`LEEWAY`] ahead, and `exp` the
//! same behind; a token is thus good for up to its life and [`LEEWAY`].

use std::sync::LazyLock;

use devpocket_controllers::clock::Clock;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::SigningKeys;

/// What clocks may differ by: two minutes, and a margin for the way.
pub const LEEWAY: SignedDuration = SignedDuration::from_secs(150);
/// Bytes of the longest token that is looked at; ours have about 500.
const TOKEN_BYTES: usize = 2_048;
/// The one kind of token that signs a request in.
const TYPE: &str = "access_token";

/// What an access token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Id of the account.
    pub sub: Uuid,
    pub username: String,
    pub email: String,
    /// Seconds since 1970.
    pub exp: i64,
    pub iat: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// Always `access_token`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Id of the session.
    pub sid: Uuid,
    /// Number of the refresh token it came with.
    #[serde(rename = "gen")]
    pub generation: i64,
}

/// Why a token is not accepted. Told apart for its owner, who can do something about one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
}

/// Whether a bearer token can be meant as an access token at all.
pub fn looks_like_one(token: &str) -> bool {
    token.len() <= TOKEN_BYTES && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Signs a token for a session.
pub fn sign(keys: &SigningKeys, claims: &Claims) -> String {
    let key = keys.access().next().expect("there is a key");
    encode(&Header::new(Algorithm::HS256), claims, &EncodingKey::from_secret(key))
        .expect("texts and numbers are JSON, and HMAC takes any key")
}

/// Claims for a token made now.
pub fn claims(
    account: (Uuid, &str, &str),
    session: (Uuid, i64),
    life: SignedDuration,
    clock: &dyn Clock,
) -> Claims {
    let now = clock.now();
    let (sub, username, email) = account;
    let (sid, generation) = session;
    Claims {
        sub,
        username: username.to_owned(),
        email: email.to_owned(),
        exp: now.saturating_add(life).unwrap_or(Timestamp::MAX).as_second(),
        iat: now.as_second(),
        nbf: None,
        kind: TYPE.into(),
        sid,
        generation,
    }
}

/// The claims of a token that one of the keys signed and whose time it is.
pub fn verify(keys: &SigningKeys, token: &str, now: Timestamp) -> Result<Claims, TokenFault> {
    if !looks_like_one(token) || token.split('.').next() != Some(header()) {
        return Err(TokenFault::Invalid);
    }
    let mut validation = Validation::new(Algorithm::HS256);
    // The times are checked below, by our clock: the library reads the machine's.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let found = keys
        .access()
        .find_map(|key| decode::<Claims>(token, &DecodingKey::from_secret(key), &validation).ok());
    let claims = found.ok_or(TokenFault::Invalid)?.claims;
    if claims.kind != TYPE {
        return Err(TokenFault::Invalid);
    }
    let (now, leeway) = (now.as_second(), LEEWAY.as_secs());
    let begins = claims.iat.max(claims.nbf.unwrap_or(i64::MIN));
    if begins > now.saturating_add(leeway) {
        return Err(TokenFault::Invalid);
    }
    if claims.exp.saturating_add(leeway) <= now {
        return Err(TokenFault::Expired);
    }
    Ok(claims)
}

/// The first part of every token made here.
fn header() -> &'static str {
    static HEADER: LazyLock<String> = LazyLock::new(|| {
        let key = EncodingKey::from_secret(b"any");
        let token = encode(&Header::new(Algorithm::HS256), &(), &key);
        let token = token.expect("nothing is JSON, and HMAC takes any key");
        token.split('.').next().unwrap_or_default().to_owned()
    });
    &HEADER
}

#[cfg(test)]
mod tests;
