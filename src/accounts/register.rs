//! New accounts.
//!
//! An account, its membership in its own namespace and the line of the trail are one commit. The
//! Namespace is an object and written right after it; should that fail, the next sign-in writes it
//! ([`Accounts::ensure_namespace`]).
//!
//! With a mail sender, registering an address that has an account answers as if it had none, and the
//! owner of the address is told. Without one there is nobody to tell, so the answer says it.

use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names as label;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::Key;
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::account::{Account, AccountView, By};
use super::codes::Purpose;
use super::{AccountError, Accounts, Origin, Registration, names};
use crate::access::trail;
use crate::mail::Letter;
use crate::teams;

/// What somebody who registers says.
#[derive(Clone, Debug, Default)]
pub struct NewAccount {
    pub username: String,
    pub email: String,
    pub password: String,
    pub full_name: String,
}

/// An account to make, checked.
#[derive(Clone, Debug)]
pub struct Draft {
    pub username: String,
    pub email: String,
    pub full_name: String,
    pub password_hash: Option<String>,
    pub google_id: Option<String>,
    pub avatar_url: String,
    pub tier: Option<String>,
    pub admin: bool,
    /// The address is known to be theirs.
    pub verified: bool,
    /// What the trail calls it: `register`, `create`.
    pub verb: &'static str,
}

/// Why a name or an address is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Username,
    Email,
}

impl Taken {
    /// As the app shows it.
    pub fn error(self) -> AccountError {
        let text = match self {
            Taken::Username => "Username already taken",
            Taken::Email => "Email already registered",
        };
        AccountError::Bad(text.into())
    }
}

impl NewAccount {
    /// Everything that is wrong with it, or the address as it is kept.
    fn check(&self) -> Result<String, AccountError> {
        let mut faults: Vec<_> = names::check_username(&self.username).into_iter().collect();
        let email = names::email(&self.email).map_err(|fault| faults.push(fault));
        faults.extend(names::check_password("password", &self.password));
        faults.extend(names::check_full_name(&self.full_name));
        match email {
            Ok(email) if faults.is_empty() => Ok(email),
            _ => Err(AccountError::Invalid(faults)),
        }
    }
}

impl Accounts {
    /// Checks what somebody says of themselves and hashes their password.
    pub async fn draft(&self, new: &NewAccount) -> Result<Draft, AccountError> {
        let email = new.check()?;
        let hash = self.hasher.hash(new.password.clone()).await?;
        Ok(Draft {
            username: new.username.clone(),
            email,
            full_name: new.full_name.trim().to_owned(),
            password_hash: Some(hash),
            google_id: None,
            avatar_url: String::new(),
            tier: self.settings.default_tier.clone(),
            admin: false,
            verified: false,
            verb: "register",
        })
    }

    /// Registers somebody who was not invited.
    pub async fn register(
        &self,
        new: &NewAccount,
        origin: &Origin,
    ) -> Result<AccountView, AccountError> {
        match self.settings.registration {
            Registration::Open => {}
            Registration::Invite => {
                let message = "Registration is by invitation: ask for one, and open its link";
                return Err(AccountError::Forbidden(message.into()));
            }
            Registration::Closed => {
                let message = "Registration is closed: an administrator makes accounts";
                return Err(AccountError::Forbidden(message.into()));
            }
        }
        let draft = self.draft(new).await?;
        let mut transaction = self.pool.begin().await?;
        match self.create(&mut transaction, &draft, origin).await? {
            Ok(account) => {
                if self.settings.mail {
                    self.send_code(&mut transaction, &account, Purpose::VerifyEmail).await?;
                }
                transaction.commit().await?;
                self.ensure_namespace(&account).await;
                Ok(self.view(&account))
            }
            Err(Taken::Email) if self.settings.mail => {
                let by = names::email_key(&draft.email);
                if let Some(owner) = Account::find(&mut transaction, By::Email(&by)).await? {
                    let link = format!("{}/reset", self.settings.public_url);
                    let letter = Letter::AlreadyRegistered { name: owner.username.clone(), link };
                    self.post(&mut transaction, &owner.email, &letter).await?;
                }
                transaction.commit().await?;
                Ok(self.pretended(&draft))
            }
            Err(taken) => Err(taken.error()),
        }
    }

    /// What is answered for an address that has an account: nothing that tells so.
    fn pretended(&self, draft: &Draft) -> AccountView {
        AccountView {
            id: self.ids.uid(),
            username: draft.username.clone(),
            email: draft.email.clone(),
            full_name: draft.full_name.clone(),
            is_active: true,
            is_verified: false,
            is_admin: false,
            avatar_url: None,
            subscription_plan: draft.tier.clone().unwrap_or_else(|| super::NO_TIER.into()),
            namespace: namespace_name(self.ids.uid()),
            created_at: self.clock.now(),
            last_login: None,
        }
    }

    /// Makes an account and its membership in the caller's transaction.
    /// [`Accounts::ensure_namespace`] after the commit makes the namespace.
    pub async fn create(
        &self,
        connection: &mut PgConnection,
        draft: &Draft,
        origin: &Origin,
    ) -> Result<Result<Account, Taken>, AccountError> {
        let now = self.clock.now();
        let id = self.ids.uid();
        let username_key = names::username_key(&draft.username);
        let email_key = names::email_key(&draft.email);
        let namespace = namespace_name(self.ids.uid());
        let made = sqlx::query(
            "INSERT INTO accounts (id, username, username_key, email, email_key, full_name, \
             avatar_url, password_hash, google_id, admin, tier, namespace, verified_at, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, \
             $13::text::timestamptz, $14::text::timestamptz) ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(&draft.username)
        .bind(&username_key)
        .bind(&draft.email)
        .bind(&email_key)
        .bind(&draft.full_name)
        .bind(&draft.avatar_url)
        .bind(&draft.password_hash)
        .bind(&draft.google_id)
        .bind(draft.admin)
        .bind(&draft.tier)
        .bind(&namespace)
        .bind(draft.verified.then(|| now.to_string()))
        .bind(now.to_string())
        .execute(&mut *connection)
        .await?;
        if made.rows_affected() == 0 {
            let named = Account::find(connection, By::Username(&username_key)).await?;
            return Ok(Err(if named.is_some() { Taken::Username } else { Taken::Email }));
        }
        join(connection, &namespace, id, &origin.actor, now).await?;
        let mut entry = origin.entry(draft.verb, "account", &draft.username);
        entry.account = entry.account.or(Some(id));
        entry.namespace.clone_from(&namespace);
        entry.after = Some(serde_json::json!({
            "username": draft.username, "email": draft.email, "tier": draft.tier,
            "admin": draft.admin, "verified": draft.verified,
        }));
        trail::record(connection, self.ids.uid(), now, &entry).await?;
        let account = Account::find(connection, By::Id(id)).await?;
        let account = account.ok_or_else(|| AccountError::Failed("the account is gone".into()))?;
        Ok(Ok(account))
    }

    /// Makes the account's own namespace unless it is there, with the label of its tier, by which the
    /// controllers know what may be spent. What fails is tried again at the next sign-in.
    pub async fn ensure_namespace(&self, account: &Account) {
        let (name, tier) = (&account.namespace, account.tier.as_deref());
        let key = Key::new(Kind::Namespace, "", name);
        let failed = |error: &dyn std::fmt::Display| {
            tracing::warn!(
                "namespace {name} of {:?} is seen to at the next sign-in: {error}",
                account.username
            );
        };
        match self.client.get::<Namespace>(&key).await {
            Ok(Some(found)) => {
                let labels = &found.metadata.labels;
                let labelled = labels.get(label::TIER).map(String::as_str) == tier;
                if labelled && labels.contains_key(label::TENANT) {
                    return;
                }
                if let Err(error) = teams::set_tier(&self.client, name, tier).await {
                    failed(&error);
                }
                return;
            }
            Ok(None) => {}
            Err(error) => failed(&error),
        }
        let namespace = teams::tenant_namespace(name, "person", None, tier);
        if let Err(error) = self.client.create(&namespace).await
            && !error.is_already_exists()
        {
            failed(&error);
        }
    }

    /// What the app shows of an account.
    pub fn view(&self, account: &Account) -> AccountView {
        // Where no letter can be sent nothing has to be verified.
        let view = account.view();
        AccountView { is_verified: view.is_verified || !self.settings.mail, ..view }
    }

    /// Posts a letter in the caller's transaction; nothing where none are sent.
    pub(super) async fn post(
        &self,
        connection: &mut PgConnection,
        to: &str,
        letter: &Letter,
    ) -> Result<(), AccountError> {
        if !self.settings.mail {
            return Ok(());
        }
        let posted = self.outbox.post(connection, self.ids.uid(), to, letter, self.clock.now());
        posted.await.map_err(|error| AccountError::Failed(error.to_string()))
    }
}

/// Names are generated: what people call themselves may change, and must not show in logs.
fn namespace_name(id: Uuid) -> String {
    let text = id.simple().to_string();
    format!("u-{}", &text[..12])
}

async fn join(
    connection: &mut PgConnection,
    namespace: &str,
    account: Uuid,
    by: &str,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO members (namespace, account, role, added_by, added_at) \
         VALUES ($1, $2, 'owner', $3, $4::text::timestamptz)",
    )
    .bind(namespace)
    .bind(account)
    .bind(by)
    .bind(now.to_string())
    .execute(connection)
    .await?;
    Ok(())
}
