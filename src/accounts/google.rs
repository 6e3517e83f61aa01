//! Signing in with Google: an ID token is believed because its issuer signed it, and nothing else
//! of it is before that.
//!
//! # Guarantees
//! - RS256 only, with a key of the issuer's own list, found by its `kid`; what a token says about
//!   where keys are is not looked at.
//! - Issuer, audience, expiry, and the nonce where the app gave one, all have to fit.
//! - The list of keys is fetched when it is older than [`KEYS_FRESH`], and for an unknown `kid` at
//!   most every [`KEYS_EVERY`], so that made-up tokens send nobody to the issuer.
//! - An account is linked by address only if the issuer verified that address. One whose address
//!   nobody had verified loses its password, sessions and tokens then: whoever registered it may
//!   not have been its owner.

use std::time::Duration;

use devpocket_controllers::clock::Clock;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::Mutex;

use super::access_token::LEEWAY;
use super::account::{Account, By};
use super::login::LoggedIn;
use super::register::Draft;
use super::session::End;
use super::settings::GoogleSettings;
use super::{AccountError, Accounts, Origin, Registration, Taken, names};
use crate::access::trail;

/// How long a fetched list of keys is used without asking.
pub const KEYS_FRESH: Duration = Duration::from_secs(3_600);
/// How long it is used while the issuer does not answer.
const KEYS_KEPT: Duration = Duration::from_secs(24 * 3_600);
/// Shortest time between two fetches.
pub const KEYS_EVERY: Duration = Duration::from_secs(60);
const FETCH_TIME: Duration = Duration::from_secs(5);
/// Bytes of a list of keys, and of a token.
const KEYS_BYTES: usize = 64 * 1024;
const TOKEN_BYTES: usize = 8 * 1024;
/// User names tried for somebody new.
const NAMES_TRIED: u32 = 50;

/// The issuer's keys.
pub(super) struct Google {
    settings: GoogleSettings,
    http: reqwest::Client,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    set: JwkSet,
    fetched: Option<Duration>,
    asked: Option<Duration>,
}

/// What an ID token says of somebody.
#[derive(Clone, Debug, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default)]
    iat: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    azp: Option<String>,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    email: String,
    /// A boolean, and in older tokens the word.
    #[serde(default)]
    email_verified: Value,
    #[serde(default)]
    name: String,
    #[serde(default)]
    picture: String,
}

impl Google {
    pub fn new(settings: GoogleSettings) -> Result<Google, AccountError> {
        crate::crypto::install_provider();
        let http = reqwest::Client::builder()
            .timeout(FETCH_TIME)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| AccountError::Failed(error.to_string()))?;
        Ok(Google { settings, http, keys: Mutex::default() })
    }

    async fn verify(
        &self,
        token: &str,
        nonce: Option<&str>,
        clock: &dyn Clock,
    ) -> Result<Claims, AccountError> {
        let invalid = || AccountError::Unauthorized("The Google token is not valid".into());
        if token.len() > TOKEN_BYTES {
            return Err(invalid());
        }
        let header = decode_header(token).map_err(|_| invalid())?;
        let kid = header.kid.filter(|_| header.alg == Algorithm::RS256).ok_or_else(invalid)?;
        let jwk = self.key(&kid, clock).await?.ok_or_else(invalid)?;
        let key = DecodingKey::from_jwk(&jwk).map_err(|_| invalid())?;
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_issuer(&self.settings.issuers);
        validation.set_audience(&self.settings.client_ids);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // By our clock, below.
        validation.validate_exp = false;
        let claims = decode::<Claims>(token, &key, &validation).map_err(|_| invalid())?.claims;
        let (now, leeway) = (clock.now().as_second(), LEEWAY.as_secs());
        let begins = claims.iat.max(claims.nbf.unwrap_or(i64::MIN));
        let in_time =
            claims.exp.saturating_add(leeway) > now && begins <= now.saturating_add(leeway);
        let for_us = claims.azp.as_ref().is_none_or(|azp| self.settings.client_ids.contains(azp));
        let asked = nonce.is_none_or(|nonce| claims.nonce.as_deref() == Some(nonce));
        let named = !claims.sub.is_empty();
        if in_time && for_us && asked && named { Ok(claims) } else { Err(invalid()) }
    }

    /// The issuer's key of this name.
    async fn key(&self, kid: &str, clock: &dyn Clock) -> Result<Option<Jwk>, AccountError> {
        let mut keys = self.keys.lock().await;
        let now = clock.monotonic();
        let age = |moment: Option<Duration>| moment.map(|moment| now.saturating_sub(moment));
        let fresh = age(keys.fetched).is_some_and(|age| age <= KEYS_FRESH);
        let found = usable(&keys.set, kid);
        if fresh && found.is_some() {
            return Ok(found);
        }
        if age(keys.asked).is_none_or(|age| age >= KEYS_EVERY) {
            keys.asked = Some(now);
            match self.fetch().await {
                Ok(set) => (keys.set, keys.fetched) = (set, Some(now)),
                Err(error) => tracing::warn!("the keys of Google sign-in: {error}"),
            }
        }
        match age(keys.fetched) {
            Some(age) if age <= KEYS_KEPT => Ok(usable(&keys.set, kid)),
            _ => Err(AccountError::Unavailable(
                "Google's keys cannot be fetched now; sign in with a password, or try again".into(),
            )),
        }
    }

    async fn fetch(&self) -> Result<JwkSet, String> {
        let reply = self.http.get(&self.settings.jwks_url).send().await;
        let mut reply = reply
            .and_then(reqwest::Response::error_for_status)
            .map_err(|error| error.without_url().to_string())?;
        let mut bytes = Vec::new();
        while let Some(chunk) = reply.chunk().await.map_err(|e| e.without_url().to_string())? {
            if bytes.len() + chunk.len() > KEYS_BYTES {
                return Err("the list of keys has no end".into());
            }
            bytes.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&bytes).map_err(|error| format!("the list of keys: {error}"))
    }
}

/// A key for RS256 signatures of this name.
fn usable(set: &JwkSet, kid: &str) -> Option<Jwk> {
    let key = set.find(kid)?;
    let common = &key.common;
    let rs256 = common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::RS256);
    let signs =
        common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
    let rsa = matches!(key.algorithm, AlgorithmParameters::RSA(_));
    (rs256 && signs && rsa).then(|| key.clone())
}

impl Claims {
    /// The address, if the issuer vouches for it.
    fn verified_email(&self) -> Option<String> {
        let verified = self.email_verified == Value::Bool(true) || self.email_verified == "true";
        names::email(&self.email).ok().filter(|_| verified)
    }
}

impl Accounts {
    /// Signs in whoever an ID token is about; makes an account where registration is open.
    pub async fn google_login(
        &self,
        token: &str,
        nonce: Option<&str>,
        origin: &Origin,
    ) -> Result<LoggedIn, AccountError> {
        let Some(google) = &self.google else {
            let message = "Sign-in with Google is not configured here (GOOGLE_CLIENT_ID)";
            return Err(AccountError::Unavailable(message.into()));
        };
        let claims = google.verify(token, nonce, &*self.clock).await?;
        let mut transaction = self.pool.begin().await?;
        let known = Account::lock(&mut transaction, By::Google(&claims.sub)).await?;
        let account = match known {
            Some(account) => account,
            None => {
                let email = claims.verified_email().ok_or_else(|| {
                    let message = "Google has not verified the address of this account";
                    AccountError::Forbidden(message.into())
                })?;
                let key = names::email_key(&email);
                match Account::lock(&mut transaction, By::Email(&key)).await? {
                    Some(account) => {
                        self.link(&mut transaction, account, &claims.sub, origin).await?
                    }
                    None => self.create_by_google(&mut transaction, &claims, email, origin).await?,
                }
            }
        };
        if account.suspended_at.is_some() {
            return Err(AccountError::Incorrect);
        }
        let who = (account.id, account.username.as_str());
        let begun = self.enter_seen(&mut *transaction, who, "google", origin).await?;
        transaction.commit().await?;
        self.forget(account.id);
        self.ensure_namespace(&account).await;
        let tokens = self.first_tokens(&account, &begun);
        Ok(LoggedIn { account, tokens })
    }

    /// Ties an account to who Google says has its address.
    async fn link(
        &self,
        connection: &mut sqlx::PgConnection,
        account: Account,
        subject: &str,
        origin: &Origin,
    ) -> Result<Account, AccountError> {
        if account.google_id.is_some() {
            let message = "This address belongs to an account of another Google identity";
            return Err(AccountError::Forbidden(message.into()));
        }
        let now = self.clock.now();
        let mut entry = origin.entry("link-google", "account", &account.username);
        (entry.actor, entry.account) = (account.username.clone(), Some(account.id));
        if account.verified_at.is_none() {
            let end = End { reason: "google", only: None, except: None };
            self.end_sessions(connection, account.id, &end).await?;
            for sql in [
                "UPDATE accounts SET password_hash = NULL WHERE id = $1",
                "DELETE FROM api_tokens WHERE account = $1",
                "DELETE FROM one_time_codes WHERE account = $1",
            ] {
                sqlx::query(sql).bind(account.id).execute(&mut *connection).await?;
            }
            entry.after = Some(serde_json::json!({"password": "removed: never verified"}));
        }
        sqlx::query(
            "UPDATE accounts SET google_id = $2, \
             verified_at = coalesce(verified_at, $3::text::timestamptz) WHERE id = $1",
        )
        .bind(account.id)
        .bind(subject)
        .bind(now.to_string())
        .execute(&mut *connection)
        .await?;
        trail::record(&mut *connection, self.ids.uid(), now, &entry).await?;
        let linked = Account::find(connection, By::Id(account.id)).await?;
        Ok(linked.unwrap_or(account))
    }

    async fn create_by_google(
        &self,
        connection: &mut sqlx::PgConnection,
        claims: &Claims,
        email: String,
        origin: &Origin,
    ) -> Result<Account, AccountError> {
        if self.settings.registration != Registration::Open {
            let message = "There is no account with this address, and registration is not open";
            return Err(AccountError::Forbidden(message.into()));
        }
        let fits = |text: &str, check: fn(&str) -> Option<names::Fault>| match check(text) {
            None => text.to_owned(),
            Some(_) => String::new(),
        };
        let mut draft = Draft {
            username: String::new(),
            full_name: fits(&claims.name, names::check_full_name),
            avatar_url: fits(&claims.picture, names::check_avatar_url),
            email,
            password_hash: None,
            google_id: Some(claims.sub.clone()),
            tier: self.settings.default_tier.clone(),
            admin: false,
            verified: true,
            verb: "register",
        };
        for number in 0..NAMES_TRIED {
            draft.username = names::username_from(&draft.email, number);
            if names::check_username(&draft.username).is_some() {
                continue;
            }
            match self.create(connection, &draft, origin).await? {
                Ok(account) => return Ok(account),
                Err(Taken::Username) => {}
                Err(Taken::Email) => break,
            }
        }
        Err(AccountError::Conflict("No free user name was found; register with one".into()))
    }
}
