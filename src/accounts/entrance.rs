//! Coming in: the one statement with which a session begins.
//!
//! One, because a sign-in is a hash and as little as possible beside it: a transaction of five
//! statements waits for the network five times, and holds the account's row all the while.

use sqlx::{AssertSqlSafe, PgExecutor};
use uuid::Uuid;

use super::session::{Begun, SESSIONS};
use super::{AccountError, Accounts, Origin, refresh_token};
use crate::access::trail;

/// Somebody who comes in.
pub(super) struct Entrance<'a> {
    pub account: Uuid,
    pub username: &'a str,
    /// `password`, `google`, `device`.
    pub method: &'static str,
    pub proof: Proof<'a>,
}

/// What makes it certain that it is them.
pub(super) enum Proof<'a> {
    /// It was looked at already, under the account's lock.
    Seen,
    /// A password that was compared with this hash, without any lock.
    Password {
        matches: bool,
        compared: Option<&'a str>,
        /// The hash to keep instead.
        renewed: Option<&'a str>,
    },
}

impl Accounts {
    /// Begins a session and writes down that they came. None, and nothing is changed, if a password
    /// did not match, is another one by now, or belongs to an account that is locked or suspended.
    pub(super) async fn enter(
        &self,
        executor: impl PgExecutor<'_>,
        entrance: &Entrance<'_>,
        origin: &Origin,
    ) -> Result<Option<Begun>, AccountError> {
        let now = self.clock.now();
        let mut salt = [0; refresh_token::SALT_BYTES];
        getrandom::fill(&mut salt)?;
        let begun = Begun { id: self.ids.uid(), salt };
        let mut entry = origin.entry("login", "session", &begun.id.to_string());
        entry.actor = entrance.username.into();
        let (ask, matches, compared, renewed) = match entrance.proof {
            Proof::Seen => (false, true, None, None),
            Proof::Password { matches, compared, renewed } => (true, matches, compared, renewed),
        };
        let sql = format!(
            "WITH come AS (UPDATE accounts SET failed_logins = 0, failed_at = NULL, \
               locked_until = NULL, last_login_at = $2::text::timestamptz, \
               password_hash = coalesce($6, password_hash) \
               WHERE id = $1 AND deleted_at IS NULL AND $4 AND (NOT $3 OR (password_hash = $5 \
               AND suspended_at IS NULL \
               AND (locked_until IS NULL OR locked_until <= $2::text::timestamptz))) \
               RETURNING id), \
             room AS (UPDATE sessions SET ended_at = $2::text::timestamptz, end_reason = 'many' \
               WHERE id IN (SELECT s.id FROM sessions s JOIN come ON come.id = s.account \
               WHERE s.ended_at IS NULL ORDER BY s.seen_at DESC OFFSET $7)), \
             session AS (INSERT INTO sessions (id, account, salt, method, client, address, \
               created_at, seen_at, expires_at) \
               SELECT $8, id, $9, $10, $11, $12, $2::text::timestamptz, $2::text::timestamptz, \
               $13::text::timestamptz FROM come) \
             INSERT INTO access_audit ({}) SELECT $14, $2::text::timestamptz, $15, id, $12, $16, \
               $17, $18, $19, '', NULL, jsonb_build_object('method', $10) FROM come",
            trail::COLUMNS
        );
        let entered = sqlx::query(AssertSqlSafe(sql))
            .bind(entrance.account)
            .bind(now.to_string())
            .bind(ask)
            .bind(matches)
            .bind(compared)
            .bind(renewed)
            .bind(SESSIONS - 1)
            .bind(begun.id)
            .bind(salt.as_slice())
            .bind(entrance.method)
            .bind(&origin.client)
            .bind(&origin.address)
            .bind(self.refresh_end(now).to_string())
            .bind(self.ids.uid())
            .bind(&entry.actor)
            .bind(&entry.request_id)
            .bind(&entry.verb)
            .bind(&entry.subject)
            .bind(&entry.name)
            .execute(executor)
            .await?;
        if entered.rows_affected() == 0 {
            return Ok(None);
        }
        metrics::counter!("devpocket_sign_ins_total", "outcome" => "accepted").increment(1);
        Ok(Some(begun))
    }

    /// Lets somebody in who was looked at under the account's lock.
    pub(super) async fn enter_seen(
        &self,
        executor: impl PgExecutor<'_>,
        (account, username): (Uuid, &str),
        method: &'static str,
        origin: &Origin,
    ) -> Result<Begun, AccountError> {
        let entrance = Entrance { account, username, method, proof: Proof::Seen };
        let gone = || AccountError::NotFound(format!("there is no account {username:?} any more"));
        self.enter(executor, &entrance, origin).await?.ok_or_else(gone)
    }
}
