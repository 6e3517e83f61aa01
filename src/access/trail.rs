//! What was done to accounts, tokens and teams, by whom and from where. Objects have their own
//! audit, written by the store with each change; both are read as one.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection};
use uuid::Uuid;

/// One thing that was done. Never holds a secret: values are redacted before they get here.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// User name, or `anonymous` where nobody was signed in.
    pub actor: String,
    pub account: Option<Uuid>,
    pub address: Option<String>,
    pub request_id: String,
    /// `login`, `login-failed`, `logout`, `register`, `invite`, `remove-member`, ...
    pub verb: String,
    /// `account`, `session`, `token`, `team`, `member`, `invitation`, `keys`, `guest-session`.
    pub subject: String,
    /// What of that, such as a user name or a team.
    pub name: String,
    pub namespace: String,
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// The columns of an entry, in the order of [`Entry`]'s fields after its id and time.
pub const COLUMNS: &str = "id, at, actor, account, address, request_id, verb, subject, name, \
    namespace, before, after";

/// Writes an entry in the caller's transaction.
pub async fn record(
    connection: &mut PgConnection,
    id: Uuid,
    now: Timestamp,
    entry: &Entry,
) -> Result<(), sqlx::Error> {
    sqlx::query(AssertSqlSafe(format!(
        "INSERT INTO access_audit ({COLUMNS}) \
         VALUES ($1, $2::text::timestamptz, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
    )))
    .bind(id)
    .bind(now.to_string())
    .bind(&entry.actor)
    .bind(entry.account)
    .bind(&entry.address)
    .bind(&entry.request_id)
    .bind(&entry.verb)
    .bind(&entry.subject)
    .bind(&entry.name)
    .bind(&entry.namespace)
    .bind(&entry.before)
    .bind(&entry.after)
    .execute(connection)
    .await?;
    Ok(())
}
