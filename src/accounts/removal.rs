//! Leaving: what goes, what stands in the way, and what everything known about somebody is.
//!
//! An account is not erased but emptied: its row stays so that its id is never given again, with a
//! name that names nobody. The trail keeps what was done and forgets by whom.

use devpocket_controllers::client::ClientError;
use devpocket_controllers::store::Guard;
use devpocket_specs::admit::Preconditions;
use devpocket_specs::environment::Environment;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use devpocket_specs::secret::Secret;
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::{PgConnection, Row as _};
use uuid::Uuid;

use super::account::{Account, By};
use super::session::End;
use super::{AccountError, Accounts, Origin};
use crate::access::trail;

/// What leaving means for somebody, before they do it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Removal {
    /// Whether it would be done now.
    pub possible: bool,
    /// Environments that have to be deleted first, as `namespace/name`.
    pub environments: Vec<String>,
    /// Namespaces of teams whose only owner this is.
    pub last_owner_of: Vec<String>,
    pub sessions: i64,
    pub api_tokens: i64,
    /// Teams that are left.
    pub teams: i64,
    /// What happens, for people.
    pub consequences: Vec<String>,
}

impl Accounts {
    /// What would go.
    pub async fn removal(&self, id: Uuid) -> Result<Removal, AccountError> {
        let account = self.account(id).await?;
        let mut connection = self.pool.acquire().await?;
        self.weigh(&mut connection, &account).await
    }

    async fn weigh(
        &self,
        connection: &mut PgConnection,
        account: &Account,
    ) -> Result<Removal, AccountError> {
        let environments = self.environments(&account.namespace).await?;
        let environments: Vec<String> = environments
            .iter()
            .map(|found| format!("{}/{}", found.metadata.namespace, found.metadata.name))
            .collect();
        let last: Vec<(String,)> = sqlx::query_as(
            "SELECT m.namespace FROM members m WHERE m.account = $1 AND m.role = 'owner' \
             AND m.namespace <> $2 AND NOT EXISTS (SELECT 1 FROM members o \
             WHERE o.namespace = m.namespace AND o.role = 'owner' AND o.account <> $1) \
             ORDER BY m.namespace",
        )
        .bind(account.id)
        .bind(&account.namespace)
        .fetch_all(&mut *connection)
        .await?;
        let last_owner_of: Vec<String> = last.into_iter().map(|(namespace,)| namespace).collect();
        let row = sqlx::query(
            "SELECT (SELECT count(*) FROM sessions WHERE account = $1 AND ended_at IS NULL \
             AND expires_at > $3::text::timestamptz) AS sessions, \
             (SELECT count(*) FROM api_tokens WHERE account = $1 AND revoked_at IS NULL) AS tokens, \
             (SELECT count(*) FROM members WHERE account = $1 AND namespace <> $2) AS teams",
        )
        .bind(account.id)
        .bind(&account.namespace)
        .bind(self.clock.now().to_string())
        .fetch_one(connection)
        .await?;
        let consequences = [
            "The account, its name and its address are erased; this cannot be undone.",
            "The secrets in its namespace are deleted.",
            "All sign-ins and API tokens end at once.",
            "It leaves every team. What teams have stays theirs.",
            "The audit keeps what was done, without the name.",
        ];
        Ok(Removal {
            possible: environments.is_empty() && last_owner_of.is_empty(),
            environments,
            last_owner_of,
            sessions: row.try_get("sessions")?,
            api_tokens: row.try_get("tokens")?,
            teams: row.try_get("teams")?,
            consequences: consequences.map(str::to_owned).into(),
        })
    }

    /// Removes an account whose owner typed its password.
    pub async fn remove(
        &self,
        id: Uuid,
        password: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let account = self.account(id).await?;
        if account.password_hash.is_some() {
            self.confirm_password(&account, password).await?;
        }
        // The namespace goes first: from then on nothing can be created in it, so that no
        // environment slips in between looking and leaving.
        let removal = self.removal(id).await?;
        if !removal.possible {
            return Err(AccountError::Conflict(in_the_way(&removal)));
        }
        self.remove_namespace(&account).await?;
        let mut transaction = self.pool.begin().await?;
        let account = Account::lock(&mut transaction, By::Id(id)).await?;
        let account =
            account.ok_or_else(|| AccountError::NotFound("there is no such account".into()))?;
        // Owners of the same teams leave one after the other, so that not both go as "not the last".
        sqlx::query(
            "SELECT 1 FROM members WHERE namespace IN (SELECT namespace FROM members WHERE \
                     account = $1) ORDER BY namespace, account FOR UPDATE",
        )
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        let removal = self.weigh(&mut transaction, &account).await?;
        if !removal.possible {
            transaction.rollback().await?;
            self.ensure_namespace(&account).await;
            return Err(AccountError::Conflict(in_the_way(&removal)));
        }
        self.erase(&mut transaction, &account, origin).await?;
        transaction.commit().await?;
        self.forget(id);
        Ok(())
    }

    async fn remove_namespace(&self, account: &Account) -> Result<(), AccountError> {
        let failed = |error: ClientError| match error.guard_code() {
            Some(_) => AccountError::Conflict(
                "The account cannot be deleted yet: an environment was created meanwhile".into(),
            ),
            None => AccountError::Unavailable(format!("the namespace cannot be removed: {error}")),
        };
        let secrets = self.client.list::<Secret>(Some(&account.namespace)).await.map_err(failed)?;
        let secrets =
            secrets.iter().map(|s| Key::new(Kind::Secret, &*account.namespace, &*s.metadata.name));
        let namespace = Key::new(Kind::Namespace, "", &*account.namespace);
        let empty = Guard::CountBelow {
            kind: Kind::Environment,
            namespace: Some(account.namespace.clone()),
            labels: Default::default(),
            limit: 1,
            message: "the account has an environment".into(),
            code: "namespace-not-empty".into(),
        };
        let client = self.client.guarded(vec![empty]);
        for key in secrets.chain([namespace]) {
            match client.delete(&key, Preconditions::default()).await {
                Err(error) if !error.is_not_found() => return Err(failed(error)),
                _ => {}
            }
        }
        Ok(())
    }

    async fn erase(
        &self,
        connection: &mut PgConnection,
        account: &Account,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        let nobody = format!("deleted-{}", &account.id.simple().to_string()[..12]);
        sqlx::query(
            "UPDATE accounts SET username = $2, username_key = $2, email = '', email_key = $2, \
             full_name = '', avatar_url = '', password_hash = NULL, google_id = NULL, \
             admin = false, tier = NULL, verified_at = NULL, last_login_at = NULL, \
             deleted_at = $3::text::timestamptz WHERE id = $1",
        )
        .bind(account.id)
        .bind(&nobody)
        .bind(now.to_string())
        .execute(&mut *connection)
        .await?;
        let end = End { reason: "deleted", only: None, except: None };
        self.end_sessions(connection, account.id, &end).await?;
        for sql in [
            "UPDATE sessions SET client = '', address = NULL WHERE account = $1",
            "DELETE FROM api_tokens WHERE account = $1",
            "DELETE FROM one_time_codes WHERE account = $1",
            "DELETE FROM device_codes WHERE account = $1",
            "DELETE FROM members WHERE account = $1",
        ] {
            sqlx::query(sql).bind(account.id).execute(&mut *connection).await?;
        }
        // What was done stays; by whom and from where does not.
        sqlx::query(
            "UPDATE access_audit SET actor = CASE WHEN actor = $2 THEN $3 ELSE actor END, \
             name = CASE WHEN name = $2 THEN $3 ELSE name END, address = NULL, \
             before = NULL, after = NULL WHERE account = $1 OR (subject = 'account' AND name = $2)",
        )
        .bind(account.id)
        .bind(&account.username)
        .bind(&nobody)
        .execute(&mut *connection)
        .await?;
        sqlx::query("UPDATE audit SET actor = $2, address = NULL WHERE actor = $1")
            .bind(&account.username)
            .bind(&nobody)
            .execute(&mut *connection)
            .await?;
        let mut entry = origin.entry("delete", "account", &nobody);
        if entry.account == Some(account.id) {
            (entry.actor, entry.address) = (nobody, None);
        }
        trail::record(connection, self.ids.uid(), now, &entry).await?;
        Ok(())
    }

    /// Everything that is kept about somebody, for them.
    pub async fn export(&self, id: Uuid) -> Result<Value, AccountError> {
        let account = self.account(id).await?;
        let environments = self.environments(&account.namespace).await?;
        let members: Vec<(String, String)> =
            sqlx::query_as("SELECT namespace, role FROM members WHERE account = $1 ORDER BY 1")
                .bind(id)
                .fetch_all(&self.pool)
                .await?;
        let trail: Vec<(String, String, String, String, Option<String>)> = sqlx::query_as(
            "SELECT at::text, verb, subject, name, address FROM access_audit WHERE account = $1 \
             ORDER BY at DESC LIMIT $2",
        )
        .bind(id)
        .bind(EXPORTED)
        .fetch_all(&self.pool)
        .await?;
        let trail: Vec<Value> = trail
            .into_iter()
            .map(|(at, verb, subject, name, address)| {
                json!({"at": at, "verb": verb, "subject": subject, "name": name, "address": address})
            })
            .collect();
        let memberships: Vec<Value> = members
            .into_iter()
            .map(|(namespace, role)| json!({"namespace": namespace, "role": role}))
            .collect();
        let declared: Vec<Value> = environments
            .iter()
            .map(|found| json!({"name": found.metadata.name, "spec": found.spec}))
            .collect();
        Ok(json!({
            "exported_at": self.clock.now(),
            "user": self.view(&account),
            "sessions": self.sessions(id, None).await?,
            "api_tokens": self.api_tokens(id).await?,
            "memberships": memberships,
            "environments": declared,
            "trail": trail,
        }))
    }
}

/// Lines of the trail an export holds at most, the newest.
const EXPORTED: i64 = 10_000;

fn in_the_way(removal: &Removal) -> String {
    let mut parts = Vec::new();
    if !removal.environments.is_empty() {
        let list = removal.environments.join(", ");
        parts.push(format!("delete its environments first: {list}"));
    }
    if !removal.last_owner_of.is_empty() {
        let list = removal.last_owner_of.join(", ");
        parts.push(format!("make somebody else an owner of {list}, or delete the team"));
    }
    format!("The account cannot be deleted yet: {}", parts.join("; "))
}

/// The phase of an environment in the app's words.
pub(super) fn phase(environment: &Environment) -> String {
    serde_json::to_value(environment.status.phase)
        .ok()
        .and_then(|phase| phase.as_str().map(str::to_owned))
        .filter(|phase| !phase.is_empty())
        .unwrap_or_else(|| "creating".to_owned())
}
