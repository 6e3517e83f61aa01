//! Signing in with a password.
//!
//! # Guarantees
//! - Whether an account exists, has no password, is locked or is suspended does not show: the text
//!   is one, the work is one hash and the same statements in every case.
//! - Neither does the time: a failure is answered at a whole multiple of
//!   [`failure_step`](super::AccountSettings::failure_step) after it began. A hash of an older cost or
//!   of bcrypt takes longer than one of today's, and nothing can make it shorter; waiting costs no
//!   work, so that whoever guesses cannot use it up either.
//! - [`FAILURES`] wrong passwords within [`LOCKED`] lock the password of an account for [`LOCKED`].
//!   It is decided after the hash, in the statement that lets in ([`super::entrance`]) or under the
//!   row's lock: of a thousand guesses sent at once the first five count as guesses, and the others
//!   are refused even if right.
//! - A locked account answers 401 with the text for a wrong password, not 403: another text would
//!   tell that it exists. Sessions, API tokens and sign-in with Google are not affected, so that
//!   whoever locks somebody out by guessing does not end their work.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sqlx::PgConnection;
use tokio::time::Instant;
use uuid::Uuid;

use super::account::{Account, By};
use super::entrance::{Entrance, Proof};
use super::names::{self, Login};
use super::session::SessionTokens;
use super::{AccountError, Accounts, Origin};
use crate::access::trail;

/// Wrong passwords that lock an account.
pub const FAILURES: i32 = 5;
/// For how long; also how far apart failures may lie to count together.
pub const LOCKED: SignedDuration = SignedDuration::from_mins(15);
/// Longest password that is compared: none is accepted when set that is near it.
const PASSWORD_BYTES: usize = 1_024;

/// Somebody who has signed in.
pub struct LoggedIn {
    pub account: Account,
    pub tokens: SessionTokens,
}

impl Accounts {
    /// Signs somebody in by user name or address.
    pub async fn login(
        &self,
        name: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<LoggedIn, AccountError> {
        let begun = Instant::now();
        let outcome = self.try_login(name, password, origin).await;
        if matches!(outcome, Err(AccountError::Incorrect)) {
            let rest = rest_of_step(begun.elapsed(), self.settings.failure_step);
            tokio::time::sleep(rest).await;
        }
        outcome
    }

    async fn try_login(
        &self,
        name: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<LoggedIn, AccountError> {
        let found = self.find_login(name).await?;
        let hash = found.as_ref().and_then(|account| account.password_hash.clone());
        // Nobody has a password as long as that, and whoever sends one is made to wait all the same.
        let fits = password.len() <= PASSWORD_BYTES;
        let password = if fits { password } else { "" };
        let verdict = self.hasher.compare(password.to_owned(), hash.clone()).await?;
        let matches = verdict.matches && fits;
        let renewed = match matches && verdict.outdated {
            true => Some(self.hasher.hash(password.to_owned()).await?),
            false => None,
        };
        let entrance = Entrance {
            account: found.as_ref().map_or(Uuid::nil(), |account| account.id),
            username: found.as_ref().map_or("", |account| &account.username),
            method: "password",
            // The password may have been changed while it was compared.
            proof: Proof::Password {
                matches,
                compared: hash.as_deref(),
                renewed: renewed.as_deref(),
            },
        };
        // Asked whoever it is and whatever they sent, so that all who are refused waited for the same.
        let begun = self.enter(&self.pool, &entrance, origin).await?;
        let (Some(account), Some(begun)) = (&found, begun) else {
            self.refuse(found.as_ref(), origin).await?;
            return Err(AccountError::Incorrect);
        };
        self.ensure_namespace(account).await;
        let tokens = self.first_tokens(account, &begun);
        let account = Account { last_login_at: Some(self.clock.now()), ..account.clone() };
        Ok(LoggedIn { account, tokens })
    }

    /// Counts a failure and writes it down. The same statements where there is no such account.
    async fn refuse(&self, found: Option<&Account>, origin: &Origin) -> Result<(), AccountError> {
        let id = found.map_or(Uuid::nil(), |account| account.id);
        let mut transaction = self.pool.begin().await?;
        let now = self.clock.now();
        let account = Account::lock(&mut transaction, By::Id(id)).await?;
        let locked = account.is_some_and(|account| is_locked(&account, now));
        let locks = fail(&mut transaction, id, locked, now).await?;
        let verb = if locks { "login-locked" } else { "login-failed" };
        let mut entry = origin.entry(verb, "account", &tried(found));
        entry.account = found.map(|account| account.id);
        trail::record(&mut transaction, self.ids.uid(), now, &entry).await?;
        transaction.commit().await?;
        metrics::counter!("devpocket_sign_ins_total", "outcome" => "refused").increment(1);
        Ok(())
    }

    async fn find_login(&self, name: &str) -> Result<Option<Account>, AccountError> {
        let mut connection = self.pool.acquire().await?;
        Ok(match names::login(name) {
            Login::Email(key) => Account::find(&mut connection, By::Email(&key)).await?,
            Login::Username(name) => {
                let key = names::username_key(&name);
                let found = Account::find(&mut connection, By::Username(&key)).await?;
                // A name that only looks like theirs is not theirs.
                found.filter(|account| account.username.eq_ignore_ascii_case(&name))
            }
        })
    }
}

/// What is left until the next whole multiple of a step.
fn rest_of_step(gone: Duration, step: Duration) -> Duration {
    let steps = gone.as_nanos().div_ceil(step.as_nanos().max(1)).max(1);
    let until = step.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX));
    until.saturating_sub(gone)
}

pub(super) fn is_locked(account: &Account, now: Timestamp) -> bool {
    account.locked_until.is_some_and(|until| until > now)
}

/// Counts a failure; whether it locks. The same statement where there is no such account.
pub(super) async fn fail(
    connection: &mut PgConnection,
    id: Uuid,
    locked: bool,
    now: Timestamp,
) -> Result<bool, sqlx::Error> {
    let earliest = now.saturating_sub(LOCKED).unwrap_or(Timestamp::MIN);
    let until = now.saturating_add(LOCKED).unwrap_or(Timestamp::MAX);
    // A guess at a locked door does not keep it locked for longer.
    let row: Option<(i32,)> = sqlx::query_as(
        "UPDATE accounts SET failed_at = $2::text::timestamptz, \
         failed_logins = CASE WHEN locked_until IS NOT NULL OR failed_at IS NULL \
           OR failed_at < $3::text::timestamptz THEN 1 ELSE failed_logins + 1 END, \
         locked_until = CASE WHEN locked_until IS NULL AND failed_at >= $3::text::timestamptz \
           AND failed_logins + 1 >= $5 THEN $4::text::timestamptz END \
         WHERE id = $1 AND NOT $6 RETURNING failed_logins",
    )
    .bind(id)
    .bind(now.to_string())
    .bind(earliest.to_string())
    .bind(until.to_string())
    .bind(FAILURES)
    .bind(locked)
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some_and(|(failures,)| failures >= FAILURES))
}

/// Whom the trail names. What was typed is kept only where it is an account: people type passwords
/// into the wrong field.
fn tried(found: Option<&Account>) -> String {
    found.map_or_else(|| "unknown".to_owned(), |account| account.username.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_end_at_whole_steps_whatever_they_took() {
        let at = |gone: u64| {
            let gone = Duration::from_millis(gone);
            (gone + rest_of_step(gone, Duration::from_millis(500))).as_millis()
        };
        assert_eq!([0, 1, 40, 320, 499, 500].map(at), [500; 6], "also what took no time");
        assert_eq!([501, 900, 1_000].map(at), [1_000; 3]);
        assert_eq!(rest_of_step(Duration::from_millis(40), Duration::ZERO), Duration::ZERO);
        let late = Duration::from_secs(u64::from(u32::MAX) * 3);
        let _ = rest_of_step(late, Duration::from_nanos(1));
    }
}
