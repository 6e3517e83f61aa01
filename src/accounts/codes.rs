//! Codes sent by mail, or handed over by an administrator: good once, for a while, for one purpose.
//!
//! Whoever asks for one hears the same whether or not the address has an account, and the work is
//! done after they have been answered, so that the time does not tell either.

use jiff::{SignedDuration, Timestamp};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::account::{Account, By};
use super::opaque::{self, CODE_PREFIX, Digest};
use super::session::End;
use super::{AccountError, Accounts, Origin, names};
use crate::access::trail;
use crate::mail::Letter;
use crate::pages::Page;

/// How long the link in a letter that verifies an address is good.
pub const VERIFY_HOURS: u32 = 24;
/// How long a link that sets a new password is good.
pub const RESET_MINUTES: u32 = 60;
/// Time between two letters of one purpose to one account.
pub const LETTER_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Letters of one purpose to one account a day.
pub const LETTERS_A_DAY: i64 = 10;
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What a code is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    VerifyEmail,
    ResetPassword,
}

impl Purpose {
    pub fn word(self) -> &'static str {
        match self {
            Purpose::VerifyEmail => "verify-email",
            Purpose::ResetPassword => "reset-password",
        }
    }

    fn page(self) -> Page {
        match self {
            Purpose::VerifyEmail => Page::Verify,
            Purpose::ResetPassword => Page::Reset,
        }
    }

    fn life(self) -> SignedDuration {
        match self {
            Purpose::VerifyEmail => SignedDuration::from_hours(VERIFY_HOURS.into()),
            Purpose::ResetPassword => SignedDuration::from_mins(RESET_MINUTES.into()),
        }
    }
}

impl Accounts {
    /// Makes a code in the caller's transaction; the link that carries it.
    pub async fn make_link(
        &self,
        connection: &mut PgConnection,
        account: &Account,
        purpose: Purpose,
    ) -> Result<String, AccountError> {
        let code = opaque::make(CODE_PREFIX)?;
        let now = self.clock.now();
        sqlx::query(
            "INSERT INTO one_time_codes (digest, account, purpose, email_key, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5::text::timestamptz, $6::text::timestamptz)",
        )
        .bind(Digest::of(&code).0.as_slice())
        .bind(account.id)
        .bind(purpose.word())
        .bind(&account.email_key)
        .bind(now.to_string())
        .bind(now.saturating_add(purpose.life()).unwrap_or(Timestamp::MAX).to_string())
        .execute(connection)
        .await?;
        Ok(purpose.page().link(&self.settings.public_url, &code))
    }

    /// Posts a letter with a fresh code; nothing where there were too many already.
    pub(super) async fn send_code(
        &self,
        connection: &mut PgConnection,
        account: &Account,
        purpose: Purpose,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        let ago = |span| now.saturating_sub(span).unwrap_or(Timestamp::MIN).to_string();
        let (lately, today): (i64, i64) = sqlx::query_as(
            "SELECT count(*) FILTER (WHERE created_at > $3::text::timestamptz), count(*) \
             FROM one_time_codes WHERE account = $1 AND purpose = $2 \
             AND created_at > $4::text::timestamptz",
        )
        .bind(account.id)
        .bind(purpose.word())
        .bind(ago(LETTER_EVERY))
        .bind(ago(DAY))
        .fetch_one(&mut *connection)
        .await?;
        if lately > 0 || today >= LETTERS_A_DAY {
            return Ok(());
        }
        let link = self.make_link(connection, account, purpose).await?;
        let name = account.username.clone();
        let letter = match purpose {
            Purpose::VerifyEmail => Letter::VerifyEmail { name, link, hours: VERIFY_HOURS },
            Purpose::ResetPassword => Letter::ResetPassword { name, link, minutes: RESET_MINUTES },
        };
        self.post(connection, &account.email, &letter).await
    }

    /// What was asked for by address is sent if there is somebody to send it to.
    pub async fn ask_for_code(
        &self,
        email: &str,
        purpose: Purpose,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let mut transaction = self.pool.begin().await?;
        let Ok(email) = names::email(email) else { return Ok(()) };
        let key = names::email_key(&email);
        let Some(account) = Account::lock(&mut transaction, By::Email(&key)).await? else {
            return Ok(());
        };
        let needed = match purpose {
            Purpose::VerifyEmail => account.verified_at.is_none(),
            Purpose::ResetPassword => true,
        };
        if !needed || account.suspended_at.is_some() || !self.settings.mail {
            return Ok(());
        }
        self.send_code(&mut transaction, &account, purpose).await?;
        let verb = format!("ask-{}", purpose.word());
        let mut entry = origin.entry(&verb, "account", &account.username);
        entry.account = Some(account.id);
        trail::record(&mut transaction, self.ids.uid(), self.clock.now(), &entry).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Uses a code up, in the caller's transaction; whose it was.
    async fn take_code(
        &self,
        connection: &mut PgConnection,
        code: &str,
        purpose: Purpose,
    ) -> Result<Account, AccountError> {
        let bad = || {
            let message = "The link has been used already, or is too old. Ask for another one";
            AccountError::Bad(message.into())
        };
        let digest = opaque::read(CODE_PREFIX, code.trim()).ok_or_else(bad)?;
        let row = sqlx::query(
            "UPDATE one_time_codes SET used_at = $3::text::timestamptz WHERE digest = $1 \
             AND purpose = $2 AND used_at IS NULL AND expires_at > $3::text::timestamptz \
             RETURNING account, email_key",
        )
        .bind(digest.0.as_slice())
        .bind(purpose.word())
        .bind(self.clock.now().to_string())
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(bad)?;
        let (id, email_key): (Uuid, String) = (row.try_get("account")?, row.try_get("email_key")?);
        let account = Account::lock(connection, By::Id(id)).await?;
        let fits =
            |account: &Account| account.email_key == email_key && account.suspended_at.is_none();
        account.filter(fits).ok_or_else(bad)
    }

    /// Takes the code of a letter as proof that its reader has the address.
    pub async fn verify_email(&self, code: &str, origin: &Origin) -> Result<(), AccountError> {
        let mut transaction = self.pool.begin().await?;
        let account = self.take_code(&mut transaction, code, Purpose::VerifyEmail).await?;
        self.mark_verified(&mut transaction, &account, "verify-email", origin).await?;
        transaction.commit().await?;
        self.forget(account.id);
        Ok(())
    }

    pub(super) async fn mark_verified(
        &self,
        connection: &mut PgConnection,
        account: &Account,
        verb: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        sqlx::query(
            "UPDATE accounts SET verified_at = coalesce(verified_at, $2::text::timestamptz) \
             WHERE id = $1",
        )
        .bind(account.id)
        .bind(now.to_string())
        .execute(&mut *connection)
        .await?;
        let mut entry = origin.entry(verb, "account", &account.username);
        if entry.account.is_none() {
            (entry.account, entry.actor) = (Some(account.id), account.username.clone());
        }
        trail::record(connection, self.ids.uid(), now, &entry).await?;
        Ok(())
    }

    /// Sets a password by the code of a letter. It ends every session and the lock; who reads the
    /// letters of an address is its owner, so it verifies it too.
    pub async fn reset_password(
        &self,
        code: &str,
        password: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let faults = names::check_password("password", password);
        if !faults.is_empty() {
            return Err(AccountError::Invalid(faults));
        }
        let hash = self.hasher.hash(password.to_owned()).await?;
        let mut transaction = self.pool.begin().await?;
        let account = self.take_code(&mut transaction, code, Purpose::ResetPassword).await?;
        let origin =
            Origin { actor: account.username.clone(), account: Some(account.id), ..origin.clone() };
        self.set_password(&mut transaction, &account, &hash, "reset-password", &origin).await?;
        // An administrator's link proves nothing about the address.
        if self.settings.mail && account.verified_at.is_none() {
            self.mark_verified(&mut transaction, &account, "verify-email", &origin).await?;
        }
        transaction.commit().await?;
        self.forget(account.id);
        Ok(())
    }

    /// Writes a password, lifts the lock, ends all sessions and uses up what else could set one.
    pub(super) async fn set_password(
        &self,
        connection: &mut PgConnection,
        account: &Account,
        hash: &str,
        verb: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        sqlx::query(
            "UPDATE accounts SET password_hash = $2, password_changed_at = $3::text::timestamptz, \
             failed_logins = 0, failed_at = NULL, locked_until = NULL WHERE id = $1",
        )
        .bind(account.id)
        .bind(hash)
        .bind(now.to_string())
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "UPDATE one_time_codes SET used_at = $2::text::timestamptz \
             WHERE account = $1 AND purpose = 'reset-password' AND used_at IS NULL",
        )
        .bind(account.id)
        .bind(now.to_string())
        .execute(&mut *connection)
        .await?;
        let end = End { reason: "password", only: None, except: None };
        self.end_sessions(connection, account.id, &end).await?;
        let letter = Letter::PasswordChanged { name: account.username.clone() };
        self.post(connection, &account.email, &letter).await?;
        let entry = origin.entry(verb, "account", &account.username);
        trail::record(connection, self.ids.uid(), now, &entry).await?;
        Ok(())
    }
}
