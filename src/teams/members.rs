//! Who belongs to a team.

use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Teams;
use crate::access::Role;
use crate::accounts::{AccountError, Origin};

/// A member as the others see them.
#[derive(Clone, Debug, PartialEq, Serialize, sqlx::FromRow)]
pub struct Member {
    pub id: Uuid,
    pub username: String,
    pub full_name: String,
    pub role: String,
    pub added_by: String,
    pub added_at: String,
}

pub(super) async fn insert(
    connection: &mut PgConnection,
    namespace: &str,
    account: Uuid,
    role: Role,
    origin: &Origin,
    now: &str,
) -> Result<bool, sqlx::Error> {
    let made = sqlx::query(
        "INSERT INTO members (namespace, account, role, added_by, added_at) \
         VALUES ($1, $2, $3, $4, $5::text::timestamptz) ON CONFLICT DO NOTHING",
    )
    .bind(namespace)
    .bind(account)
    .bind(role.word())
    .bind(&origin.actor)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(made.rows_affected() == 1)
}

const COLUMNS: &str = "SELECT a.id, a.username, a.full_name, m.role, m.added_by, \
    m.added_at::text AS added_at FROM members m JOIN accounts a ON a.id = m.account ";

impl Teams {
    /// The members, owners first.
    pub async fn members(&self, namespace: &str) -> Result<Vec<Member>, AccountError> {
        self.view(namespace, None).await?;
        let sql = format!(
            "{COLUMNS} WHERE m.namespace = $1 ORDER BY m.role = 'owner' DESC, \
             m.role = 'editor' DESC, a.username_key"
        );
        let found = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(namespace);
        Ok(found.fetch_all(&self.accounts.pool).await?)
    }

    /// Somebody who belongs, by id or user name.
    async fn member(
        &self,
        connection: &mut PgConnection,
        namespace: &str,
        who: &str,
    ) -> Result<Member, AccountError> {
        let sql =
            format!("{COLUMNS} WHERE m.namespace = $1 AND (a.id = $2 OR a.username_key = $3)");
        let id: Option<Uuid> = who.parse().ok();
        let found: Option<Member> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(namespace)
            .bind(id)
            .bind(crate::accounts::names::username_key(who))
            .fetch_optional(connection)
            .await?;
        found.ok_or_else(|| {
            AccountError::NotFound(format!("{who:?} does not belong to {namespace}"))
        })
    }

    /// Gives a member another role.
    pub async fn set_role(
        &self,
        namespace: &str,
        who: &str,
        role: Role,
        origin: &Origin,
    ) -> Result<Member, AccountError> {
        let mut transaction = self.accounts.pool.begin().await?;
        self.lock(&mut transaction, namespace).await?;
        let member = self.member(&mut transaction, namespace, who).await?;
        if role < Role::Owner {
            keeps_an_owner(&mut transaction, namespace, &member).await?;
        }
        sqlx::query("UPDATE members SET role = $3 WHERE namespace = $1 AND account = $2")
            .bind(namespace)
            .bind(member.id)
            .bind(role.word())
            .execute(&mut *transaction)
            .await?;
        let what = ("set-role", "member", member.username.as_str());
        let (was, is) = (json!({"role": member.role}), json!({"role": role.word()}));
        self.told(&mut transaction, origin, what, namespace, Some(was), Some(is)).await?;
        transaction.commit().await?;
        self.accounts.forget(member.id);
        Ok(Member { role: role.word().to_owned(), ..member })
    }

    /// Takes a member out. Whoever takes out themselves leaves.
    pub async fn remove(
        &self,
        namespace: &str,
        who: &str,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let mut transaction = self.accounts.pool.begin().await?;
        self.lock(&mut transaction, namespace).await?;
        let member = self.member(&mut transaction, namespace, who).await?;
        keeps_an_owner(&mut transaction, namespace, &member).await?;
        sqlx::query("DELETE FROM members WHERE namespace = $1 AND account = $2")
            .bind(namespace)
            .bind(member.id)
            .execute(&mut *transaction)
            .await?;
        let verb = if origin.account == Some(member.id) { "leave" } else { "remove" };
        let what = (verb, "member", member.username.as_str());
        let before = json!({"role": member.role});
        self.told(&mut transaction, origin, what, namespace, Some(before), None).await?;
        transaction.commit().await?;
        self.accounts.forget(member.id);
        Ok(())
    }
}

/// Refuses to take the last owner's role.
async fn keeps_an_owner(
    connection: &mut PgConnection,
    namespace: &str,
    member: &Member,
) -> Result<(), AccountError> {
    if member.role != Role::Owner.word() {
        return Ok(());
    }
    let (others,): (i64,) = sqlx::query_as(
        "SELECT count(*) FROM members WHERE namespace = $1 AND role = 'owner' AND account <> $2",
    )
    .bind(namespace)
    .bind(member.id)
    .fetch_one(connection)
    .await?;
    if others > 0 {
        return Ok(());
    }
    Err(AccountError::Conflict(format!(
        "{} is the last owner of {namespace}; make somebody else an owner first, or delete the team",
        member.username
    )))
}
