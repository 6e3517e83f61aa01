use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use devpocket_specs::lease::Lease;
use fastrand::Rng;
use futures::future::{Either, join_all, select};

use super::*;
use crate::runtime::rig::{self, lease, lease_key, rig};
use crate::sim::store::MemoryStore;
use crate::store::{Listing, Revision, Store, StoreError, Stored, Watch, Write};

const SECOND: Duration = Duration::from_secs(1);
const CALL: Duration = Duration::from_secs(25);

/// Short, so that delays of seconds matter.
const TIMINGS: LeaseTimings = LeaseTimings {
    duration: Duration::from_secs(15),
    margin: Duration::from_secs(2),
    renew_every: Duration::from_secs(5),
    retry_every: Duration::from_secs(2),
};

fn key() -> Key {
    lease_key("devpocket-system", "controllers")
}

fn elector(client: &crate::client::Client, identity: &str) -> Elector {
    Elector::new(client.clone(), key(), identity, TIMINGS)
}

#[tokio::test(start_paused = true)]
async fn a_silent_holder_is_succeeded_after_its_whole_duration_and_a_released_lease_at_once() {
    let rig = rig();
    let first = elector(&rig.client, "a").acquire().await;
    assert_eq!(first.succession(), &Succession::First);
    let began = rig.clock.monotonic();
    let heir = elector(&rig.client, "b");
    let second = heir.acquire().await;
    assert!(rig.clock.monotonic() - began >= TIMINGS.duration, "it did not wait long enough");
    assert!(first.is_lost(), "both held it");
    assert_eq!(second.wait_out(CALL), CALL);
    assert!(second.epoch() > first.epoch());

    heir.release(&second).await;
    assert!(second.is_lost() && second.lost().is_cancelled());
    let began = rig.clock.monotonic();
    let third = elector(&rig.client, "c").acquire().await;
    assert_eq!(rig.clock.monotonic(), began);
    assert_eq!((third.succession(), third.wait_out(CALL)), (&Succession::Released, Duration::ZERO));
    assert!(third.epoch() > second.epoch());
}

#[tokio::test(start_paused = true)]
async fn writes_of_a_former_leader_are_refused() {
    let rig = rig();
    let old = elector(&rig.client, "a").acquire().await;
    let client = rig.client.fenced(old.fence());
    client.create(&lease("team-a", "before", "x")).await.unwrap();
    elector(&rig.client, "b").acquire().await;
    let refused = client.create(&lease("team-a", "after", "x")).await.unwrap_err();
    assert!(refused.is_fenced(), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_begins_above_every_epoch_it_had() {
    let rig = rig();
    let mut last = elector(&rig.client, "a").acquire().await;
    for identity in ["b", "c", "d"] {
        last = elector(&rig.client, identity).acquire().await;
    }
    rig.client.delete(&key(), Default::default()).await.unwrap();
    let next = elector(&rig.client, "e").acquire().await;
    assert!(next.epoch() > last.epoch(), "{} after {}", next.epoch(), last.epoch());
    let write = rig.client.fenced(last.fence()).create(&lease("team-a", "late", "x")).await;
    assert!(write.unwrap_err().is_fenced());
}

#[tokio::test(start_paused = true)]
async fn no_call_is_started_that_could_outlive_the_lease() {
    let rig = rig();
    let elector = elector(&rig.client, "a");
    let handle = elector.acquire().await;
    let timeout = TIMINGS.longest_call() - SECOND;
    let silence = async {
        rig.clock.sleep(SECOND * 60).await;
        assert!(handle.outlives(timeout), "renewals failed to keep the lease");
        rig.store.set_outage(Some("gone"));
        rig.clock.sleep(TIMINGS.renew_every).await;
        assert!(!handle.outlives(TIMINGS.duration - TIMINGS.margin));
    };
    futures::join!(elector.keep(&handle), silence);
    assert!(handle.lost().is_cancelled() && !handle.outlives(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn an_outage_ends_the_term_which_drains_and_a_new_term_follows() {
    let rig = rig();
    let (shutdown, terms) = (CancellationToken::new(), Mutex::new(Vec::new()));
    let elector = elector(&rig.client, "a");
    let run = elector.run(shutdown.clone(), |handle| {
        let (terms, clock, shutdown) = (&terms, &rig.clock, shutdown.clone());
        async move {
            select(std::pin::pin!(handle.lost().cancelled()), std::pin::pin!(shutdown.cancelled()))
                .await;
            clock.sleep(SECOND * 7).await;
            terms.lock().unwrap().push((handle.epoch(), handle.is_lost(), clock.monotonic()));
        }
    });
    let script = async {
        rig.clock.sleep(SECOND * 30).await;
        rig.store.set_outage(Some("gone"));
        rig.clock.sleep(SECOND * 60).await;
        rig.store.set_outage(None);
        rig.clock.sleep(SECOND * 60).await;
        shutdown.cancel();
    };
    futures::join!(run, script);
    let terms = terms.into_inner().unwrap();
    let [(first, true, ended), (second, false, _)] = terms[..] else { panic!("{terms:?}") };
    assert!(second > first);
    assert!(ended >= SECOND * 37, "it was dropped instead of drained");
    let lease: Lease = rig.client.get(&key()).await.unwrap().unwrap();
    assert_eq!(lease.spec.holder_identity, None, "released only after the drain");
}

/// A way to the store that is slow, loses replies and is cut now and then.
struct Flaky {
    store: MemoryStore,
    clock: Arc<dyn Clock>,
    rng: Mutex<Rng>,
    /// The longest one-way delay.
    slow: Mutex<Duration>,
    cut: AtomicBool,
}

impl Flaky {
    fn new(rig: &rig::Rig, seed: u64) -> Flaky {
        Flaky {
            store: rig.store.clone(),
            clock: Arc::clone(&rig.clock),
            rng: Mutex::new(Rng::with_seed(seed)),
            slow: Mutex::new(Duration::ZERO),
            cut: AtomicBool::new(false),
        }
    }

    async fn travel(&self) -> Result<(), StoreError> {
        let slow = *self.slow.lock().unwrap();
        // Mostly as slow as can be: what hurts is the tail.
        self.clock.sleep(slow.mul_f64(self.draw(|rng| rng.f64().max(rng.f64())))).await;
        match self.cut.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("cut".into())),
            false => Ok(()),
        }
    }

    fn draw<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        draw(&mut self.rng.lock().unwrap())
    }
}

#[async_trait]
impl Store for Flaky {
    async fn get(&self, key: &Key) -> Result<Option<Arc<Stored>>, StoreError> {
        self.travel().await?;
        let found = self.store.get(key).await;
        self.travel().await?;
        found
    }

    async fn write(&self, write: Write) -> Result<Arc<Stored>, StoreError> {
        self.travel().await?;
        let written = self.store.write(write).await;
        if self.travel().await.is_err() || self.draw(|rng| rng.u8(..10)) == 0 {
            return Err(StoreError::Ambiguous("the reply was lost".into()));
        }
        written
    }

    async fn list(
        &self,
        kind: devpocket_specs::kind::Kind,
        namespace: Option<&str>,
    ) -> Result<Listing, StoreError> {
        self.store.list(kind, namespace).await
    }

    async fn watch(
        &self,
        kind: devpocket_specs::kind::Kind,
        after: Revision,
    ) -> Result<Watch, StoreError> {
        self.store.watch(kind, after).await
    }

    async fn decisions(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Arc<devpocket_specs::decision::DecisionRecord>>, StoreError> {
        self.store.decisions(namespace, name).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.store.revision().await
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_a_renewal_takes_counts_against_the_lease() {
    let rig = rig();
    let flaky = Arc::new(Flaky::new(&rig, 1));
    let elector = elector(&rig::client(flaky.clone(), Arc::clone(&rig.clock)), "a");
    let handle = elector.acquire().await;
    let began = rig.clock.monotonic();
    *flaky.slow.lock().unwrap() = SECOND * 2;
    let look = async {
        // Sent at 5, and the store must have been reached and left again twice.
        let mut before = handle.remaining();
        loop {
            rig.clock.sleep(SECOND / 10).await;
            let now = handle.remaining();
            if now > before {
                break;
            }
            before = now;
        }
        let renewed = rig.clock.monotonic() - began;
        assert!(renewed > TIMINGS.renew_every + SECOND, "it was not slow, this shows nothing");
        let from_sent = TIMINGS.renew_every + TIMINGS.duration - TIMINGS.margin;
        assert!(handle.remaining() <= from_sent - renewed);
    };
    select(Box::pin(elector.keep(&handle)), Box::pin(look)).await;
    assert!(!handle.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_gave_to_another_is_lost_and_left_to_them() {
    let rig = rig();
    let elector = elector(&rig.client, "a");
    let handle = elector.acquire().await;
    let give = |lease: &mut Lease| lease.spec.holder_identity = Some("b".into());
    rig.client.edit(&key(), give).await.unwrap();
    let patience = rig.clock.sleep(TIMINGS.duration);
    select(Box::pin(elector.keep(&handle)), patience).await;
    assert_eq!(rig.clock.monotonic(), TIMINGS.renew_every, "at the first renewal");
    assert!(handle.is_lost());
    elector.release(&handle).await;
    let lease: Lease = rig.client.get(&key()).await.unwrap().unwrap();
    assert_eq!(lease.spec.holder_identity.as_deref(), Some("b"));
}

/// A process that is killed, stopped or cut off from the store now and then, and always returns.
async fn process(n: u64, flaky: Arc<Flaky>, terms: Arc<Mutex<Vec<LeaderHandle>>>) {
    for life in 0.. {
        let client = rig::client(flaky.clone(), Arc::clone(&flaky.clock));
        let elector = Elector::new(client, key(), format!("{n}-{life}"), TIMINGS);
        let shutdown = CancellationToken::new();
        let work = elector.run(shutdown.clone(), |handle| {
            terms.lock().unwrap().push(handle.clone());
            let (drain, shutdown) = (flaky.draw(|rng| rng.u64(..20)), shutdown.clone());
            let flaky = Arc::clone(&flaky);
            async move {
                let stop = std::pin::pin!(shutdown.cancelled());
                select(std::pin::pin!(handle.lost().cancelled()), stop).await;
                flaky.clock.sleep(SECOND * drain as u32).await;
            }
        });
        let fate = async {
            for _ in 0..flaky.draw(|rng| rng.u32(1..4)) {
                flaky.clock.sleep(SECOND * flaky.draw(|rng| rng.u32(5..60))).await;
                let cut = flaky.draw(|rng| rng.u8(..3) == 0);
                flaky.cut.store(cut, Ordering::Relaxed);
                *flaky.slow.lock().unwrap() = SECOND * flaky.draw(|rng| rng.u32(..4) * 2);
            }
            flaky.cut.store(false, Ordering::Relaxed);
            flaky.draw(|rng| rng.bool())
        };
        if let Either::Right((true, work)) = select(Box::pin(work), Box::pin(fate)).await {
            shutdown.cancel();
            work.await;
        }
    }
}

async fn two_never_hold_it(seed: u64) -> usize {
    let rig = rig();
    let terms = Arc::new(Mutex::new(Vec::<LeaderHandle>::new()));
    let processes = join_all((0..3).map(|n| {
        let flaky = Arc::new(Flaky::new(&rig, seed * 10 + n));
        process(n, flaky, Arc::clone(&terms))
    }));
    let watch = async {
        for _ in 0..4_000 {
            rig.clock.sleep(SECOND / 4).await;
            let terms = terms.lock().unwrap();
            let leading: Vec<i32> =
                terms.iter().filter(|t| !t.is_lost()).map(LeaderHandle::epoch).collect();
            assert!(leading.len() <= 1, "seed {seed}: two lead at once: {leading:?}");
        }
    };
    select(Box::pin(processes), Box::pin(watch)).await;
    let terms = terms.lock().unwrap();
    let epochs: Vec<i32> = terms.iter().map(LeaderHandle::epoch).collect();
    let mut sorted = epochs.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(epochs, sorted, "seed {seed}: epochs must grow from term to term");
    epochs.len()
}

#[tokio::test(start_paused = true)]
async fn two_never_hold_it_whatever_is_slow_lost_cut_or_killed() {
    let mut terms = 0;
    for seed in 0..8 {
        terms += two_never_hold_it(seed).await;
    }
    assert!(terms > 60, "only {terms} terms: the test shows nothing");
}
