//! Signing a device in from another one: RFC 8628, for a terminal, or a phone.
//!
//! The device shows a short code; a person who is signed in elsewhere types it there and sees what
//! asks before they allow it. Times are counted by the database, so that replicas agree.

use serde::Serialize;
use sqlx::Row as _;
use uuid::Uuid;

use super::account::{Account, By};
use super::login::LoggedIn;
use super::opaque::{self, DEVICE_PREFIX, Digest};
use super::{AccountError, Accounts, Origin};
use crate::access::trail;
use crate::pages::Page;

/// Seconds a code is good for.
pub const LIFE_SECONDS: i32 = 900;
/// Seconds between two questions of a device.
pub const INTERVAL_SECONDS: i32 = 5;
/// Seconds below which a question is too early: the way is not always equally long.
const EARLY_SECONDS: i32 = 4;
/// Letters of the short code: consonants, so that no word comes of it, without those that are
/// mistaken for digits.
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_CHARS: usize = 8;
/// Codes that wait for an answer at most.
const WAITING: i64 = 10_000;

/// What a device is told when it begins.
#[derive(Clone, Serialize)]
pub struct DeviceCode {
    pub device_code: String,
    pub user_code: String,
    pub verification_uri: String,
    pub verification_uri_complete: String,
    pub expires_in: i32,
    pub interval: i32,
}

/// What asks, for whoever decides.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DeviceView {
    pub user_code: String,
    pub client: String,
    pub address: Option<String>,
}

/// What a device hears that asks before it is signed in; the words are the RFC's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    AuthorizationPending,
    SlowDown,
    AccessDenied,
    ExpiredToken,
}

impl Pending {
    pub fn word(self) -> &'static str {
        match self {
            Pending::AuthorizationPending => "authorization_pending",
            Pending::SlowDown => "slow_down",
            Pending::AccessDenied => "access_denied",
            Pending::ExpiredToken => "expired_token",
        }
    }

    pub fn sentence(self) -> &'static str {
        match self {
            Pending::AuthorizationPending => "Nobody has answered yet",
            Pending::SlowDown => "Asked too soon after the last time",
            Pending::AccessDenied => "It was refused",
            Pending::ExpiredToken => "The code is too old, or has been used",
        }
    }
}

/// A short code as it is kept, from what somebody typed.
pub fn read_user_code(text: &str) -> Option<String> {
    let kept = text.chars().filter(|c| !matches!(c, '-' | ' '));
    // One more than there may be, so that a longer text is not cut into a good one.
    let code: String = kept.take(USER_CODE_CHARS + 1).map(|c| c.to_ascii_uppercase()).collect();
    let fits = code.len() == USER_CODE_CHARS && code.bytes().all(|b| ALPHABET.contains(&b));
    fits.then_some(code)
}

fn new_user_code() -> Result<String, getrandom::Error> {
    let mut code = String::new();
    while code.len() < USER_CODE_CHARS {
        let mut byte = [0];
        getrandom::fill(&mut byte)?;
        // Above a multiple of 20 some letters would be likelier than others.
        if byte[0] < 240 {
            code.push(char::from(ALPHABET[usize::from(byte[0] % 20)]));
        }
    }
    Ok(code)
}

fn shown(code: &str) -> String {
    let (first, second) = code.split_at(USER_CODE_CHARS / 2);
    format!("{first}-{second}")
}

impl Accounts {
    /// Begins: the code a person types, and the one the device asks with.
    pub async fn begin_device(&self, origin: &Origin) -> Result<DeviceCode, AccountError> {
        let device_code = opaque::make(DEVICE_PREFIX)?;
        let code = new_user_code()?;
        let (waiting,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM device_codes WHERE expires_at > now()")
                .fetch_one(&self.pool)
                .await?;
        if waiting >= WAITING {
            let message = "too many devices wait to be signed in; try again in a few minutes";
            return Err(AccountError::Later { message: message.into(), seconds: 60 });
        }
        sqlx::query(
            "INSERT INTO device_codes (digest, user_code, client, address, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, now(), now() + $5::int * interval '1 second')",
        )
        .bind(Digest::of(&device_code).0.as_slice())
        .bind(&code)
        .bind(&origin.client)
        .bind(&origin.address)
        .bind(LIFE_SECONDS)
        .execute(&self.pool)
        .await?;
        let public_url = &self.settings.public_url;
        let verification_uri = format!("{public_url}{}", Page::Device.path());
        let user_code = shown(&code);
        Ok(DeviceCode {
            device_code,
            verification_uri_complete: Page::Device.link(public_url, &user_code),
            user_code,
            verification_uri,
            expires_in: LIFE_SECONDS,
            interval: INTERVAL_SECONDS,
        })
    }

    /// What asks with this code.
    pub async fn device(&self, user_code: &str) -> Result<DeviceView, AccountError> {
        let unknown = || AccountError::NotFound("No device waits with this code".into());
        let code = read_user_code(user_code).ok_or_else(unknown)?;
        let row = sqlx::query(
            "SELECT client, address FROM device_codes WHERE user_code = $1 \
             AND answered_at IS NULL AND expires_at > now()",
        )
        .bind(&code)
        .fetch_optional(&self.pool)
        .await?
        .ok_or_else(unknown)?;
        Ok(DeviceView {
            user_code: shown(&code),
            client: row.try_get("client")?,
            address: row.try_get("address")?,
        })
    }

    /// Allows or refuses, as somebody who is signed in. Answered once.
    pub async fn answer_device(
        &self,
        user_code: &str,
        account: Uuid,
        allow: bool,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let unknown = || AccountError::NotFound("No device waits with this code".into());
        let code = read_user_code(user_code).ok_or_else(unknown)?;
        let mut transaction = self.pool.begin().await?;
        let answered = sqlx::query(
            "UPDATE device_codes SET account = $2, allowed = $3, answered_at = now() \
             WHERE user_code = $1 AND answered_at IS NULL AND expires_at > now()",
        )
        .bind(&code)
        .bind(account)
        .bind(allow)
        .execute(&mut *transaction)
        .await?;
        if answered.rows_affected() == 0 {
            return Err(unknown());
        }
        let verb = if allow { "allow-device" } else { "refuse-device" };
        let entry = origin.entry(verb, "session", &shown(&code));
        trail::record(&mut transaction, self.ids.uid(), self.clock.now(), &entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// What a device gets that asks whether it was allowed.
    pub async fn device_tokens(
        &self,
        device_code: &str,
        origin: &Origin,
    ) -> Result<Result<LoggedIn, Pending>, AccountError> {
        let Some(digest) = opaque::read(DEVICE_PREFIX, device_code) else {
            return Ok(Err(Pending::ExpiredToken));
        };
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query(
            "SELECT account, allowed, used_at IS NOT NULL AS used, expires_at <= now() AS expired, \
             coalesce(polled_at > now() - $2::int * interval '1 second', false) AS early \
             FROM device_codes WHERE digest = $1 FOR UPDATE",
        )
        .bind(digest.0.as_slice())
        .bind(EARLY_SECONDS)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(Err(Pending::ExpiredToken)) };
        let is = |column: &str| row.try_get::<bool, _>(column);
        if is("used")? || is("expired")? {
            return Ok(Err(Pending::ExpiredToken));
        }
        sqlx::query(
            "UPDATE device_codes SET polled_at = now(), \
             used_at = CASE WHEN allowed IS NOT NULL THEN now() END WHERE digest = $1",
        )
        .bind(digest.0.as_slice())
        .execute(&mut *transaction)
        .await?;
        let allowed: Option<bool> = row.try_get("allowed")?;
        let pending = match allowed {
            Some(true) => None,
            Some(false) => Some(Pending::AccessDenied),
            None if is("early")? => Some(Pending::SlowDown),
            None => Some(Pending::AuthorizationPending),
        };
        if let Some(pending) = pending {
            transaction.commit().await?;
            return Ok(Err(pending));
        }
        let id: Uuid = row.try_get("account")?;
        let account = Account::lock(&mut transaction, By::Id(id)).await?;
        let Some(account) = account.filter(|account| account.suspended_at.is_none()) else {
            transaction.commit().await?;
            return Ok(Err(Pending::AccessDenied));
        };
        let who = (account.id, account.username.as_str());
        let begun = self.enter_seen(&mut *transaction, who, "device", origin).await?;
        transaction.commit().await?;
        let tokens = self.first_tokens(&account, &begun);
        Ok(Ok(LoggedIn { account, tokens }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_code_is_read_as_people_type_it() {
        for text in ["BCDF-GHJK", "bcdfghjk", " bcdf ghjk "] {
            assert_eq!(read_user_code(text).as_deref(), Some("BCDFGHJK"), "{text}");
        }
        for wrong in ["", "BCDF", "BCDF-GHJKL", "AEIO-UYAE", "BCDF-GHJ1", "ВCDF-GHJK"] {
            assert_eq!(read_user_code(wrong), None, "{wrong}");
        }
        let made = new_user_code().unwrap();
        assert_eq!(read_user_code(&shown(&made)), Some(made));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fall_over(text in "\\PC*") {
            if let Some(code) = read_user_code(&text) {
                prop_assert_eq!(read_user_code(&shown(&code)), Some(code.clone()));
            }
        }
    }
}
