//! One account, as it is stored and as it is shown.

use jiff::Timestamp;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Error, PgConnection, Row as _};
use uuid::Uuid;

use super::stamp;

/// A row of `accounts`.
#[derive(Clone, PartialEq)]
pub struct Account {
    pub id: Uuid,
    pub username: String,
    pub email: String,
    pub email_key: String,
    pub full_name: String,
    pub avatar_url: String,
    pub(super) password_hash: Option<String>,
    pub google_id: Option<String>,
    pub admin: bool,
    /// Name of a tier; none may spend nothing.
    pub tier: Option<String>,
    /// Their own namespace.
    pub namespace: String,
    pub verified_at: Option<Timestamp>,
    pub suspended_at: Option<Timestamp>,
    pub failed_logins: i32,
    pub failed_at: Option<Timestamp>,
    pub locked_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub last_login_at: Option<Timestamp>,
}

/// What the app shows of an account. The plan is the tier, and `none` where nothing may be spent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AccountView {
    pub id: Uuid,
    pub username: String,
    pub email: String,
    pub full_name: String,
    pub is_active: bool,
    pub is_verified: bool,
    /// May do everything in the installation. Has nothing to do with the plan.
    pub is_admin: bool,
    pub avatar_url: Option<String>,
    pub subscription_plan: String,
    pub namespace: String,
    pub created_at: Timestamp,
    pub last_login: Option<Timestamp>,
}

/// `subscription_plan` of an account without a tier.
pub const NO_TIER: &str = "none";

const COLUMNS: &str = "id, username, email, email_key, full_name, avatar_url, password_hash, \
    google_id, admin, tier, namespace, \
    (extract(epoch FROM verified_at) * 1000000)::bigint AS verified_at, \
    (extract(epoch FROM suspended_at) * 1000000)::bigint AS suspended_at, \
    failed_logins, \
    (extract(epoch FROM failed_at) * 1000000)::bigint AS failed_at, \
    (extract(epoch FROM locked_until) * 1000000)::bigint AS locked_until, \
    (extract(epoch FROM created_at) * 1000000)::bigint AS created_at, \
    (extract(epoch FROM last_login_at) * 1000000)::bigint AS last_login_at";

/// By what an account is found. Deleted ones are not.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    Id(Uuid),
    /// Folded, as [`super::names`] folds it.
    Username(&'a str),
    Email(&'a str),
    Google(&'a str),
}

impl Account {
    /// The account, if there is one that was not deleted.
    pub async fn find(connection: &mut PgConnection, by: By<'_>) -> Result<Option<Account>, Error> {
        Account::select(connection, by, "").await
    }

    /// The same, and nobody else changes it until the transaction ends.
    pub async fn lock(connection: &mut PgConnection, by: By<'_>) -> Result<Option<Account>, Error> {
        Account::select(connection, by, " FOR UPDATE").await
    }

    async fn select(
        connection: &mut PgConnection,
        by: By<'_>,
        lock: &str,
    ) -> Result<Option<Account>, Error> {
        let column = match by {
            By::Id(_) => "id",
            By::Username(_) => "username_key",
            By::Email(_) => "email_key",
            By::Google(_) => "google_id",
        };
        let sql = format!(
            "SELECT {COLUMNS} FROM accounts WHERE {column} = $1 AND deleted_at IS NULL{lock}"
        );
        let query = sqlx::query(AssertSqlSafe(sql));
        let query = match by {
            By::Id(id) => query.bind(id),
            By::Username(text) | By::Email(text) | By::Google(text) => query.bind(text.to_owned()),
        };
        let row = query.fetch_optional(connection).await?;
        row.as_ref().map(Account::read).transpose()
    }

    fn read(row: &PgRow) -> Result<Account, Error> {
        Ok(Account {
            id: row.try_get("id")?,
            username: row.try_get("username")?,
            email: row.try_get("email")?,
            email_key: row.try_get("email_key")?,
            full_name: row.try_get("full_name")?,
            avatar_url: row.try_get("avatar_url")?,
            password_hash: row.try_get("password_hash")?,
            google_id: row.try_get("google_id")?,
            admin: row.try_get("admin")?,
            tier: row.try_get("tier")?,
            namespace: row.try_get("namespace")?,
            verified_at: stamp::read_optional(row, "verified_at")?,
            suspended_at: stamp::read_optional(row, "suspended_at")?,
            failed_logins: row.try_get("failed_logins")?,
            failed_at: stamp::read_optional(row, "failed_at")?,
            locked_until: stamp::read_optional(row, "locked_until")?,
            created_at: stamp::read(row, "created_at")?,
            last_login_at: stamp::read_optional(row, "last_login_at")?,
        })
    }

    pub fn view(&self) -> AccountView {
        AccountView {
            id: self.id,
            username: self.username.clone(),
            email: self.email.clone(),
            full_name: self.full_name.clone(),
            is_active: self.suspended_at.is_none(),
            is_verified: self.verified_at.is_some(),
            is_admin: self.admin,
            avatar_url: Some(self.avatar_url.clone()).filter(|url| !url.is_empty()),
            subscription_plan: self.tier.clone().unwrap_or_else(|| NO_TIER.into()),
            namespace: self.namespace.clone(),
            created_at: self.created_at,
            last_login: self.last_login_at,
        }
    }
}

impl std::fmt::Debug for Account {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Account({} {:?})", self.id, self.username)
    }
}
