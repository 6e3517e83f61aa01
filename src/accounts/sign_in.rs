//! From a bearer token to a user.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use jiff::Timestamp;
use sqlx::postgres::PgRow;
use sqlx::{Error, Row as _};
use uuid::Uuid;

use super::known::Known;
use super::opaque::Digest;
use super::session::SEEN_EVERY;
use super::{Accounts, access_token, opaque, stamp};
use crate::access::{ADMINS, AUTHENTICATED, AuthError, Authenticator, Credential, Scope};
use crate::access::{Role, Tokens, User};

/// Tokens of the configuration first, then those of accounts.
pub struct SignedIn {
    configured: Tokens,
    accounts: Arc<Accounts>,
}

impl SignedIn {
    pub fn new(configured: Tokens, accounts: Arc<Accounts>) -> SignedIn {
        SignedIn { configured, accounts }
    }
}

#[async_trait]
impl Authenticator for SignedIn {
    async fn authenticate(&self, bearer: &str) -> Result<User, AuthError> {
        if let Some(user) = self.configured.find(bearer) {
            return Ok(user.clone());
        }
        match opaque::read_api_token(bearer) {
            Some((id, digest)) => self.accounts.by_api_token(id, Some(digest)).await,
            None => self.accounts.by_access_token(bearer).await,
        }
    }

    async fn renew(&self, user: &User) -> Result<User, AuthError> {
        match user.credential {
            Credential::Configured => Ok(user.clone()),
            Credential::Session(id) => self.accounts.by_session(id, 0).await,
            Credential::ApiToken(id) => self.accounts.by_api_token(id, None).await,
        }
    }

    async fn redeem(&self, ticket: &str) -> Result<User, AuthError> {
        let Some(digest) = opaque::read(opaque::TICKET_PREFIX, ticket) else {
            return Err(AuthError::Invalid("the ticket is not valid".into()));
        };
        match self.accounts.take_ticket(digest).await? {
            super::tickets::Holder::Session(id) => self.accounts.by_session(id, 0).await,
            super::tickets::Holder::ApiToken(id) => self.accounts.by_api_token(id, None).await,
            super::tickets::Holder::Configured(name) => {
                self.configured.named(&name).cloned().ok_or_else(AuthError::invalid)
            }
        }
    }
}

/// Everything a decision is made from, of one account. `$2` is now.
const ACCOUNT: &str = "a.id AS account, a.username, a.admin, a.tier, \
    a.verified_at IS NOT NULL AS verified, \
    ARRAY(SELECT m.role || ' ' || m.namespace FROM members m WHERE m.account = a.id) AS roles";

impl Accounts {
    async fn by_access_token(&self, token: &str) -> Result<User, AuthError> {
        let claims = access_token::verify(&self.settings.keys, token, self.clock.now());
        let claims = claims.map_err(|fault| AuthError::Invalid(fault.to_string()))?;
        let user = self.by_session(claims.sid, claims.generation).await?;
        if user.account == Some(claims.sub) { Ok(user) } else { Err(AuthError::invalid()) }
    }

    async fn by_session(&self, id: Uuid, generation: i64) -> Result<User, AuthError> {
        let credential = Credential::Session(id);
        let read = || self.read_session(id);
        let known = self.known.get(credential, &*self.clock, read).await.map_err(unavailable)?;
        let known = known.ok_or_else(AuthError::invalid)?;
        if generation > known.confirmed.load(Ordering::Relaxed) {
            // What came with it is good in any case: not knowing that it arrived only lets the one
            // before be used once more.
            match self.confirm(id, generation).await {
                Ok(()) => drop(known.confirmed.fetch_max(generation, Ordering::Relaxed)),
                Err(error) => tracing::warn!("that a refresh arrived is not noted: {error}"),
            }
        }
        Ok(known.user.clone())
    }

    async fn by_api_token(&self, id: Uuid, digest: Option<Digest>) -> Result<User, AuthError> {
        let credential = Credential::ApiToken(id);
        let read = || self.read_api_token(id);
        let known = self.known.get(credential, &*self.clock, read).await.map_err(unavailable)?;
        let known = known.ok_or_else(AuthError::invalid)?;
        match (digest, &known.digest) {
            (Some(presented), Some(kept)) if !presented.is(kept) => Err(AuthError::invalid()),
            _ => Ok(known.user.clone()),
        }
    }

    async fn read_session(&self, id: Uuid) -> Result<Option<Known>, Error> {
        let now = self.clock.now();
        let sql = format!(
            "SELECT {ACCOUNT}, s.confirmed, \
             (extract(epoch FROM s.seen_at) * 1000000)::bigint AS seen \
             FROM sessions s JOIN accounts a ON a.id = s.account WHERE s.id = $1 \
             AND s.ended_at IS NULL AND s.expires_at > $2::text::timestamptz \
             AND a.suspended_at IS NULL AND a.deleted_at IS NULL"
        );
        let Some(row) = self.read_one(sql, id, now).await? else { return Ok(None) };
        if is_due(stamp::read_optional(&row, "seen")?, now) {
            self.saw("UPDATE sessions SET seen_at = $2::text::timestamptz WHERE id = $1", id, now)
                .await;
        }
        let confirmed = AtomicI64::new(row.try_get("confirmed")?);
        let user = self.user(&row, Credential::Session(id))?;
        Ok(Some(Known { user, digest: None, confirmed }))
    }

    async fn read_api_token(&self, id: Uuid) -> Result<Option<Known>, Error> {
        let now = self.clock.now();
        let sql = format!(
            "SELECT {ACCOUNT}, t.digest, t.verbs, t.kinds, t.namespace AS scoped, \
             (extract(epoch FROM t.last_used_at) * 1000000)::bigint AS seen \
             FROM api_tokens t JOIN accounts a ON a.id = t.account WHERE t.id = $1 \
             AND t.revoked_at IS NULL \
             AND (t.expires_at IS NULL OR t.expires_at > $2::text::timestamptz) \
             AND a.suspended_at IS NULL AND a.deleted_at IS NULL"
        );
        let Some(row) = self.read_one(sql, id, now).await? else { return Ok(None) };
        if is_due(stamp::read_optional(&row, "seen")?, now) {
            let sql = "UPDATE api_tokens SET last_used_at = $2::text::timestamptz WHERE id = $1";
            self.saw(sql, id, now).await;
        }
        let scope = Scope {
            verbs: row.try_get("verbs")?,
            kinds: row.try_get("kinds")?,
            namespace: row.try_get("scoped")?,
        };
        let mut user = self.user(&row, Credential::ApiToken(id))?;
        user.scope = (scope != Scope::default()).then(|| Arc::new(scope));
        let digest = Some(row.try_get("digest")?);
        Ok(Some(Known { user, digest, confirmed: AtomicI64::new(i64::MAX) }))
    }

    async fn read_one(
        &self,
        sql: String,
        id: Uuid,
        now: Timestamp,
    ) -> Result<Option<PgRow>, Error> {
        let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).bind(now.to_string());
        query.fetch_optional(&self.pool).await
    }

    /// When something was last used is worth knowing, and not worth refusing a request for.
    async fn saw(&self, sql: &'static str, id: Uuid, now: Timestamp) {
        let noted = sqlx::query(sql).bind(id).bind(now.to_string()).execute(&self.pool).await;
        if let Err(error) = noted {
            tracing::warn!("that a credential was used is not noted: {error}");
        }
    }

    fn user(&self, row: &PgRow, credential: Credential) -> Result<User, Error> {
        let roles: Vec<String> = row.try_get("roles")?;
        let roles = roles.iter().filter_map(|line| {
            let (role, namespace) = line.split_once(' ')?;
            Some((namespace.to_owned(), role.parse::<Role>().ok()?))
        });
        let mut groups = vec![AUTHENTICATED.to_owned()];
        if row.try_get("admin")? {
            groups.push(ADMINS.to_owned());
        }
        Ok(User {
            name: row.try_get("username")?,
            groups,
            account: Some(row.try_get("account")?),
            credential,
            roles: Arc::new(roles.collect()),
            scope: None,
            // Where no letter can be sent nothing has to be verified.
            verified: !self.settings.mail || row.try_get("verified")?,
            tier: row.try_get("tier")?,
        })
    }
}

fn is_due(seen: Option<Timestamp>, now: Timestamp) -> bool {
    seen.is_none_or(|seen| now.duration_since(seen) >= SEEN_EVERY)
}

fn unavailable(error: Error) -> AuthError {
    AuthError::Unavailable(error.to_string())
}
