//! Teams: a namespace, and who belongs to it as what.
//!
//! The namespace's name is generated and never changes; what the team is called is for people. Who
//! belongs is in `members`, the table from which everybody's roles are read; a person's own namespace
//! has a row there and is no team.
//!
//! # Guarantees
//! - A team always has an owner. Changes of its members are made one after the other: each takes the
//!   rows of all members first, as leaving an account does.
//! - Every change writes its line of the trail in its transaction, and counts in this process at once
//!   and in every other within [`crate::access::STALE_MAX`]; open streams end within 5 s.
//!
//! # Caveats
//! The Namespace is an object and made before the rows: a crash in between leaves one that belongs to
//! nobody and may spend nothing.

mod invitation;
mod invitations;
mod invited;
mod members;
mod tenancy;

use std::sync::Arc;

use devpocket_controllers::client::ClientError;
use devpocket_controllers::store::Guard;
use devpocket_specs::admit::Preconditions;
use devpocket_specs::kind::Kind;
use devpocket_specs::metadata::names;
use devpocket_specs::namespace::Namespace;
use devpocket_specs::object::Key;
use devpocket_specs::secret::Secret;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use crate::access::trail::{self, Entry};
use crate::accounts::{AccountError, Accounts, Origin};

pub use invitation::Invitation;
pub use invitations::{InvitationView, Invited, NewInvitation};
pub use invited::Welcome;
pub use members::Member;
pub use tenancy::{set_tier, tenant_namespace};

/// Characters of a team's name.
pub const NAME_CHARS: usize = 50;
/// Teams one account may own: each is a namespace, kept whether used or not.
pub const TEAMS_OWNED: i64 = 20;
/// Teams one list holds at most.
const LISTED: i64 = 500;

/// A team as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TeamView {
    /// Generated; what commands and paths name it by.
    pub namespace: String,
    pub name: String,
    /// The role of whoever asks; none for an admin who does not belong.
    pub role: Option<String>,
    /// What it may spend; none is nothing.
    pub tier: Option<String>,
    pub members: i64,
    pub created_at: String,
}

/// Teams in Postgres, beside the accounts.
#[derive(Clone)]
pub struct Teams {
    accounts: Arc<Accounts>,
}

impl Teams {
    pub fn new(accounts: Arc<Accounts>) -> Teams {
        Teams { accounts }
    }

    /// Makes a team with one owner.
    pub async fn create(
        &self,
        owner: Uuid,
        name: &str,
        origin: &Origin,
    ) -> Result<TeamView, AccountError> {
        let name = checked(name)?;
        // Looked at again in the transaction that makes it: here nothing has to be taken back.
        may_own_another(&mut *self.accounts.pool.acquire().await?, owner).await?;
        let id = self.accounts.ids.uid().simple().to_string();
        let namespace = format!("t-{}", &id[..12]);
        let record = tenant_namespace(&namespace, "team", Some(&name), None);
        self.accounts.client.create(&record).await.map_err(unavailable)?;
        if let Err(error) = self.insert(&namespace, &name, owner, origin).await {
            let key = Key::cluster(Kind::Namespace, namespace.as_str());
            if let Err(left) = self.accounts.client.delete(&key, Preconditions::default()).await {
                tracing::warn!("namespace {namespace} of a team that was not made is left: {left}");
            }
            return Err(error);
        }
        self.accounts.forget(owner);
        self.view(&namespace, Some(owner)).await
    }

    async fn insert(
        &self,
        namespace: &str,
        name: &str,
        owner: Uuid,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let now = self.accounts.clock.now().to_string();
        let mut transaction = self.accounts.pool.begin().await?;
        let standing: Option<(i32,)> = sqlx::query_as(
            "SELECT 1 FROM accounts WHERE id = $1 AND suspended_at IS NULL \
             AND deleted_at IS NULL FOR UPDATE",
        )
        .bind(owner)
        .fetch_optional(&mut *transaction)
        .await?;
        if standing.is_none() {
            return Err(AccountError::Unauthorized("the token is not valid".into()));
        }
        may_own_another(&mut transaction, owner).await?;
        sqlx::query(
            "INSERT INTO teams (namespace, name, created_by, created_at) \
             VALUES ($1, $2, $3, $4::text::timestamptz)",
        )
        .bind(namespace)
        .bind(name)
        .bind(&origin.actor)
        .bind(&now)
        .execute(&mut *transaction)
        .await?;
        members::insert(
            &mut transaction,
            namespace,
            owner,
            crate::access::Role::Owner,
            origin,
            &now,
        )
        .await?;
        let after = json!({"name": name});
        self.told(&mut transaction, origin, ("create", "team", name), namespace, None, Some(after))
            .await?;
        Ok(transaction.commit().await?)
    }

    /// The teams somebody belongs to, by name; all of them where nobody in particular is named.
    pub async fn list(&self, account: Option<Uuid>) -> Result<Vec<TeamView>, AccountError> {
        let found: Vec<(String,)> = sqlx::query_as(
            "SELECT t.namespace FROM teams t WHERE $1::uuid IS NULL OR EXISTS (SELECT 1 \
             FROM members m WHERE m.namespace = t.namespace AND m.account = $1) \
             ORDER BY lower(t.name), t.namespace LIMIT $2",
        )
        .bind(account)
        .bind(LISTED)
        .fetch_all(&self.accounts.pool)
        .await?;
        let mut views = Vec::with_capacity(found.len());
        for (namespace,) in found {
            views.push(self.view(&namespace, account).await?);
        }
        Ok(views)
    }

    /// One team, as somebody sees it.
    pub async fn view(
        &self,
        namespace: &str,
        account: Option<Uuid>,
    ) -> Result<TeamView, AccountError> {
        let row = sqlx::query(
            "SELECT t.name, t.created_at::text AS created_at, \
             (SELECT count(*) FROM members m WHERE m.namespace = t.namespace) AS members, \
             (SELECT role FROM members m WHERE m.namespace = t.namespace AND m.account = $2) AS role \
             FROM teams t WHERE t.namespace = $1",
        )
        .bind(namespace)
        .bind(account)
        .fetch_optional(&self.accounts.pool)
        .await?
        .ok_or_else(|| no_team(namespace))?;
        Ok(TeamView {
            namespace: namespace.to_owned(),
            name: row.try_get("name")?,
            role: row.try_get("role")?,
            tier: self.tier(namespace).await?,
            members: row.try_get("members")?,
            created_at: row.try_get("created_at")?,
        })
    }

    async fn tier(&self, namespace: &str) -> Result<Option<String>, AccountError> {
        let key = Key::cluster(Kind::Namespace, namespace);
        let found = self.accounts.client.get::<Namespace>(&key).await.map_err(unavailable)?;
        Ok(found.and_then(|found| found.metadata.labels.get(names::TIER).cloned()))
    }

    /// Gives it another name.
    pub async fn rename(
        &self,
        namespace: &str,
        name: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let name = checked(name)?;
        let mut transaction = self.accounts.pool.begin().await?;
        let before = self.lock(&mut transaction, namespace).await?;
        sqlx::query("UPDATE teams SET name = $2 WHERE namespace = $1")
            .bind(namespace)
            .bind(&name)
            .execute(&mut *transaction)
            .await?;
        let (was, is) = (json!({"name": before}), json!({"name": name}));
        let what = ("rename", "team", name.as_str());
        self.told(&mut transaction, origin, what, namespace, Some(was), Some(is)).await?;
        Ok(transaction.commit().await?)
    }

    /// What it may spend; for admins.
    pub async fn set_tier(
        &self,
        namespace: &str,
        tier: Option<&str>,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let before = self.tier(namespace).await?;
        let mut transaction = self.accounts.pool.begin().await?;
        let name = self.lock(&mut transaction, namespace).await?;
        set_tier(&self.accounts.client, namespace, tier).await?;
        let (was, is) = (json!({"tier": before}), json!({"tier": tier}));
        let what = ("set-tier", "team", name.as_str());
        self.told(&mut transaction, origin, what, namespace, Some(was), Some(is)).await?;
        Ok(transaction.commit().await?)
    }

    /// Ends a team. Not while it has environments: its secrets go with it.
    pub async fn delete(&self, namespace: &str, origin: &Origin) -> Result<(), AccountError> {
        self.remove_namespace(namespace).await?;
        let mut transaction = self.accounts.pool.begin().await?;
        let name = self.lock(&mut transaction, namespace).await?;
        let left: Vec<(Uuid,)> =
            sqlx::query_as("DELETE FROM members WHERE namespace = $1 RETURNING account")
                .bind(namespace)
                .fetch_all(&mut *transaction)
                .await?;
        for sql in [
            "DELETE FROM invitations WHERE namespace = $1",
            "DELETE FROM teams WHERE namespace = $1",
        ] {
            sqlx::query(sql).bind(namespace).execute(&mut *transaction).await?;
        }
        let what = ("delete", "team", name.as_str());
        let before = json!({"name": name, "members": left.len()});
        self.told(&mut transaction, origin, what, namespace, Some(before), None).await?;
        transaction.commit().await?;
        for (account,) in left {
            self.accounts.forget(account);
        }
        Ok(())
    }

    async fn remove_namespace(&self, namespace: &str) -> Result<(), AccountError> {
        self.view(namespace, None).await?;
        let failed = |error: ClientError| match error.guard_code() {
            Some(_) => AccountError::Conflict(
                "The team has environments; delete them first. Nothing was removed".into(),
            ),
            None => unavailable(error),
        };
        let empty = Guard::CountBelow {
            kind: Kind::Environment,
            namespace: Some(namespace.to_owned()),
            labels: Default::default(),
            limit: 1,
            message: "the team has an environment".into(),
            code: "namespace-not-empty".into(),
        };
        let client = self.accounts.client.guarded(vec![empty]);
        let secrets = client.list::<Secret>(Some(namespace)).await.map_err(failed)?;
        let secrets = secrets.iter().map(|s| Key::new(Kind::Secret, namespace, &*s.metadata.name));
        for key in secrets.chain([Key::cluster(Kind::Namespace, namespace)]) {
            match client.delete(&key, Preconditions::default()).await {
                Err(error) if !error.is_not_found() => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(())
    }

    /// Nobody else changes the team's members until the transaction ends; its name.
    async fn lock(
        &self,
        connection: &mut PgConnection,
        namespace: &str,
    ) -> Result<String, AccountError> {
        let found: Option<(String,)> =
            sqlx::query_as("SELECT name FROM teams WHERE namespace = $1 FOR UPDATE")
                .bind(namespace)
                .fetch_optional(&mut *connection)
                .await?;
        let (name,) = found.ok_or_else(|| no_team(namespace))?;
        // Who leaves an account takes these rows, in this order.
        sqlx::query("SELECT 1 FROM members WHERE namespace = $1 ORDER BY account FOR UPDATE")
            .bind(namespace)
            .execute(connection)
            .await?;
        Ok(name)
    }

    /// Writes the trail's line: what was done to which thing.
    async fn told(
        &self,
        connection: &mut PgConnection,
        origin: &Origin,
        (verb, subject, name): (&str, &str, &str),
        namespace: &str,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), AccountError> {
        let entry = Entry {
            actor: origin.actor.clone(),
            account: origin.account,
            address: origin.address.clone(),
            request_id: origin.request_id.clone(),
            verb: verb.to_owned(),
            subject: subject.to_owned(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            before,
            after,
        };
        let now: Timestamp = self.accounts.clock.now();
        Ok(trail::record(connection, self.accounts.ids.uid(), now, &entry).await?)
    }
}

/// Refuses who owns as many teams as one may.
async fn may_own_another(connection: &mut PgConnection, owner: Uuid) -> Result<(), AccountError> {
    let (owned,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM members m JOIN teams t USING (namespace) \
         WHERE m.account = $1 AND m.role = 'owner'",
    )
    .bind(owner)
    .fetch_one(connection)
    .await?;
    if owned < TEAMS_OWNED {
        return Ok(());
    }
    let message = format!("You own {owned} teams, which is as many as one may own");
    Err(AccountError::Conflict(message))
}

fn checked(name: &str) -> Result<String, AccountError> {
    let name = name.trim();
    let length = name.chars().count();
    if length == 0 || length > NAME_CHARS || name.chars().any(char::is_control) {
        let message = format!("has to have 1 to {NAME_CHARS} printable characters");
        return Err(AccountError::field("name", "invalid_format", message));
    }
    Ok(name.to_owned())
}

fn no_team(namespace: &str) -> AccountError {
    AccountError::NotFound(format!("there is no team {namespace:?}"))
}

fn unavailable(error: ClientError) -> AccountError {
    AccountError::Unavailable(error.to_string())
}
