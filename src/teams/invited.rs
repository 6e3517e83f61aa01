//! Accepting an invitation: with an account that exists, or with a new one, in one step.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::invitation::Invitation;
use super::{TeamView, Teams, members};
use crate::accounts::{Account, AccountError, NewAccount, Origin, names};

/// What somebody with a link is shown before they decide.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Welcome {
    pub team: String,
    pub role: String,
    pub inviter: String,
    /// The address it was sent to; a new account gets it, verified.
    pub email: Option<String>,
    pub expires_at: Timestamp,
}

impl Teams {
    /// What an invitation is about. Changes nothing, so a scanner that opens links accepts nothing.
    pub async fn look(&self, code: &str) -> Result<Welcome, AccountError> {
        let mut transaction = self.accounts.pool.begin().await?;
        let invitation = self.invited_by(&mut transaction, code).await?;
        let team = self.view(&invitation.namespace, None).await?;
        Ok(Welcome {
            team: team.name,
            role: invitation.role.word().to_owned(),
            inviter: invitation.inviter,
            email: invitation.email,
            expires_at: invitation.expires_at,
        })
    }

    /// Joins with an account that exists.
    pub async fn join(
        &self,
        account: Uuid,
        code: &str,
        origin: &Origin,
    ) -> Result<TeamView, AccountError> {
        let mut transaction = self.accounts.pool.begin().await?;
        let invitation = self.accepted_by(&mut transaction, code).await?;
        self.accept(&mut transaction, &invitation, account, origin).await?;
        transaction.commit().await?;
        self.accounts.forget(account);
        self.view(&invitation.namespace, Some(account)).await
    }

    /// Registers, verifies and joins. An address the letter was sent to needs no other proof; where
    /// the link was handed over, the address is verified by mail as everybody's.
    pub async fn register(
        &self,
        new: &NewAccount,
        code: &str,
        origin: &Origin,
    ) -> Result<(Account, TeamView), AccountError> {
        // Hashing takes long, so nothing is locked meanwhile; a code that is no good costs no hash.
        let welcome = self.look(code).await?;
        let email = match welcome.email {
            Some(email) if new.email.trim().is_empty() => email,
            _ => new.email.clone(),
        };
        let new = NewAccount { email, ..new.clone() };
        let mut draft = self.accounts.draft(&new).await?;
        let mut transaction = self.accounts.pool.begin().await?;
        let invitation = self.accepted_by(&mut transaction, code).await?;
        if let Some(invited) = &invitation.email
            && names::email_key(invited) != names::email_key(&draft.email)
        {
            let message = format!("is not {invited}, which was invited");
            return Err(AccountError::field("email", "not_invited", message));
        }
        draft.verified = invitation.mailed;
        draft.verb = "register";
        draft.tier = invitation.tier.clone().or(draft.tier);
        let account = match self.accounts.create(&mut transaction, &draft, origin).await? {
            Ok(account) => account,
            Err(taken) => return Err(taken.error()),
        };
        let origin =
            Origin { actor: account.username.clone(), account: Some(account.id), ..origin.clone() };
        self.accept(&mut transaction, &invitation, account.id, &origin).await?;
        transaction.commit().await?;
        self.accounts.ensure_namespace(&account).await;
        self.accounts.forget(account.id);
        let team = self.view(&invitation.namespace, Some(account.id)).await?;
        Ok((account, team))
    }

    async fn accept(
        &self,
        connection: &mut PgConnection,
        invitation: &Invitation,
        account: Uuid,
        origin: &Origin,
    ) -> Result<(), AccountError> {
        let now = self.accounts.clock.now().to_string();
        let namespace = &invitation.namespace;
        let by = Origin { actor: invitation.inviter.clone(), ..origin.clone() };
        if !members::insert(connection, namespace, account, invitation.role, &by, &now).await? {
            return Err(AccountError::Conflict("You belong to the team already".into()));
        }
        sqlx::query(
            "UPDATE invitations SET accepted_at = $2::text::timestamptz, accepted_by = $3 \
             WHERE id = $1",
        )
        .bind(invitation.id)
        .bind(&now)
        .bind(account)
        .execute(&mut *connection)
        .await?;
        let after = json!({"role": invitation.role.word(), "invited by": invitation.inviter});
        let what = ("join", "member", origin.actor.as_str());
        self.told(connection, origin, what, namespace, None, Some(after)).await
    }
}
