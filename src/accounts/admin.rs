//! What an administrator does with other people's accounts.

use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use devpocket_specs::tier::Tier;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::account::{Account, AccountView, By};
use super::codes::Purpose;
use super::names::{self, Login};
use super::register::Draft;
use super::session::End;
use super::{AccountError, Accounts, Origin};
use crate::access::trail;

/// Accounts one list holds at most.
pub const LISTED: i64 = 200;

/// An account an administrator makes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewByAdmin {
    pub username: String,
    pub email: String,
    /// Absent: a link is answered, by which its owner sets one.
    #[serde(default)]
    pub password: Option<String>,
    #[serde(default)]
    pub full_name: String,
    #[serde(default)]
    pub tier: Option<String>,
    #[serde(default)]
    pub admin: bool,
}

/// An account that was made.
#[derive(Clone, Serialize)]
pub struct MadeByAdmin {
    pub user: AccountView,
    /// Sets a password, once.
    pub reset_link: Option<String>,
}

impl Accounts {
    /// The account of this id, name or address.
    pub async fn named(&self, name: &str) -> Result<Account, AccountError> {
        let mut connection = self.pool.acquire().await?;
        self.find_named(&mut connection, name, false).await
    }

    async fn find_named(
        &self,
        connection: &mut PgConnection,
        name: &str,
        lock: bool,
    ) -> Result<Account, AccountError> {
        let (key, username);
        let by = match (name.parse::<Uuid>(), names::login(name)) {
            (Ok(id), _) => By::Id(id),
            (_, Login::Email(email)) => {
                key = email;
                By::Email(&key)
            }
            (_, Login::Username(text)) => {
                username = names::username_key(&text);
                By::Username(&username)
            }
        };
        let found = match lock {
            true => Account::lock(connection, by).await?,
            false => Account::find(connection, by).await?,
        };
        let fits = |account: &Account| {
            !matches!(by, By::Username(_)) || account.username.eq_ignore_ascii_case(name.trim())
        };
        found
            .filter(fits)
            .ok_or_else(|| AccountError::NotFound(format!("there is no account {name:?}")))
    }

    /// Accounts whose name or address holds a text, by name.
    pub async fn list(&self, holds: &str) -> Result<Vec<AccountView>, AccountError> {
        let pattern =
            holds.replace('\0', "").replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let ids: Vec<(Uuid,)> = sqlx::query_as(
            "SELECT id FROM accounts WHERE deleted_at IS NULL \
             AND (username ILIKE $1 OR email ILIKE $1) ORDER BY username_key LIMIT $2",
        )
        .bind(format!("%{pattern}%"))
        .bind(LISTED)
        .fetch_all(&self.pool)
        .await?;
        let mut connection = self.pool.acquire().await?;
        let mut views = Vec::new();
        for (id,) in ids {
            let account = Account::find(&mut connection, By::Id(id)).await?;
            views.extend(account.map(|account| self.view(&account)));
        }
        Ok(views)
    }

    /// Makes an account, whatever registration says.
    pub async fn create_by_admin(
        &self,
        new: &NewByAdmin,
        origin: &Origin,
    ) -> Result<MadeByAdmin, AccountError> {
        let mut faults: Vec<_> = names::check_username(&new.username).into_iter().collect();
        let email = names::email(&new.email).map_err(|fault| faults.push(fault));
        faults.extend(names::check_full_name(&new.full_name));
        if let Some(password) = &new.password {
            faults.extend(names::check_password("password", password));
        }
        let (Ok(email), true) = (email, faults.is_empty()) else {
            return Err(AccountError::Invalid(faults));
        };
        if let Some(tier) = &new.tier {
            self.check_tier(tier).await?;
        }
        let hash = match &new.password {
            Some(password) => Some(self.hasher.hash(password.clone()).await?),
            None => None,
        };
        let draft = Draft {
            username: new.username.clone(),
            email,
            full_name: new.full_name.trim().to_owned(),
            password_hash: hash,
            google_id: None,
            avatar_url: String::new(),
            tier: new.tier.clone().or_else(|| self.settings.default_tier.clone()),
            admin: new.admin,
            verified: true,
            verb: "create",
        };
        let mut transaction = self.pool.begin().await?;
        let account = match self.create(&mut transaction, &draft, origin).await? {
            Ok(account) => account,
            Err(taken) => return Err(taken.error()),
        };
        let reset_link = match new.password {
            Some(_) => None,
            None => Some(self.make_link(&mut transaction, &account, Purpose::ResetPassword).await?),
        };
        transaction.commit().await?;
        self.ensure_namespace(&account).await;
        Ok(MadeByAdmin { user: self.view(&account), reset_link })
    }

    /// Takes an address as verified.
    pub async fn verify_by_admin(
        &self,
        name: &str,
        origin: &Origin,
    ) -> Result<AccountView, AccountError> {
        let mut transaction = self.pool.begin().await?;
        let account = self.find_named(&mut transaction, name, true).await?;
        self.mark_verified(&mut transaction, &account, "verify", origin).await?;
        self.finish(transaction, account.id).await
    }

    /// A link that sets a new password, to be handed over by other means than mail.
    pub async fn reset_link(&self, name: &str, origin: &Origin) -> Result<String, AccountError> {
        let mut transaction = self.pool.begin().await?;
        let account = self.find_named(&mut transaction, name, true).await?;
        let link = self.make_link(&mut transaction, &account, Purpose::ResetPassword).await?;
        let entry = origin.entry("reset-link", "account", &account.username);
        trail::record(&mut transaction, self.ids.uid(), self.clock.now(), &entry).await?;
        transaction.commit().await?;
        Ok(link)
    }

    /// What somebody may spend; none is nothing.
    pub async fn set_tier(
        &self,
        name: &str,
        tier: Option<&str>,
        origin: &Origin,
    ) -> Result<AccountView, AccountError> {
        if let Some(tier) = tier {
            self.check_tier(tier).await?;
        }
        let mut transaction = self.pool.begin().await?;
        let account = self.find_named(&mut transaction, name, true).await?;
        sqlx::query("UPDATE accounts SET tier = $2 WHERE id = $1")
            .bind(account.id)
            .bind(tier)
            .execute(&mut *transaction)
            .await?;
        let mut entry = origin.entry("set-tier", "account", &account.username);
        // In one go with the row: should the commit fail, the next sign-in takes it back.
        self.ensure_namespace(&account).await;
        crate::teams::set_tier(&self.client, &account.namespace, tier).await?;
        entry.before = Some(json!({"tier": account.tier}));
        entry.after = Some(json!({"tier": tier}));
        trail::record(&mut transaction, self.ids.uid(), self.clock.now(), &entry).await?;
        self.finish(transaction, account.id).await
    }

    /// Keeps somebody out, or lets them in again. What they declared stays as it is.
    pub async fn suspend(
        &self,
        name: &str,
        suspended: bool,
        origin: &Origin,
    ) -> Result<AccountView, AccountError> {
        let mut transaction = self.pool.begin().await?;
        let account = self.find_named(&mut transaction, name, true).await?;
        if suspended && origin.account == Some(account.id) {
            return Err(AccountError::Conflict("you cannot suspend yourself".into()));
        }
        let now = self.clock.now();
        sqlx::query("UPDATE accounts SET suspended_at = $2::text::timestamptz WHERE id = $1")
            .bind(account.id)
            .bind(suspended.then(|| now.to_string()))
            .execute(&mut *transaction)
            .await?;
        if suspended {
            let end = End { reason: "suspended", only: None, except: None };
            self.end_sessions(&mut transaction, account.id, &end).await?;
        }
        let verb = if suspended { "suspend" } else { "reinstate" };
        let entry = origin.entry(verb, "account", &account.username);
        trail::record(&mut transaction, self.ids.uid(), now, &entry).await?;
        self.finish(transaction, account.id).await
    }

    /// Commits, makes it count, and shows the account as it is now.
    async fn finish(
        &self,
        transaction: sqlx::Transaction<'_, sqlx::Postgres>,
        id: Uuid,
    ) -> Result<AccountView, AccountError> {
        transaction.commit().await?;
        self.forget(id);
        Ok(self.view(&self.account(id).await?))
    }

    async fn check_tier(&self, name: &str) -> Result<(), AccountError> {
        let found = self.client.get::<Tier>(&Key::new(Kind::Tier, "", name)).await;
        let found = found.map_err(|error| AccountError::Unavailable(error.to_string()))?;
        if found.is_some() {
            return Ok(());
        }
        let tiers = self.client.list::<Tier>(None).await;
        let tiers = tiers.map_err(|error| AccountError::Unavailable(error.to_string()))?;
        let known: Vec<&str> = tiers.iter().map(|tier| tier.metadata.name.as_str()).collect();
        let message = match known.as_slice() {
            [] => format!("is {name:?}; there is no tier yet"),
            known => format!("is {name:?}; there are {}", known.join(", ")),
        };
        Err(AccountError::field("tier", "unknown-tier", message))
    }
}
