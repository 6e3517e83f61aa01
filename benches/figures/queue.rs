//! The work queue and its runner beside kube-runtime's, which has no order, no priority and no
//! count of failures.
//!
//! Both reconcile a fixed set of keys over and over, each key again as soon as it was done. First
//! with a reconciler that does nothing, 16 at once; then with 10,000 at once that each take
//! between 20 and 60 ms.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use devpocket::clock::SystemClock;
use devpocket_controllers::clock::Clock;
use devpocket_controllers::runtime::{
    Controller, Outcome, Priority, Reconciler, Workqueue, backoff,
};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::controller::{Action, Config, applier};
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::watcher;
use tokio_util::sync::CancellationToken;

use super::stats::{firsts, median, median_ratio, seconds};
use super::table::{Row, Scale};

/// What is reconciled, and how.
#[derive(Clone, Copy)]
struct Load {
    keys: usize,
    at_once: u16,
    /// How long a reconcile takes, at least and at most; none for no time at all.
    takes: Option<(u64, u64)>,
    length: Duration,
}

impl Load {
    async fn work(self) {
        if let Some((least, most)) = self.takes {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(least..most))).await;
        }
    }
}

pub fn measure(scale: Scale) -> Vec<Row> {
    let (rounds, length) = scale.pick((1, Duration::from_millis(300)), (7, Duration::from_secs(2)));
    let at_once = scale.pick(500, 10_000);
    let idle = Load { keys: 1_000, at_once: 16, takes: None, length };
    let busy = Load { keys: at_once, at_once: at_once as u16, takes: Some((20, 60)), length };
    vec![
        compare("no-op reconciles, queue and runner".into(), ">= 0.5x", idle, rounds),
        compare(format!("{at_once} in flight, staggered ends"), ">= 1.8x", busy, rounds),
    ]
}

fn compare(what: String, goal: &'static str, load: Load, rounds: usize) -> Row {
    let mut pairs = Vec::new();
    for _ in 0..rounds {
        pairs.push((block_on(ours(load)), block_on(kube_runtime(load))));
    }
    let (here, there) = (median(&firsts(&pairs)), median(&seconds(&pairs)));
    Row::new(what, format!("{here:.0}/s"), goal)
        .against(format!("kube-runtime: {there:.0}/s"), median_ratio(&pairs))
}

/// Each run has a runtime of its own, so that one leaves nothing behind for the next.
fn block_on(work: impl Future<Output = f64>) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

struct Counting {
    load: Load,
    done: Arc<AtomicU64>,
}

impl Reconciler for Counting {
    type Key = usize;

    async fn reconcile(&self, _: &usize) -> Outcome {
        self.load.work().await;
        self.done.fetch_add(1, Ordering::Relaxed);
        Outcome::After(Duration::ZERO)
    }
}

async fn ours(load: Load) -> f64 {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let queue = Workqueue::new(clock.clone(), backoff::RECONCILE, 1);
    for key in 0..load.keys {
        queue.add(key, Priority::Normal);
    }
    let done = Arc::new(AtomicU64::new(0));
    let reconciler = Counting { load, done: done.clone() };
    let controller = Controller::new("bench", reconciler, queue, clock)
        .with_concurrency(usize::from(load.at_once));
    let running = controller.run(CancellationToken::new());
    rate(load, &done, running).await
}

async fn kube_runtime(load: Load) -> f64 {
    let (store, mut writer) = reflector::store::<ConfigMap>();
    let mut keys = Vec::new();
    writer.apply_watcher_event(&watcher::Event::Init);
    for index in 0..load.keys {
        let mut object = ConfigMap::default();
        object.metadata.name = Some(format!("c{index}"));
        object.metadata.namespace = Some("bench".into());
        object.data = Some(BTreeMap::new());
        keys.push(ObjectRef::from_obj(&object));
        writer.apply_watcher_event(&watcher::Event::InitApply(object));
    }
    writer.apply_watcher_event(&watcher::Event::InitDone);
    let done = Arc::new(AtomicU64::new(0));
    let reconcile = |_: Arc<ConfigMap>, done: Arc<AtomicU64>| {
        Box::pin(async move {
            load.work().await;
            done.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(Action::requeue(Duration::ZERO))
        })
    };
    let never = |_: Arc<ConfigMap>, _: &Infallible, _: Arc<AtomicU64>| Action::await_change();
    let all = futures::stream::iter(keys.into_iter().map(Ok::<_, Infallible>))
        .chain(futures::stream::pending());
    let config = Config::default().concurrency(load.at_once);
    let running = applier(reconcile, never, done.clone(), store, all, config)
        .for_each(|_| std::future::ready(()));
    rate(load, &done, running).await
}

/// Reconciles a second, counted once the first have ended.
async fn rate(load: Load, done: &AtomicU64, running: impl Future<Output = ()>) -> f64 {
    let counted = async {
        let most = load.takes.map_or(50, |(_, most)| most);
        tokio::time::sleep(Duration::from_millis(most)).await;
        let (before, started) = (done.load(Ordering::Relaxed), Instant::now());
        tokio::time::sleep(load.length).await;
        (done.load(Ordering::Relaxed) - before) as f64 / started.elapsed().as_secs_f64()
    };
    tokio::select! {
        () = running => panic!("it ended by itself"),
        rate = counted => rate,
    }
}
