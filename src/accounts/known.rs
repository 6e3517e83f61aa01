//! Who is behind a credential, read from the database at most every [`STALE_MAX`].
//!
//! # Guarantees
//! - One query loads the credential, its account and all memberships together, so that what is
//!   decided from is one moment.
//! - What was read is used for at most [`STALE_MAX`]; counted from before the query was sent.
//! - In the process that made a change [`KnownUsers::forget`] counts at once: a read that was under
//!   way is done again, not kept.
//! - However many requests carry the same credential, one of them reads.
//!
//! # Caveats
//! Other processes go on with what they know for up to [`STALE_MAX`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use devpocket_controllers::clock::Clock;
use uuid::Uuid;

use crate::access::{Credential, STALE_MAX, User};

/// Credentials remembered at most.
const SLOTS: usize = 10_000;

/// What is known of a credential that is good.
#[derive(Debug)]
pub(super) struct Known {
    pub user: User,
    /// Of an API token.
    pub digest: Option<Vec<u8>>,
    /// Of a session: the last refresh token known to have arrived.
    pub confirmed: AtomicI64,
}

#[derive(Default)]
struct Slot {
    /// Held by whoever reads.
    reading: tokio::sync::Mutex<()>,
    kept: RwLock<Option<(Duration, Arc<Known>)>>,
    account: OnceLock<Uuid>,
    /// Something changed: whatever is in here does not count.
    void: AtomicBool,
}

impl Slot {
    fn fresh(&self, now: Duration) -> Option<Arc<Known>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let (read, known) = kept.as_ref()?;
        let usable = now.saturating_sub(*read) <= STALE_MAX && !self.void.load(Ordering::Acquire);
        usable.then(|| known.clone())
    }
}

/// What this process knows of who is asking.
#[derive(Default)]
pub(super) struct KnownUsers {
    slots: Mutex<HashMap<Credential, Arc<Slot>>>,
}

impl KnownUsers {
    /// What is known of a credential, from `read` where nothing fresh is.
    pub async fn get<E, F>(
        &self,
        credential: Credential,
        clock: &dyn Clock,
        read: impl Fn() -> F,
    ) -> Result<Option<Arc<Known>>, E>
    where
        F: Future<Output = Result<Option<Known>, E>>,
    {
        loop {
            let slot = self.slot(credential, clock.monotonic());
            if let Some(known) = slot.fresh(clock.monotonic()) {
                return Ok(Some(known));
            }
            let _reading = slot.reading.lock().await;
            // Somebody else may have read meanwhile.
            let now = clock.monotonic();
            if let Some(known) = slot.fresh(now) {
                return Ok(Some(known));
            }
            let Some(known) = read().await? else {
                self.forget(credential);
                return Ok(None);
            };
            let known = Arc::new(known);
            if let Some(account) = known.user.account {
                let _ = slot.account.set(account);
            }
            *slot.kept.write().unwrap_or_else(PoisonError::into_inner) = Some((now, known));
            if let Some(known) = slot.fresh(now) {
                return Ok(Some(known));
            }
            // Void: it was forgotten while it was read, so it is read again.
        }
    }

    /// The next request with this credential reads again.
    pub fn forget(&self, credential: Credential) {
        if let Some(slot) = self.lock().remove(&credential) {
            slot.void.store(true, Ordering::Release);
        }
    }

    /// The next request with any credential of this account reads again.
    pub fn forget_account(&self, account: Uuid) {
        self.lock().retain(|_, slot| {
            // One that is being read for the first time may be anybody's.
            let other = slot.account.get().is_some_and(|known| *known != account);
            if !other {
                slot.void.store(true, Ordering::Release);
            }
            other
        });
    }

    fn slot(&self, credential: Credential, now: Duration) -> Arc<Slot> {
        let mut slots = self.lock();
        if slots.len() >= SLOTS && !slots.contains_key(&credential) {
            slots.retain(|_, slot| slot.fresh(now).is_some());
            if slots.len() >= SLOTS {
                slots.clear();
            }
        }
        slots.entry(credential).or_default().clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Credential, Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::convert::Infallible;

    use super::*;
    use crate::clock::SystemClock;

    const WHO: Credential = Credential::Session(Uuid::from_u128(1));
    const ACCOUNT: Uuid = Uuid::from_u128(2);

    fn known() -> Known {
        let user = User { account: Some(ACCOUNT), credential: WHO, ..User::admin("ann") };
        Known { user, digest: None, confirmed: AtomicI64::new(0) }
    }

    #[tokio::test]
    async fn what_was_read_is_used_until_it_is_stale_or_forgotten() {
        let (users, clock, reads) = (KnownUsers::default(), SystemClock::new(), Cell::new(0));
        let get = async || {
            let read = || async {
                reads.set(reads.get() + 1);
                Ok::<_, Infallible>(Some(known()))
            };
            users.get(WHO, &clock, read).await.unwrap().unwrap();
            reads.get()
        };
        assert_eq!((get().await, get().await), (1, 1));
        clock.advance(STALE_MAX + Duration::from_secs(1));
        assert_eq!((get().await, get().await), (2, 2));
        users.forget(WHO);
        assert_eq!(get().await, 3);
        users.forget_account(Uuid::from_u128(3));
        assert_eq!(get().await, 3, "somebody else's");
        users.forget_account(ACCOUNT);
        assert_eq!(get().await, 4);
    }

    #[tokio::test]
    async fn a_read_that_a_change_overtook_is_done_again() {
        let (users, clock, reads) = (KnownUsers::default(), SystemClock::new(), Cell::new(0));
        let read = || async {
            reads.set(reads.get() + 1);
            if reads.get() == 1 {
                users.forget_account(ACCOUNT);
            }
            Ok::<_, Infallible>(Some(known()))
        };
        users.get(WHO, &clock, read).await.unwrap().unwrap();
        assert_eq!(reads.get(), 2);
    }

    #[tokio::test]
    async fn many_requests_at_once_read_once() {
        let (users, clock, reads) = (KnownUsers::default(), SystemClock::new(), Cell::new(0));
        let read = || async {
            reads.set(reads.get() + 1);
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(Some(known()))
        };
        let gets = (0..100).map(|_| users.get(WHO, &clock, &read));
        futures::future::join_all(gets).await;
        assert_eq!(reads.get(), 1);
    }

    #[tokio::test]
    async fn what_is_not_there_is_not_remembered() {
        let (users, clock) = (KnownUsers::default(), SystemClock::new());
        let read = || async { Ok::<_, Infallible>(None) };
        assert!(users.get(WHO, &clock, read).await.unwrap().is_none());
        assert!(users.lock().is_empty());
    }
}
