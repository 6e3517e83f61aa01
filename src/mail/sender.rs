//! Sends what waits in the outbox.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::clock::Ids;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::carrier::{Carrier, Refusal};
use super::outbox::{self, Claimed, Outbox};

/// Tries before a letter is given up, if it did not run out before: about a day.
pub const ATTEMPTS_MAX: i32 = 30;
/// Longest try. A whole batch of them is shorter than the lease.
const TRY_TIME: Duration = Duration::from_secs(30);
/// Pause after the first failure; it doubles up to the longest.
const PAUSE: Duration = Duration::from_secs(30);
const PAUSE_MAX: Duration = Duration::from_secs(3_600);
/// How often it is looked for letters that other processes left.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// After a letter was posted here: its transaction commits within that, or it is found by the look
/// every half minute.
const SOON: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(200),
    Duration::from_secs(1),
    Duration::from_secs(4),
];
/// How often what became of old letters is forgotten.
const PRUNE_EVERY: Duration = Duration::from_secs(86_400);

/// The sender of one process.
pub struct Sender {
    pub outbox: Outbox,
    pub pool: PgPool,
    pub carrier: Arc<dyn Carrier>,
    pub ids: Arc<dyn Ids>,
}

impl Sender {
    /// Sends until it is stopped; a letter under way is finished first.
    pub async fn run(self, stop: CancellationToken) {
        let mut soon = SOON.iter();
        let mut pruned: Option<Instant> = None;
        loop {
            let mut more = true;
            while more && !stop.is_cancelled() {
                more = self.batch(&stop).await.unwrap_or_else(|error| {
                    tracing::warn!(%error, "the outbox does not answer, letters wait");
                    false
                });
            }
            if pruned.is_none_or(|at| at.elapsed() >= PRUNE_EVERY) {
                pruned = Some(Instant::now());
                if let Err(error) = outbox::prune(&self.pool).await {
                    tracing::warn!(%error, "old letters are not forgotten yet");
                }
            }
            let pause = soon.next().copied().unwrap_or(LOOK_EVERY);
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = self.outbox.posted() => soon = SOON.iter(),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Sends some of what is due; whether there may be more.
    async fn batch(&self, stop: &CancellationToken) -> Result<bool, sqlx::Error> {
        let claim = self.ids.uid();
        let claimed = self.outbox.claim(&self.pool, claim).await?;
        let more = i64::try_from(claimed.len()).unwrap_or(0) == outbox::BATCH;
        for letter in claimed {
            match stop.is_cancelled() {
                true => outbox::returned(&self.pool, letter.id, claim).await?,
                false => self.one(letter, claim).await?,
            }
        }
        Ok(more)
    }

    async fn one(&self, letter: Claimed, claim: Uuid) -> Result<(), sqlx::Error> {
        let Claimed { id, kind, attempts, expired, posted } = letter;
        if expired {
            return self.give_up(id, &kind, claim, "it ran out before anybody took it").await;
        }
        let posted = match posted {
            Ok(posted) => posted,
            Err(problem) => return self.give_up(id, &kind, claim, &problem).await,
        };
        let carried = tokio::time::timeout(TRY_TIME, self.carrier.carry(&posted)).await;
        let late = || Err(Refusal::Later(format!("no answer in {} s", TRY_TIME.as_secs())));
        match carried.unwrap_or_else(|_| late()) {
            Ok(()) => {
                count("sent");
                tracing::info!(%id, kind, attempts, "a letter was sent");
                outbox::sent(&self.pool, id, claim).await
            }
            Err(Refusal::Final(problem)) => self.give_up(id, &kind, claim, &problem).await,
            Err(Refusal::Later(problem)) if attempts >= ATTEMPTS_MAX => {
                self.give_up(id, &kind, claim, &problem).await
            }
            Err(Refusal::Later(problem)) => {
                count("postponed");
                let pause = pause(attempts);
                tracing::warn!(%id, kind, attempts, problem, pause_s = pause.as_secs(), "a letter waits");
                outbox::postponed(&self.pool, (id, claim), pause, &problem).await
            }
        }
    }

    async fn give_up(
        &self,
        id: Uuid,
        kind: &str,
        claim: Uuid,
        problem: &str,
    ) -> Result<(), sqlx::Error> {
        count("dead");
        tracing::error!(%id, kind, problem, "a letter was given up");
        outbox::dead(&self.pool, id, claim, problem).await
    }
}

fn pause(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(0).min(16);
    PAUSE.saturating_mul(1 << doublings).min(PAUSE_MAX)
}

fn count(outcome: &'static str) {
    metrics::counter!("devpocket_mail_letters_total", "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let seconds: Vec<u64> = [1, 2, 3, 7, 8, 30].map(|n| pause(n).as_secs()).into();
        assert_eq!(seconds, [30, 60, 120, 1_920, 3_600, 3_600]);
    }

    #[test]
    fn a_batch_ends_before_somebody_else_may_have_it() {
        let longest = TRY_TIME * u32::try_from(outbox::BATCH).unwrap();
        assert!(longest < outbox::LEASE, "{longest:?}");
    }
}
