//! One invitation as it is stored.

use jiff::Timestamp;
use sqlx::Row as _;
use uuid::Uuid;

use super::invitations::InvitationView;
use crate::access::Role;
use crate::accounts::AccountError;

/// A row of `invitations`.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: Uuid,
    pub namespace: String,
    pub email: Option<String>,
    pub mailed: bool,
    pub role: Role,
    pub tier: Option<String>,
    pub days: u32,
    pub inviter: String,
    pub created_at: Timestamp,
    pub sent_at: Timestamp,
    pub sent: i32,
    pub expires_at: Timestamp,
    pub accepted: bool,
    pub revoked: bool,
}

pub(super) const COLUMNS: &str = "SELECT id, namespace, email, mailed, role, tier, days, inviter, sent, \
    (extract(epoch FROM created_at) * 1000000)::bigint AS created_at, \
    (extract(epoch FROM sent_at) * 1000000)::bigint AS sent_at, \
    (extract(epoch FROM expires_at) * 1000000)::bigint AS expires_at, \
    accepted_at IS NOT NULL AS accepted, revoked_at IS NOT NULL AS revoked FROM invitations ";

impl Invitation {
    pub(super) fn read(row: &sqlx::postgres::PgRow) -> Result<Invitation, AccountError> {
        let time = |column: &str| -> Result<Timestamp, AccountError> {
            let micros: i64 = row.try_get(column)?;
            Timestamp::from_microsecond(micros)
                .map_err(|error| AccountError::Failed(error.to_string()))
        };
        let role: String = row.try_get("role")?;
        let days: i32 = row.try_get("days")?;
        Ok(Invitation {
            id: row.try_get("id")?,
            namespace: row.try_get("namespace")?,
            email: row.try_get("email")?,
            mailed: row.try_get("mailed")?,
            role: role.parse().map_err(AccountError::Failed)?,
            tier: row.try_get("tier")?,
            days: days.unsigned_abs(),
            inviter: row.try_get("inviter")?,
            created_at: time("created_at")?,
            sent_at: time("sent_at")?,
            sent: row.try_get("sent")?,
            expires_at: time("expires_at")?,
            accepted: row.try_get("accepted")?,
            revoked: row.try_get("revoked")?,
        })
    }

    pub fn state(&self, now: Timestamp) -> &'static str {
        match (self.accepted, self.revoked) {
            (true, _) => "accepted",
            (_, true) => "revoked",
            _ if self.expires_at <= now => "expired",
            _ => "pending",
        }
    }

    pub(super) fn view(&self, now: Timestamp) -> InvitationView {
        InvitationView {
            id: self.id,
            email: self.email.clone(),
            role: self.role.word().to_owned(),
            state: self.state(now).to_owned(),
            inviter: self.inviter.clone(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            sent: self.sent,
        }
    }
}
