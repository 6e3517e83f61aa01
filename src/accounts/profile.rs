//! What people do with their own account.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use devpocket_specs::environment::Environment;

use super::account::{Account, AccountView, By};
use super::session::SessionTokens;
use super::{AccountError, Accounts, Origin, names};
use crate::access::trail;

/// What may be changed; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ProfileChange {
    pub full_name: Option<String>,
    pub username: Option<String>,
    /// Empty takes the picture away.
    pub avatar_url: Option<String>,
}

/// Numbers about somebody's environments, as the app shows them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stats {
    pub total_environments: usize,
    /// Sessions and API tokens that can be used.
    pub active_tokens: i64,
    /// By the phase of each.
    pub environments_by_status: Map<String, Value>,
    pub recent_activity: Activity,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Activity {
    pub environments_created_last_7_days: usize,
    pub environments_created_last_30_days: usize,
    pub environments_active_last_week: usize,
}

impl Accounts {
    /// The account of somebody who is signed in.
    pub async fn account(&self, id: Uuid) -> Result<Account, AccountError> {
        let mut connection = self.pool.acquire().await?;
        let found = Account::find(&mut connection, By::Id(id)).await?;
        found.ok_or_else(|| AccountError::NotFound("there is no such account".into()))
    }

    /// Changes what somebody is called and looks like.
    pub async fn change_profile(
        &self,
        id: Uuid,
        change: &ProfileChange,
        origin: &Origin,
    ) -> Result<AccountView, AccountError> {
        let mut faults = Vec::new();
        faults.extend(change.username.as_deref().and_then(names::check_username));
        faults.extend(change.full_name.as_deref().and_then(names::check_full_name));
        faults.extend(change.avatar_url.as_deref().and_then(names::check_avatar_url));
        if !faults.is_empty() {
            return Err(AccountError::Invalid(faults));
        }
        let mut transaction = self.pool.begin().await?;
        let old = Account::lock(&mut transaction, By::Id(id)).await?;
        let old = old.ok_or_else(|| AccountError::NotFound("there is no such account".into()))?;
        let username = change.username.clone().unwrap_or_else(|| old.username.clone());
        let key = names::username_key(&username);
        let holder = Account::find(&mut transaction, By::Username(&key)).await?;
        if holder.is_some_and(|holder| holder.id != id) {
            return Err(super::Taken::Username.error());
        }
        let full_name =
            change.full_name.as_ref().map_or(old.full_name.as_str(), |name| name.trim());
        let avatar_url = change.avatar_url.as_ref().unwrap_or(&old.avatar_url);
        let changed = sqlx::query(
            "UPDATE accounts SET username = $2, username_key = $3, full_name = $4, avatar_url = $5 \
             WHERE id = $1",
        )
        .bind(id)
        .bind(&username)
        .bind(&key)
        .bind(full_name)
        .bind(avatar_url)
        .execute(&mut *transaction)
        .await;
        if let Err(sqlx::Error::Database(error)) = &changed
            && error.is_unique_violation()
        {
            return Err(super::Taken::Username.error());
        }
        changed?;
        let new = Account::find(&mut transaction, By::Id(id)).await?.unwrap_or_else(|| old.clone());
        let shown = |account: &Account| {
            json!({"username": account.username, "full_name": account.full_name,
                "avatar_url": account.avatar_url})
        };
        let mut entry = origin.entry("update", "account", &username);
        (entry.before, entry.after) = (Some(shown(&old)), Some(shown(&new)));
        trail::record(&mut transaction, self.ids.uid(), self.clock.now(), &entry).await?;
        transaction.commit().await?;
        self.forget(id);
        Ok(self.view(&new))
    }

    /// Sets another password. Every session ends, also the one that asks, which goes on as the new
    /// one that is answered: whoever had copied one of its tokens is out.
    pub async fn change_password(
        &self,
        id: Uuid,
        current: &str,
        new: &str,
        origin: &Origin,
    ) -> Result<SessionTokens, AccountError> {
        let faults = names::check_password("newPassword", new);
        if !faults.is_empty() {
            return Err(AccountError::Invalid(faults));
        }
        let account = self.account(id).await?;
        self.confirm_password(&account, current).await?;
        let hash = self.hasher.hash(new.to_owned()).await?;
        let mut transaction = self.pool.begin().await?;
        let locked = Account::lock(&mut transaction, By::Id(id)).await?;
        let account = locked
            .filter(|now| now.password_hash == account.password_hash)
            .ok_or_else(|| AccountError::Conflict("the password was changed meanwhile".into()))?;
        self.set_password(&mut transaction, &account, &hash, "change-password", origin).await?;
        let who = (account.id, account.username.as_str());
        let begun = self.enter_seen(&mut *transaction, who, "password", origin).await?;
        transaction.commit().await?;
        self.forget(id);
        Ok(self.first_tokens(&account, &begun))
    }

    /// Asks for the password again before something that cannot be taken back. Wrong ones count
    /// towards the lock, so that a stolen phone cannot try them all.
    pub(super) async fn confirm_password(
        &self,
        account: &Account,
        password: &str,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        let verdict =
            self.hasher.compare(password.to_owned(), account.password_hash.clone()).await?;
        let mut transaction = self.pool.begin().await?;
        let locked = Account::lock(&mut transaction, By::Id(account.id)).await?;
        let locked = locked.is_some_and(|now_stored| super::login::is_locked(&now_stored, now));
        if verdict.matches && !locked {
            return Ok(());
        }
        super::login::fail(&mut transaction, account.id, locked, now).await?;
        transaction.commit().await?;
        let message = match account.password_hash {
            Some(_) => "Current password is incorrect",
            None => {
                "This account has no password: it signs in with Google. \
                     Set one first, by the link of a forgotten password"
            }
        };
        Err(AccountError::Bad(message.into()))
    }

    /// Numbers about what somebody has.
    pub async fn stats(&self, id: Uuid) -> Result<Stats, AccountError> {
        let now = self.clock.now();
        let account = self.account(id).await?;
        let environments = self.environments(&account.namespace).await?;
        let mut by_status = Map::new();
        let (mut week, mut month, mut active) = (0, 0, 0);
        for environment in &environments {
            let phase = super::removal::phase(environment);
            let count = by_status.get(&phase).and_then(Value::as_u64).unwrap_or(0);
            by_status.insert(phase.clone(), (count + 1).into());
            let made = environment.metadata.creation_timestamp;
            let within = |days: i64| {
                let span = SignedDuration::from_hours(24 * days);
                made.is_some_and(|made| now.duration_since(made) <= span)
            };
            week += usize::from(within(7));
            month += usize::from(within(30));
            active += usize::from(phase == "running" || within(7));
        }
        let (active_tokens,): (i64,) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM sessions WHERE account = $1 AND ended_at IS NULL \
             AND expires_at > $2::text::timestamptz) + (SELECT count(*) FROM api_tokens \
             WHERE account = $1 AND revoked_at IS NULL \
             AND (expires_at IS NULL OR expires_at > $2::text::timestamptz))",
        )
        .bind(id)
        .bind(now.to_string())
        .fetch_one(&self.pool)
        .await?;
        Ok(Stats {
            total_environments: environments.len(),
            active_tokens,
            environments_by_status: by_status,
            recent_activity: Activity {
                environments_created_last_7_days: week,
                environments_created_last_30_days: month,
                environments_active_last_week: active,
            },
        })
    }

    /// The environments of a namespace.
    pub(super) async fn environments(
        &self,
        namespace: &str,
    ) -> Result<Vec<Environment>, AccountError> {
        let listed = self.client.list::<Environment>(Some(namespace)).await;
        listed.map_err(|error| AccountError::Unavailable(error.to_string()))
    }
}
