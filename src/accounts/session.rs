//! Sign-ins: how one begins, goes on by refreshing, and ends.
//!
//! # Refreshing
//! Each refresh token has a number, and each refresh leads to the next one. A token that comes
//! again after its successor arrived was copied: the session ends, and with it every token of it.
//!
//! A reply can get lost on its way to a phone in a tunnel, which then only has the old token. So the
//! old one stays good until its successor is known to have arrived, which is when that successor,
//! or the access token that came with it, is first used; and it leads to the *same* successor each
//! time ([`super::refresh_token`]), so that two refreshes at once are no theft either. There is no
//! time limit on that, and none is needed: who copied the old token gets the same successor as its
//! owner, whose next refresh ends the session for both; as soon as the owner has used what they
//! got, a copy of the old one ends it at once.
//!
//! A token numbered higher than the database knows was made before the database came back from a
//! dump. It is genuine, so it is taken.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::account::{Account, By};
use super::{AccountError, Accounts, Origin, access_token, refresh_token, stamp};
use crate::access::{Credential, trail};

/// Sessions of one account at most; the one that was not used for longest makes room.
pub const SESSIONS: i64 = 100;
/// How exactly the last use of a session or a token is kept.
pub const SEEN_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What a sign-in leads to.
#[derive(Clone, Serialize)]
pub struct SessionTokens {
    pub access_token: String,
    pub refresh_token: String,
    /// Always `bearer`.
    pub token_type: &'static str,
    /// Seconds the access token is good for.
    pub expires_in: i64,
}

/// A session that was begun, maybe in a transaction which is not committed yet.
#[derive(Clone, Copy)]
pub struct Begun {
    pub id: Uuid,
    pub(super) salt: [u8; refresh_token::SALT_BYTES],
}

/// A session as its owner sees it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SessionView {
    pub id: Uuid,
    pub method: String,
    pub client: String,
    pub address: Option<String>,
    pub created_at: Timestamp,
    pub last_seen_at: Timestamp,
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

impl Accounts {
    /// The tokens of a session that has just begun.
    pub fn first_tokens(&self, account: &Account, begun: &Begun) -> SessionTokens {
        self.tokens(account, begun.id, 1, &begun.salt)
    }

    fn tokens(&self, account: &Account, id: Uuid, generation: i64, salt: &[u8]) -> SessionTokens {
        let keys = &self.settings.keys;
        let life = self.settings.access_life;
        let whose = (account.id, account.username.as_str(), account.email.as_str());
        let claims = access_token::claims(whose, (id, generation), life, &*self.clock);
        SessionTokens {
            access_token: access_token::sign(keys, &claims),
            refresh_token: refresh_token::make(keys, id, generation, salt),
            token_type: "bearer",
            expires_in: life.as_secs(),
        }
    }

    /// New tokens for a refresh token.
    pub async fn refresh(
        &self,
        token: &str,
        origin: &Origin,
    ) -> Result<SessionTokens, AccountError> {
        let invalid = || AccountError::Unauthorized("the refresh token is not valid".into());
        let presented = refresh_token::read(token).ok_or_else(invalid)?;
        let now = self.clock.now();
        let mut transaction = self.pool.begin().await?;
        let row = sqlx::query(
            "SELECT account, salt, generation, confirmed FROM sessions WHERE id = $1 \
             AND ended_at IS NULL AND expires_at > $2::text::timestamptz FOR UPDATE",
        )
        .bind(presented.session)
        .bind(now.to_string())
        .fetch_optional(&mut *transaction)
        .await?;
        let row = row.ok_or_else(invalid)?;
        let salt: Vec<u8> = row.try_get("salt")?;
        if !presented.is_genuine(&self.settings.keys, &salt) {
            return Err(invalid());
        }
        let account = Account::find(&mut transaction, By::Id(row.try_get("account")?)).await?;
        let account = account.filter(|account| account.suspended_at.is_none());
        let account = account.ok_or_else(invalid)?;
        let (last, confirmed) = (row.try_get("generation")?, row.try_get("confirmed")?);
        let next = match successor(presented.generation, last, confirmed) {
            Some(next) => next,
            None => {
                let mut entry = origin.entry("refresh-reused", "session", &account.username);
                entry.account = Some(account.id);
                let ending = End { reason: "reuse", only: Some(presented.session), except: None };
                self.end_sessions(&mut transaction, account.id, &ending).await?;
                trail::record(&mut transaction, self.ids.uid(), now, &entry).await?;
                transaction.commit().await?;
                self.known.forget(Credential::Session(presented.session));
                metrics::counter!("devpocket_refresh_reused_total").increment(1);
                return Err(invalid());
            }
        };
        sqlx::query(
            "UPDATE sessions SET generation = $2, confirmed = greatest(confirmed, $3), \
             seen_at = $4::text::timestamptz, expires_at = $5::text::timestamptz WHERE id = $1",
        )
        .bind(presented.session)
        .bind(next)
        .bind(presented.generation)
        .bind(now.to_string())
        .bind(self.refresh_end(now).to_string())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(self.tokens(&account, presented.session, next, &salt))
    }

    pub(super) fn refresh_end(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.settings.refresh_life).unwrap_or(Timestamp::MAX)
    }

    /// Notes that the tokens of this number arrived: the ones before are done with.
    pub(super) async fn confirm(&self, session: Uuid, generation: i64) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE sessions SET confirmed = $2 WHERE id = $1 AND confirmed < $2")
            .bind(session)
            .bind(generation)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Ends sessions in the caller's transaction. After the commit [`Accounts::forget`] makes it
    /// count at once in this process.
    pub(super) async fn end_sessions(
        &self,
        connection: &mut PgConnection,
        account: Uuid,
        end: &End<'_>,
    ) -> Result<u64, sqlx::Error> {
        let ended = sqlx::query(
            "UPDATE sessions SET ended_at = $2::text::timestamptz, end_reason = $3 \
             WHERE account = $1 AND ended_at IS NULL AND ($4::uuid IS NULL OR id = $4) \
             AND ($5::uuid IS NULL OR id <> $5)",
        )
        .bind(account)
        .bind(self.clock.now().to_string())
        .bind(end.reason)
        .bind(end.only)
        .bind(end.except)
        .execute(connection)
        .await?;
        Ok(ended.rows_affected())
    }

    /// Ends one session of an account: a sign-out, or a phone that was lost.
    pub async fn end_session(
        &self,
        account: Uuid,
        session: Uuid,
        verb: &'static str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let mut transaction = self.pool.begin().await?;
        let reason = if verb == "logout" { "logout" } else { "ended" };
        let end = End { reason, only: Some(session), except: None };
        if self.end_sessions(&mut transaction, account, &end).await? == 0 {
            return Err(AccountError::NotFound(format!("there is no session {session}")));
        }
        let entry = origin.entry(verb, "session", &session.to_string());
        trail::record(&mut transaction, self.ids.uid(), self.clock.now(), &entry).await?;
        transaction.commit().await?;
        self.known.forget(Credential::Session(session));
        Ok(())
    }

    /// The sessions of an account that can still be used, the one used last first.
    pub async fn sessions(
        &self,
        account: Uuid,
        current: Option<Uuid>,
    ) -> Result<Vec<SessionView>, AccountError> {
        let rows = sqlx::query(
            "SELECT id, method, client, address, \
             (extract(epoch FROM created_at) * 1000000)::bigint AS created_at, \
             (extract(epoch FROM seen_at) * 1000000)::bigint AS seen_at, \
             (extract(epoch FROM expires_at) * 1000000)::bigint AS expires_at FROM sessions \
             WHERE account = $1 AND ended_at IS NULL AND expires_at > $2::text::timestamptz \
             ORDER BY sessions.seen_at DESC, id LIMIT $3",
        )
        .bind(account)
        .bind(self.clock.now().to_string())
        .bind(SESSIONS)
        .fetch_all(&self.pool)
        .await?;
        let view = |row: &sqlx::postgres::PgRow| {
            let id: Uuid = row.try_get("id")?;
            Ok(SessionView {
                id,
                method: row.try_get("method")?,
                client: row.try_get("client")?,
                address: row.try_get("address")?,
                created_at: stamp::read(row, "created_at")?,
                last_seen_at: stamp::read(row, "seen_at")?,
                expires_at: stamp::read(row, "expires_at")?,
                current: current == Some(id),
            })
        };
        rows.iter().map(view).collect()
    }
}

/// Which sessions end, and why.
pub(super) struct End<'a> {
    pub reason: &'a str,
    pub only: Option<Uuid>,
    pub except: Option<Uuid>,
}

/// Number of the token that the one presented leads to; none if it was copied.
fn successor(presented: i64, last: i64, confirmed: i64) -> Option<i64> {
    if presented >= last {
        return Some(presented.saturating_add(1));
    }
    (presented == last - 1 && confirmed < last).then_some(last)
}

#[cfg(test)]
mod tests {
    use super::successor;

    #[test]
    fn a_lost_reply_can_be_asked_for_again_and_a_copy_is_found() {
        assert_eq!(successor(1, 1, 0), Some(2), "the first refresh");
        assert_eq!(successor(1, 2, 1), Some(2), "its reply got lost: the same again");
        assert_eq!(successor(1, 2, 2), None, "the reply arrived, so this is a copy");
        assert_eq!(successor(1, 3, 2), None, "older still");
        assert_eq!(successor(5, 3, 3), Some(6), "from before a dump came back");
    }
}
