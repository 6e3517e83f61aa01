//! What an open stream was allowed when it began, asked again every [`STREAM_RECHECK`].
//!
//! # Guarantees
//! - A stream whose user was removed, whose token was revoked or whose role changed ends within
//!   [`super::STALE_MAX`] and [`STREAM_RECHECK`] together, on every replica: nothing of it rests on
//!   being told.
//! - While it cannot be found out (the database is away), nothing more is sent: [`Standing::holds`]
//!   is false. The stream goes on when it can be.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{
    Attributes, AuthError, Authenticator, Authorizer, Credential, Decision, STREAM_RECHECK, User,
};

/// How long asking may take before a stream waits for the answer.
const GRACE: Duration = Duration::from_secs(1);

/// Why a stream ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    /// The credential is not good any more.
    #[error("{0}")]
    SignedOut(String),
    /// What its user may see changed: whoever may see it still begins anew.
    #[error("what you may see here changed; begin anew")]
    Changed,
}

/// Somebody with an open stream, and what they were allowed.
#[derive(Clone)]
pub struct Standing {
    user: User,
    asked: Vec<Attributes>,
    answers: Vec<Decision>,
    /// When what is known was asked for.
    known: Instant,
    authenticator: Arc<dyn Authenticator>,
    authorizer: Arc<dyn Authorizer>,
}

impl Standing {
    /// As things stand now, for what the stream rests on.
    pub fn new(
        user: User,
        asked: Vec<Attributes>,
        authenticator: Arc<dyn Authenticator>,
        authorizer: Arc<dyn Authorizer>,
    ) -> Standing {
        let answers = asked.iter().map(|asked| authorizer.authorize(&user, asked)).collect();
        Standing { user, asked, answers, known: Instant::now(), authenticator, authorizer }
    }

    /// When it has to be asked again; never for tokens of the configuration, which do not change.
    pub fn due(&self) -> Option<Instant> {
        (self.user.credential != Credential::Configured).then(|| self.known + STREAM_RECHECK)
    }

    /// Until when what is known is fresh enough to go on sending.
    pub fn holds_until(&self) -> Option<Instant> {
        Some(self.due()? + GRACE)
    }

    pub fn holds(&self) -> bool {
        self.holds_until().is_none_or(|until| Instant::now() < until)
    }

    /// Returns when what the stream rests on is over. While that cannot be found out it goes on.
    pub async fn ends(mut self) -> Ended {
        loop {
            match self.due() {
                Some(due) => tokio::time::sleep_until(due).await,
                None => std::future::pending().await,
            }
            self = match self.asked_again().await {
                Ok(standing) => standing,
                Err(ended) => return ended,
            };
        }
    }

    /// Asks again. Where it cannot be found out, nothing is known anew.
    pub async fn asked_again(mut self) -> Result<Standing, Ended> {
        let at = Instant::now();
        match self.authenticator.renew(&self.user).await {
            Ok(user) => self.user = user,
            Err(AuthError::Invalid(why)) => return Err(Ended::SignedOut(why)),
            Err(error @ AuthError::Unavailable(_)) => {
                tracing::warn!(user = self.user.name, "a stream waits: {error}");
                // Soon again, without taking what is known for fresher than it is.
                tokio::time::sleep(STREAM_RECHECK / 4).await;
                return Ok(self);
            }
        }
        let answers = self.asked.iter().map(|asked| self.authorizer.authorize(&self.user, asked));
        if !answers.eq(self.answers.iter().cloned()) {
            return Err(Ended::Changed);
        }
        self.known = at;
        Ok(self)
    }
}
