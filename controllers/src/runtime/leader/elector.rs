//! Taking, keeping and releasing the lease.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use devpocket_specs::lease::{Lease, LeaseSpec};
use devpocket_specs::metadata::ObjectMeta;
use devpocket_specs::object::Key;
use devpocket_specs::status::{Reason, Status};
use futures::future::{Either, select};
use tokio_util::sync::CancellationToken;

use super::{LONGEST_LEASE, LeaderHandle, LeaseTimings, Succession};
use crate::client::{Client, ClientError};
use crate::clock::{Clock, timeout};

/// First epochs count seconds from here (2025-01-01), so that a lease which was deleted and made
/// anew begins above every epoch it ever had.
const EPOCH_ZERO: i64 = 1_735_689_600;

/// A candidate for one lease.
pub struct Elector {
    client: Client,
    lease: Key,
    identity: String,
    timings: LeaseTimings,
}

/// A foreign lease, and since when it has not changed.
struct Watched {
    revision: u64,
    since: Duration,
}

enum Renewal {
    Renewed,
    Lost(ClientError),
    Failed(String),
}

impl Elector {
    /// `identity` must belong to this process alone. The client must carry no fence.
    pub fn new(
        client: Client,
        lease: Key,
        identity: impl Into<String>,
        timings: LeaseTimings,
    ) -> Elector {
        Elector { client, lease, identity: identity.into(), timings }
    }

    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Leads whenever it can, until `shutdown`: runs `term` once for each term won.
    ///
    /// A term ends in one of three ways. It returns by itself: the lease is released. `shutdown`
    /// is asked for: `term`, which has the same token, drains while the lease is still renewed,
    /// then the lease is released. The lease is lost ([`LeaderHandle::lost`]): `term` drains and
    /// the election begins anew. It is never dropped half-way.
    pub async fn run<F, Fut>(&self, shutdown: CancellationToken, mut term: F)
    where
        F: FnMut(LeaderHandle) -> Fut,
        Fut: Future<Output = ()>,
    {
        while !shutdown.is_cancelled() {
            let handle = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                handle = self.acquire() => handle,
            };
            let work = std::pin::pin!(term(handle.clone()));
            let keeping = std::pin::pin!(self.keep(&handle));
            match select(work, keeping).await {
                Either::Left(((), _)) => self.release(&handle).await,
                Either::Right(((), work)) => work.await,
            }
        }
    }

    /// Waits until the lease is ours. Errors of the store are logged and waited out.
    pub async fn acquire(&self) -> LeaderHandle {
        let mut watched = None;
        loop {
            match self.try_acquire(&mut watched).await {
                Ok(Some(handle)) => {
                    tracing::info!(epoch = handle.epoch(), "leading: {:?}", handle.succession());
                    return handle;
                }
                Ok(None) => {}
                Err(error) => tracing::warn!("the lease cannot be had: {error}"),
            }
            self.clock().sleep(self.timings.retry_every).await;
        }
    }

    /// One look at the lease, and one attempt to take it if it may be taken.
    async fn try_acquire(
        &self,
        watched: &mut Option<Watched>,
    ) -> Result<Option<LeaderHandle>, ClientError> {
        let Some(lease) = self.client.get::<Lease>(&self.lease).await? else {
            *watched = None;
            return self.take(None, Succession::First).await;
        };
        let seen = self.clock().monotonic();
        let holder = lease.spec.holder_identity.clone().unwrap_or_default();
        if holder.is_empty() {
            return self.take(Some(lease), Succession::Released).await;
        }
        if holder == self.identity {
            return self.take(Some(lease), Succession::Own).await;
        }
        let revision = lease.metadata.revision().unwrap_or(0);
        let since = match watched {
            Some(before) if before.revision == revision => before.since,
            _ => {
                *watched = Some(Watched { revision, since: seen });
                seen
            }
        };
        let duration = self.duration_of(&lease);
        if seen.saturating_sub(since) < duration {
            return Ok(None);
        }
        self.take(Some(lease), Succession::Expired { holder, duration }).await
    }

    async fn take(
        &self,
        lease: Option<Lease>,
        succession: Succession,
    ) -> Result<Option<LeaderHandle>, ClientError> {
        let sent = self.clock().monotonic();
        let first = self.first_epoch();
        let last = lease.as_ref().and_then(|lease| lease.spec.lease_transitions);
        let epoch = last.map_or(first, |last| last.saturating_add(1));
        let now = self.client.now();
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(seconds(self.timings.duration)),
            acquire_time: Some(now),
            renew_time: Some(now),
            lease_transitions: Some(epoch),
        };
        let written = match lease {
            Some(lease) => self.client.update(&Lease { spec, ..lease }).await,
            None => {
                let metadata = ObjectMeta::named(&self.lease.namespace, &self.lease.name);
                self.client.create(&Lease { metadata, spec }).await
            }
        };
        match written {
            Ok(_) => {
                let clock = Arc::clone(self.client.clock());
                let deadline = self.deadline(sent);
                let lease = self.lease.clone();
                Ok(Some(LeaderHandle::new(lease, epoch, succession, deadline, clock)))
            }
            // Another candidate was faster.
            Err(error) if error.is_conflict() || error.is_already_exists() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Renews until the lease is lost, then says so through the handle.
    pub async fn keep(&self, handle: &LeaderHandle) {
        let mut pause = self.timings.renew_every;
        loop {
            let left = handle.remaining();
            self.clock().sleep(pause.min(left)).await;
            let left = handle.remaining();
            if left.is_zero() {
                tracing::error!(epoch = handle.epoch(), "the lease was lost: not renewed in time");
                break;
            }
            let sent = self.clock().monotonic();
            let renewal = match timeout(&**self.clock(), left, self.renew(handle)).await {
                Ok(renewal) => renewal,
                Err(elapsed) => Renewal::Failed(elapsed.to_string()),
            };
            match renewal {
                Renewal::Renewed => {
                    handle.extend(self.deadline(sent));
                    pause = self.timings.renew_every;
                }
                Renewal::Lost(error) => {
                    tracing::error!(epoch = handle.epoch(), "the lease was lost: {error}");
                    break;
                }
                Renewal::Failed(error) => {
                    tracing::warn!(epoch = handle.epoch(), "the lease was not renewed: {error}");
                    pause = self.timings.retry_every;
                }
            }
        }
        metrics::counter!("devpocket_leader_losses_total").increment(1);
        handle.lost().cancel();
    }

    async fn renew(&self, handle: &LeaderHandle) -> Renewal {
        let now = self.client.now();
        let renewed = self.edit_own(handle, |spec| spec.renew_time = Some(now)).await;
        match renewed {
            Ok(_) => Renewal::Renewed,
            // Gone, taken over, or no longer ours: nothing that a repeat could mend.
            Err(error @ ClientError::Refused(_)) => Renewal::Lost(error),
            Err(error) if error.is_not_found() => Renewal::Lost(error),
            Err(error) => Renewal::Failed(error.to_string()),
        }
    }

    /// Ends the term and lets the next leader begin at once. Only for terms whose work is done.
    pub async fn release(&self, handle: &LeaderHandle) {
        let left = handle.remaining();
        handle.lost().cancel();
        if left.is_zero() {
            return;
        }
        let release = self.edit_own(handle, |spec| spec.holder_identity = None);
        match timeout(&**self.clock(), left, release).await {
            Ok(Ok(_)) => tracing::info!(epoch = handle.epoch(), "the lease was released"),
            Ok(Err(error)) => tracing::warn!("the lease was not released: {error}"),
            Err(elapsed) => tracing::warn!("the lease was not released: {elapsed}"),
        }
    }

    /// Changes the lease, provided it is still the one of this term.
    async fn edit_own(
        &self,
        handle: &LeaderHandle,
        change: impl Fn(&mut LeaseSpec) + Send + Sync,
    ) -> Result<Lease, ClientError> {
        let epoch = handle.epoch();
        self.client
            .try_edit(&self.lease, |lease: &mut Lease| {
                let spec = &mut lease.spec;
                let ours = spec.holder_identity.as_deref() == Some(self.identity.as_str())
                    && spec.lease_transitions == Some(epoch);
                if !ours {
                    let holder = spec.holder_identity.as_deref().unwrap_or("nobody");
                    let text = format!("it is held by {holder}");
                    return Err(Status::new(Reason::Conflict, text));
                }
                change(spec);
                Ok(())
            })
            .await
    }

    fn clock(&self) -> &Arc<dyn Clock> {
        self.client.clock()
    }

    fn deadline(&self, sent: Duration) -> Duration {
        sent.saturating_add(self.timings.duration).saturating_sub(self.timings.margin)
    }

    fn duration_of(&self, lease: &Lease) -> Duration {
        let stated = lease.spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok());
        stated.map_or(self.timings.duration, Duration::from_secs).min(LONGEST_LEASE)
    }

    fn first_epoch(&self) -> i32 {
        let seconds = self.client.now().as_second().saturating_sub(EPOCH_ZERO);
        i32::try_from(seconds).unwrap_or(i32::MAX / 2).clamp(1, i32::MAX / 2)
    }
}

/// Whole seconds, rounded up: others must never wait for less than we count on.
fn seconds(duration: Duration) -> i32 {
    let whole = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i32::try_from(whole).unwrap_or(i32::MAX)
}
