//! API tokens: `dpk_…`, for programs. Shown once, kept as a digest.
//!
//! A token is worth at most what its owner is at that moment: it narrows, and never adds.

use devpocket_specs::kind::Kind;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use uuid::Uuid;

use super::account::{Account, By};
use super::{AccountError, Accounts, Origin, opaque, stamp};
use crate::access::{Credential, trail};

/// Tokens of one account that can be used at the same time.
pub const TOKENS: i64 = 100;
/// Characters of a token's name.
pub const NAME_CHARS: usize = 60;
/// Longest life that can be asked for, in days. One without an end is possible, and said to be.
pub const DAYS: i64 = 3_650;
/// What a token may be narrowed to.
pub const VERBS: [&str; 12] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "approve",
    "exec",
    "reveal",
    "*",
];

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewApiToken {
    pub name: String,
    /// Empty, or `*` among them: every verb.
    #[serde(default)]
    pub verbs: Vec<String>,
    /// Plurals, such as `environments`. Empty, or `*` among them: every kind.
    #[serde(default)]
    pub kinds: Vec<String>,
    #[serde(default)]
    pub namespace: Option<String>,
    /// Absent: it does not expire.
    #[serde(default)]
    pub expires_in_days: Option<i64>,
}

/// A token as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ApiTokenView {
    pub id: Uuid,
    pub name: String,
    pub verbs: Vec<String>,
    pub kinds: Vec<String>,
    pub namespace: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_used_at: Option<Timestamp>,
}

/// A new one: the only time the token itself is shown.
#[derive(Clone, Serialize)]
pub struct MadeApiToken {
    pub token: String,
    #[serde(flatten)]
    pub view: ApiTokenView,
}

impl NewApiToken {
    fn check(&self) -> Result<(), AccountError> {
        let invalid = |field: &str, code: &str, message: String| {
            Err(AccountError::field(field, code, message))
        };
        let name = self.name.trim();
        if name.is_empty() {
            return invalid("name", "required", "says what the token is for".into());
        }
        if name.chars().count() > NAME_CHARS || name.chars().any(char::is_control) {
            let message =
                format!("may have at most {NAME_CHARS} characters, none of them a control");
            return invalid("name", "max_length", message);
        }
        if let Some(verb) = self.verbs.iter().find(|verb| !VERBS.contains(&verb.as_str())) {
            let message = format!("has {verb:?}; there are {}", VERBS.join(", "));
            return invalid("verbs", "invalid_choice", message);
        }
        let known = |word: &str| word == "*" || Kind::all().any(|kind| kind.info().plural == word);
        if let Some(kind) = self.kinds.iter().find(|kind| !known(kind)) {
            let plurals: Vec<&str> = Kind::all().map(|kind| kind.info().plural).collect();
            let message = format!("has {kind:?}; there are {}", plurals.join(", "));
            return invalid("kinds", "invalid_choice", message);
        }
        if self.namespace.as_ref().is_some_and(|name| name.chars().any(char::is_control)) {
            return invalid("namespace", "invalid_format", "is no name of a namespace".into());
        }
        match self.expires_in_days {
            Some(days) if !(1..=DAYS).contains(&days) => {
                invalid("expires_in_days", "invalid_range", format!("is from 1 to {DAYS}"))
            }
            _ => Ok(()),
        }
    }
}

/// Every one is the same as none named.
fn narrowed(words: &[String]) -> Vec<String> {
    if words.iter().any(|word| word == "*") { Vec::new() } else { words.to_vec() }
}

impl Accounts {
    /// Makes a token.
    pub async fn make_api_token(
        &self,
        account: Uuid,
        new: &NewApiToken,
        origin: &Origin,
    ) -> Result<MadeApiToken, AccountError> {
        new.check()?;
        let now = self.clock.now();
        let id = self.ids.uid();
        let token = opaque::make_api_token(id)?;
        let view = ApiTokenView {
            id,
            name: new.name.trim().to_owned(),
            verbs: narrowed(&new.verbs),
            kinds: narrowed(&new.kinds),
            namespace: new.namespace.clone().filter(|name| !name.is_empty()),
            created_at: now,
            expires_at: new.expires_in_days.map(|days| {
                let life = SignedDuration::from_hours(24 * days);
                now.saturating_add(life).unwrap_or(Timestamp::MAX)
            }),
            last_used_at: None,
        };
        let mut transaction = self.pool.begin().await?;
        // Counted under the account's lock, so that two at once do not both fit.
        Account::lock(&mut transaction, By::Id(account)).await?;
        let (count,): (i64,) = sqlx::query_as(
            "SELECT count(*) FROM api_tokens WHERE account = $1 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $2::text::timestamptz)",
        )
        .bind(account)
        .bind(now.to_string())
        .fetch_one(&mut *transaction)
        .await?;
        if count >= TOKENS {
            let message = format!("there are {TOKENS} tokens already; revoke one first");
            return Err(AccountError::Conflict(message));
        }
        sqlx::query(
            "INSERT INTO api_tokens (id, account, name, digest, verbs, kinds, namespace, \
             created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, \
             $8::text::timestamptz, $9::text::timestamptz)",
        )
        .bind(id)
        .bind(account)
        .bind(&view.name)
        .bind(opaque::Digest::of(&token).0.as_slice())
        .bind(&view.verbs)
        .bind(&view.kinds)
        .bind(&view.namespace)
        .bind(now.to_string())
        .bind(view.expires_at.map(|at| at.to_string()))
        .execute(&mut *transaction)
        .await?;
        let mut entry = origin.entry("create", "token", &view.name);
        entry.after = serde_json::to_value(&view).ok();
        trail::record(&mut transaction, self.ids.uid(), now, &entry).await?;
        transaction.commit().await?;
        Ok(MadeApiToken { token, view })
    }

    /// Tokens that can be used, the newest first.
    pub async fn api_tokens(&self, account: Uuid) -> Result<Vec<ApiTokenView>, AccountError> {
        let rows = sqlx::query(
            "SELECT id, name, verbs, kinds, namespace, \
             (extract(epoch FROM created_at) * 1000000)::bigint AS created, \
             (extract(epoch FROM expires_at) * 1000000)::bigint AS expires, \
             (extract(epoch FROM last_used_at) * 1000000)::bigint AS used FROM api_tokens \
             WHERE account = $1 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $2::text::timestamptz) \
             ORDER BY created_at DESC, id LIMIT $3",
        )
        .bind(account)
        .bind(self.clock.now().to_string())
        .bind(TOKENS)
        .fetch_all(&self.pool)
        .await?;
        let view = |row: &sqlx::postgres::PgRow| {
            Ok(ApiTokenView {
                id: row.try_get("id")?,
                name: row.try_get("name")?,
                verbs: row.try_get("verbs")?,
                kinds: row.try_get("kinds")?,
                namespace: row.try_get("namespace")?,
                created_at: stamp::read(row, "created")?,
                expires_at: stamp::read_optional(row, "expires")?,
                last_used_at: stamp::read_optional(row, "used")?,
            })
        };
        rows.iter().map(view).collect()
    }

    /// Ends a token.
    pub async fn revoke_api_token(
        &self,
        account: Uuid,
        id: Uuid,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let mut transaction = self.pool.begin().await?;
        let row: Option<(String,)> = sqlx::query_as(
            "UPDATE api_tokens SET revoked_at = $3::text::timestamptz \
             WHERE id = $1 AND account = $2 AND revoked_at IS NULL RETURNING name",
        )
        .bind(id)
        .bind(account)
        .bind(self.clock.now().to_string())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some((name,)) = row else {
            return Err(AccountError::NotFound(format!("there is no token {id}")));
        };
        let entry = origin.entry("revoke", "token", &name);
        trail::record(&mut transaction, self.ids.uid(), self.clock.now(), &entry).await?;
        transaction.commit().await?;
        self.forget_credential(Credential::ApiToken(id));
        Ok(())
    }
}
