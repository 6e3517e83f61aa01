//! Invitations: links by which somebody joins, sent by mail or handed over.
//!
//! A code is shown once, in its link, and kept as a digest. Sending again makes another code, and the
//! old link is void.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Teams;
use super::invitation::{COLUMNS, Invitation};
use crate::access::Role;
use crate::accounts::opaque::{self, Digest};
use crate::accounts::{AccountError, Origin, names};
use crate::mail::Letter;
use crate::pages::Page;

/// What a code begins with.
pub const PREFIX: &str = "dpi_";
/// How long an invitation is good, in days, where nothing is said.
pub const DAYS: u32 = 7;
/// The longest.
pub const DAYS_MAX: u32 = 30;
/// Invitations of one team that wait at a time.
pub const OPEN_MAX: i64 = 50;
/// How often one is sent at most.
pub const SENT_MAX: i32 = 10;
/// Time between two letters of one invitation.
pub const SEND_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Invitations one list holds at most.
const LISTED: i64 = 200;

/// Whom to invite, as what.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    /// Absent: for whoever has the link.
    #[serde(default)]
    pub email: Option<String>,
    pub role: String,
    #[serde(default)]
    pub days: Option<u32>,
    /// Tier of the account that is made with it; for admins to say.
    #[serde(default)]
    pub tier: Option<String>,
}

/// An invitation as the team's owners see it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InvitationView {
    pub id: Uuid,
    pub email: Option<String>,
    pub role: String,
    /// `pending`, `accepted`, `revoked` or `expired`.
    pub state: String,
    pub inviter: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub sent: i32,
}

/// One that was just made or sent again.
#[derive(Clone, Debug, Serialize)]
pub struct Invited {
    #[serde(flatten)]
    pub invitation: InvitationView,
    /// To hand over; absent where it went by mail, since having it then proves the address.
    pub link: Option<String>,
}

impl Teams {
    /// Invites somebody. With an address and a mail sender a letter goes out, else the link is
    /// answered.
    pub async fn invite(
        &self,
        namespace: &str,
        new: &NewInvitation,
        by_admin: bool,
        origin: &Origin,
    ) -> Result<Invited, AccountError> {
        let role: Role = new
            .role
            .parse()
            .map_err(|why: String| AccountError::field("role", "unknown_role", why))?;
        let days = new.days.unwrap_or(DAYS);
        if !(1..=DAYS_MAX).contains(&days) {
            let message = format!("has to be 1 to {DAYS_MAX}");
            return Err(AccountError::field("days", "out_of_range", message));
        }
        let email = new.email.as_deref().map(names::email).transpose();
        let email = email.map_err(|fault| AccountError::Invalid(vec![fault]))?;
        if new.tier.is_some() && !by_admin {
            let message = "Only an administrator gives a tier with an invitation";
            return Err(AccountError::Forbidden(message.into()));
        }
        let now = self.accounts.clock.now();
        let mailed = email.is_some() && self.accounts.settings.mail;
        let mut transaction = self.accounts.pool.begin().await?;
        let team = self.lock(&mut transaction, namespace).await?;
        self.room(&mut transaction, namespace, email.as_deref(), now).await?;
        let code = opaque::make(PREFIX)?;
        let id = self.accounts.ids.uid();
        let expires = now.saturating_add(lasting(days)).unwrap_or(Timestamp::MAX);
        sqlx::query(
            "INSERT INTO invitations (id, namespace, digest, email, mailed, role, tier, days, \
             inviter, created_at, sent_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
             $10::text::timestamptz, $10::text::timestamptz, $11::text::timestamptz)",
        )
        .bind(id)
        .bind(namespace)
        .bind(Digest::of(&code).0.as_slice())
        .bind(&email)
        .bind(mailed)
        .bind(role.word())
        .bind(&new.tier)
        .bind(i32::try_from(days).unwrap_or_default())
        .bind(&origin.actor)
        .bind(now.to_string())
        .bind(expires.to_string())
        .execute(&mut *transaction)
        .await?;
        let invitation = self.invitation(&mut transaction, namespace, id).await?;
        let after = json!({"role": role.word(), "email": email, "days": days, "tier": new.tier});
        let whom = email.as_deref().unwrap_or("link");
        let what = ("invite", "invitation", whom);
        self.told(&mut transaction, origin, what, namespace, None, Some(after)).await?;
        let link = self.hand_over(&mut transaction, &invitation, &team, &code).await?;
        transaction.commit().await?;
        Ok(Invited { invitation: invitation.view(now), link })
    }

    /// Refuses where as many wait as may, or the address belongs to a member.
    async fn room(
        &self,
        connection: &mut PgConnection,
        namespace: &str,
        email: Option<&str>,
        now: Timestamp,
    ) -> Result<(), AccountError> {
        let (open,): (i64,) = sqlx::query_as(
            "SELECT count(*) FROM invitations WHERE namespace = $1 AND accepted_at IS NULL \
             AND revoked_at IS NULL AND expires_at > $2::text::timestamptz",
        )
        .bind(namespace)
        .bind(now.to_string())
        .fetch_one(&mut *connection)
        .await?;
        if open >= OPEN_MAX {
            let message = format!("{open} invitations wait already; revoke some first");
            return Err(AccountError::Conflict(message));
        }
        let Some(email) = email else { return Ok(()) };
        let (belongs,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM members m JOIN accounts a ON a.id = m.account \
             WHERE m.namespace = $1 AND a.email_key = $2)",
        )
        .bind(namespace)
        .bind(names::email_key(email))
        .fetch_one(connection)
        .await?;
        if belongs {
            return Err(AccountError::Conflict(format!("{email} belongs to the team already")));
        }
        Ok(())
    }

    /// The link by mail, or to hand over.
    async fn hand_over(
        &self,
        connection: &mut PgConnection,
        invitation: &Invitation,
        team: &str,
        code: &str,
    ) -> Result<Option<String>, AccountError> {
        let link = Page::Invite.link(&self.accounts.settings.public_url, code);
        let Some(to) = invitation.email.as_deref().filter(|_| invitation.mailed) else {
            return Ok(Some(link));
        };
        let letter = Letter::Invitation {
            inviter: invitation.inviter.clone(),
            team: team.to_owned(),
            role: invitation.role.word().to_owned(),
            link,
            days: invitation.days,
        };
        let (id, now) = (self.accounts.ids.uid(), self.accounts.clock.now());
        let posted = self.accounts.outbox.post(connection, id, to, &letter, now).await;
        posted.map_err(|error| AccountError::Failed(error.to_string()))?;
        Ok(None)
    }

    /// All of a team, newest first.
    pub async fn invitations(&self, namespace: &str) -> Result<Vec<InvitationView>, AccountError> {
        self.view(namespace, None).await?;
        let sql = format!("{COLUMNS} WHERE namespace = $1 ORDER BY created_at DESC LIMIT $2");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(namespace)
            .bind(LISTED)
            .fetch_all(&self.accounts.pool)
            .await?;
        let now = self.accounts.clock.now();
        rows.iter().map(|row| Ok(Invitation::read(row)?.view(now))).collect()
    }

    async fn invitation(
        &self,
        connection: &mut PgConnection,
        namespace: &str,
        id: Uuid,
    ) -> Result<Invitation, AccountError> {
        let sql = format!("{COLUMNS} WHERE namespace = $1 AND id = $2 FOR UPDATE");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(namespace)
            .bind(id)
            .fetch_optional(connection)
            .await?;
        let row =
            row.ok_or_else(|| AccountError::NotFound("there is no such invitation".into()))?;
        Invitation::read(&row)
    }

    /// The invitation a code belongs to, if it is still good, with the team locked before it: nobody
    /// else accepts it meanwhile.
    pub(super) async fn accepted_by(
        &self,
        connection: &mut PgConnection,
        code: &str,
    ) -> Result<Invitation, AccountError> {
        let found = self.invited_by(connection, code).await?;
        self.lock(connection, &found.namespace).await?;
        self.invited_by(connection, code).await
    }

    /// The same, only to be looked at.
    pub(super) async fn invited_by(
        &self,
        connection: &mut PgConnection,
        code: &str,
    ) -> Result<Invitation, AccountError> {
        let void = |why: &str| {
            AccountError::Bad(format!(
                "The invitation is not good any more: {why}. Ask for another"
            ))
        };
        let digest =
            opaque::read(PREFIX, code.trim()).ok_or_else(|| void("its link is not whole"))?;
        let sql = format!("{COLUMNS} WHERE digest = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(digest.0.as_slice())
            .fetch_optional(connection)
            .await?;
        let row = row.ok_or_else(|| void("it was withdrawn, or sent again with another link"))?;
        let invitation = Invitation::read(&row)?;
        match invitation.state(self.accounts.clock.now()) {
            "pending" => Ok(invitation),
            "accepted" => Err(void("it was accepted already")),
            "revoked" => Err(void("it was withdrawn")),
            _ => Err(void("its time is over")),
        }
    }

    /// Sends it again, with another link, for as long as the first time.
    pub async fn resend(
        &self,
        namespace: &str,
        id: Uuid,
        origin: &Origin,
    ) -> Result<Invited, AccountError> {
        let now = self.accounts.clock.now();
        let mut transaction = self.accounts.pool.begin().await?;
        let team = self.lock(&mut transaction, namespace).await?;
        let before = self.invitation(&mut transaction, namespace, id).await?;
        if before.accepted || before.revoked {
            let message = format!("The invitation was {} already", before.state(now));
            return Err(AccountError::Conflict(message));
        }
        let again = before.sent_at.saturating_add(SEND_EVERY).unwrap_or(Timestamp::MAX);
        if before.sent >= SENT_MAX {
            let message = format!("It was sent {SENT_MAX} times; revoke it and invite anew");
            return Err(AccountError::Conflict(message));
        }
        if now < again {
            let seconds = u64::try_from(again.duration_since(now).as_secs()).unwrap_or_default();
            let message = "It was sent a moment ago".to_owned();
            return Err(AccountError::Later { message, seconds: seconds.max(1) });
        }
        let code = opaque::make(PREFIX)?;
        let expires = now.saturating_add(lasting(before.days)).unwrap_or(Timestamp::MAX);
        sqlx::query(
            "UPDATE invitations SET digest = $2, sent = sent + 1, \
             sent_at = $3::text::timestamptz, expires_at = $4::text::timestamptz WHERE id = $1",
        )
        .bind(id)
        .bind(Digest::of(&code).0.as_slice())
        .bind(now.to_string())
        .bind(expires.to_string())
        .execute(&mut *transaction)
        .await?;
        let invitation = self.invitation(&mut transaction, namespace, id).await?;
        let whom = invitation.email.as_deref().unwrap_or("link");
        self.told(&mut transaction, origin, ("resend", "invitation", whom), namespace, None, None)
            .await?;
        let link = self.hand_over(&mut transaction, &invitation, &team, &code).await?;
        transaction.commit().await?;
        Ok(Invited { invitation: invitation.view(now), link })
    }

    /// Withdraws it: its link is void at once.
    pub async fn revoke(
        &self,
        namespace: &str,
        id: Uuid,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let now = self.accounts.clock.now();
        let mut transaction = self.accounts.pool.begin().await?;
        self.lock(&mut transaction, namespace).await?;
        let before = self.invitation(&mut transaction, namespace, id).await?;
        if before.accepted {
            let message = "It was accepted already; remove the member instead";
            return Err(AccountError::Conflict(message.into()));
        }
        sqlx::query(
            "UPDATE invitations SET revoked_at = coalesce(revoked_at, $2::text::timestamptz) \
             WHERE id = $1",
        )
        .bind(id)
        .bind(now.to_string())
        .execute(&mut *transaction)
        .await?;
        let whom = before.email.as_deref().unwrap_or("link");
        self.told(&mut transaction, origin, ("revoke", "invitation", whom), namespace, None, None)
            .await?;
        Ok(transaction.commit().await?)
    }
}

fn lasting(days: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(days))
}
