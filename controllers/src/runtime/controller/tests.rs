use std::collections::BTreeSet;
use std::sync::Mutex;

use super::*;
use crate::runtime::backoff::Backoff;
use crate::runtime::workqueue::Priority;
use crate::sim::clock::VirtualClock;

const SECOND: Duration = Duration::from_secs(1);

/// Takes ten seconds for each key, and keeps a record.
struct Slow {
    clock: Arc<dyn Clock>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    running: BTreeSet<u32>,
    most_at_once: usize,
    finished: Vec<u32>,
    attempts: u32,
}

impl Reconciler for Arc<Slow> {
    type Key = u32;

    async fn reconcile(&self, key: &u32) -> Outcome {
        let attempt = {
            let mut log = self.log.lock().unwrap();
            assert!(log.running.insert(*key), "key {key} runs twice at once");
            log.most_at_once = log.most_at_once.max(log.running.len());
            log.attempts += 1;
            log.attempts
        };
        self.clock.sleep(SECOND * 10).await;
        let mut log = self.log.lock().unwrap();
        log.running.remove(key);
        log.finished.push(*key);
        drop(log);
        match key {
            13 if attempt == 1 => panic!("unlucky"),
            _ => Outcome::Done,
        }
    }
}

struct Rig {
    clock: Arc<dyn Clock>,
    slow: Arc<Slow>,
    queue: Workqueue<u32>,
    shutdown: CancellationToken,
}

fn rig() -> Rig {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
    let queue = Workqueue::new(Arc::clone(&clock), Backoff::new(SECOND, SECOND * 60), 1);
    let slow = Arc::new(Slow { clock: Arc::clone(&clock), log: Mutex::default() });
    Rig { clock, slow, queue, shutdown: CancellationToken::new() }
}

impl Rig {
    fn run(&self, concurrency: usize) -> impl Future<Output = ()> + use<> {
        let (slow, queue) = (Arc::clone(&self.slow), self.queue.clone());
        let controller = Controller::new("test", slow, queue, Arc::clone(&self.clock));
        controller.with_concurrency(concurrency).run(self.shutdown.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn it_runs_as_many_at_once_as_allowed_and_never_one_key_twice() {
    let rig = rig();
    for key in 0..9 {
        rig.queue.add(key, Priority::Normal);
    }
    let meanwhile = async {
        rig.clock.sleep(SECOND * 5).await;
        (0..9).for_each(|key| rig.queue.add(key, Priority::Normal));
        rig.clock.sleep(SECOND * 1000).await;
        rig.shutdown.cancel();
    };
    futures::join!(rig.run(3), meanwhile);
    let log = rig.slow.log.lock().unwrap();
    assert_eq!(log.most_at_once, 3);
    // Those three that ran when they were added again run twice; the other six are merged.
    assert_eq!(log.finished.len(), 12);
}

#[tokio::test(start_paused = true)]
async fn on_shutdown_what_runs_is_finished_and_what_waits_is_left() {
    let rig = rig();
    for key in 0..9 {
        rig.queue.add(key, Priority::Normal);
    }
    let shutdown = async {
        rig.clock.sleep(SECOND * 5).await;
        rig.shutdown.cancel();
    };
    futures::join!(rig.run(2), shutdown);
    assert_eq!(rig.clock.monotonic(), SECOND * 10, "it waited for those that ran, not longer");
    assert_eq!(rig.slow.log.lock().unwrap().finished, [0, 1]);
    assert_eq!(rig.queue.depth().running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_attempt_and_nobody_else() {
    let rig = rig();
    rig.queue.add(13, Priority::Normal);
    rig.queue.add(14, Priority::Normal);
    let shutdown = async {
        rig.clock.sleep(SECOND * 60).await;
        rig.shutdown.cancel();
    };
    futures::join!(rig.run(1), shutdown);
    assert_eq!(rig.slow.log.lock().unwrap().finished, [13, 14, 13]);
}

#[tokio::test(start_paused = true)]
async fn dropping_it_stops_everything_where_it_stands() {
    let rig = rig();
    rig.queue.add(1, Priority::Normal);
    let mut run = Box::pin(rig.run(1));
    assert!(futures::poll!(&mut run).is_pending());
    drop(run);
    rig.clock.sleep(SECOND * 60).await;
    let log = rig.slow.log.lock().unwrap();
    assert_eq!(log.running.len(), 1, "it had begun");
    assert!(log.finished.is_empty(), "and went on after the crash");
}
