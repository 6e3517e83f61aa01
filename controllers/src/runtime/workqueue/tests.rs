use std::collections::BTreeMap;

use futures::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::sim::clock::VirtualClock;

const SECOND: Duration = Duration::from_secs(1);
const BACKOFF: Backoff = Backoff::new(SECOND, Duration::from_secs(60));

fn queue() -> (Workqueue<&'static str>, Arc<dyn Clock>) {
    let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(jiff::Timestamp::UNIX_EPOCH));
    (Workqueue::new(Arc::clone(&clock), BACKOFF, 1), clock)
}

/// What is handed out now, in order.
fn take_ready(queue: &Workqueue<&'static str>) -> Vec<&'static str> {
    let take = || queue.get().now_or_never().flatten();
    std::iter::from_fn(take).map(|item| item.key).collect()
}

#[tokio::test(start_paused = true)]
async fn higher_priorities_go_first_and_within_one_the_longest_waiting() {
    let (queue, _) = queue();
    queue.add("resync-1", Priority::Low);
    queue.add("change-1", Priority::Normal);
    queue.add("resync-2", Priority::Low);
    queue.add("person", Priority::High);
    queue.add("change-2", Priority::Normal);
    let order = take_ready(&queue);
    assert_eq!(order, ["person", "change-1", "change-2", "resync-1", "resync-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_raised_key_keeps_the_place_its_age_gives_it() {
    let (queue, _) = queue();
    queue.add("old", Priority::Low);
    queue.add("young", Priority::High);
    queue.add("old", Priority::High);
    assert_eq!(take_ready(&queue), ["old", "young"]);
}

#[tokio::test(start_paused = true)]
async fn a_delayed_key_queues_from_the_end_of_its_delay() {
    let (queue, clock) = queue();
    queue.add_after("due at 2", Priority::Normal, SECOND * 2);
    queue.add_after("due at 1", Priority::Normal, SECOND);
    clock.sleep(SECOND * 3).await;
    queue.add("added at 3", Priority::Normal);
    assert_eq!(take_ready(&queue), ["due at 1", "due at 2", "added at 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_key_added_while_it_runs_is_looked_at_again_afterwards_and_not_before() {
    let (queue, _) = queue();
    queue.add("a", Priority::Normal);
    assert_eq!(take_ready(&queue), ["a"]);
    queue.add("a", Priority::Normal);
    queue.add("a", Priority::High);
    assert!(take_ready(&queue).is_empty(), "two reconciles of one key at once");
    queue.done(&"a", &Outcome::Done);
    let again = queue.get().await.unwrap();
    assert_eq!((again.key, again.priority), ("a", Priority::High));
    queue.done(&"a", &Outcome::Done);
    assert!(take_ready(&queue).is_empty(), "once is enough");
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_are_counted_by_key_and_success_forgets_them() {
    let (queue, _) = queue();
    queue.add("a", Priority::High);
    for failures in 0..5 {
        let item = queue.get().await.unwrap();
        assert_eq!((item.failures, item.priority), (failures, Priority::High));
        queue.done(&"a", &Outcome::retry("no"));
    }
    assert_eq!(queue.get().await.unwrap().failures, 5);
    queue.done(&"a", &Outcome::After(SECOND));
    assert_eq!(queue.get().await.unwrap().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_retry_waits_no_longer_than_its_ceiling_and_a_terminal_failure_for_a_change() {
    let (queue, clock) = queue();
    queue.add("a", Priority::Normal);
    queue.get().await.unwrap();
    for failures in 1..10 {
        let failed = clock.monotonic();
        queue.done(&"a", &Outcome::retry("no"));
        queue.get().await.unwrap();
        // tokio's timers count whole milliseconds.
        assert!(clock.monotonic() - failed <= BACKOFF.ceiling(failures) + SECOND / 1000);
    }
    queue.done(&"a", &Outcome::Terminal("never".into()));
    assert_eq!(queue.depth(), Depth::default());
    queue.add("a", Priority::Normal);
    assert_eq!(queue.get().await.unwrap().failures, 0);
}

#[tokio::test(start_paused = true)]
async fn a_routine_look_returns_below_whatever_people_do() {
    let (queue, clock) = queue();
    queue.add("polled", Priority::High);
    take_ready(&queue);
    queue.done(&"polled", &Outcome::After(ROUTINE_AFTER));
    clock.sleep(ROUTINE_AFTER).await;
    queue.add("changed", Priority::Normal);
    assert_eq!(take_ready(&queue), ["changed", "polled"]);
}

#[tokio::test(start_paused = true)]
async fn a_resync_does_not_pull_forward_what_a_person_set_going() {
    let (queue, clock) = queue();
    queue.add("set going", Priority::High);
    take_ready(&queue);
    queue.done(&"set going", &Outcome::After(SECOND));
    queue.add("set going", Priority::Low);
    queue.add("changed", Priority::Normal);
    assert_eq!(take_ready(&queue), ["changed", "set going"]);
    // It comes back as what it is, a person's, whoever asked for the look in between.
    queue.done(&"set going", &Outcome::After(SECOND));
    queue.done(&"changed", &Outcome::After(SECOND));
    clock.sleep(SECOND).await;
    assert_eq!(take_ready(&queue), ["set going", "changed"]);
}

#[tokio::test(start_paused = true)]
async fn a_look_that_waits_too_long_behind_others_is_raised_when_a_persons_is_due() {
    let (queue, clock) = queue();
    queue.add_after("both", Priority::High, SECOND);
    queue.add("both", Priority::Low);
    assert_eq!(queue.depth(), Depth { ready: 1, ..Depth::default() });
    clock.sleep(SECOND).await;
    queue.add("changed", Priority::Normal);
    assert_eq!(take_ready(&queue), ["both", "changed"]);
    assert_eq!(queue.depth(), Depth { running: 2, ..Depth::default() });
}

#[tokio::test(start_paused = true)]
async fn every_waiter_gets_a_key_and_a_dropped_waiter_loses_none() {
    let (queue, _) = queue();
    let mut waiters: Vec<_> = (0..4).map(|_| Box::pin(queue.get())).collect();
    for waiter in &mut waiters {
        assert!(waiter.now_or_never().is_none());
    }
    queue.add_after("b", Priority::Normal, SECOND);
    queue.add("a", Priority::Normal);
    queue.add_after("c", Priority::Normal, SECOND * 2);
    // The first waiter was woken as well and goes away without looking.
    drop(waiters.remove(0));
    let found = futures::future::join_all(waiters).await;
    let found: Vec<_> = found.into_iter().map(|item| item.unwrap().key).collect();
    assert_eq!(found.len(), 3);
    assert!(["a", "b", "c"].iter().all(|key| found.contains(key)), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn after_shutdown_waiters_return_and_nothing_is_handed_out() {
    let (queue, _) = queue();
    let mut waiter = Box::pin(queue.get());
    assert!((&mut waiter).now_or_never().is_none());
    queue.shut_down();
    assert_eq!(waiter.await, None);
    queue.add("late", Priority::High);
    assert_eq!(queue.get().await, None);
}

/// The queue as a person would describe it: plain lists of who asked for what, searched from end to
/// end.
#[derive(Debug, Default)]
struct Model {
    wanted: BTreeMap<u8, Wanted>,
    /// Running keys, with the priority they come back with and what was asked for meanwhile.
    running: BTreeMap<u8, (Priority, Vec<(Priority, u64)>)>,
    clock: u64,
    order: u64,
}

#[derive(Debug, Default)]
struct Wanted {
    /// Priority, when it is due, and when it was asked for.
    wishes: Vec<(Priority, u64, u64)>,
    /// When the first of them became due; none while all are delayed.
    ready: Option<u64>,
}

impl Wanted {
    fn priority(&self, clock: u64) -> Option<Priority> {
        self.wishes.iter().filter(|(_, due, _)| *due <= clock).map(|(p, ..)| *p).max()
    }
}

/// Whether the first wish makes the second one pointless.
fn grants((p, due): (Priority, u64), (other, later): (Priority, u64), clock: u64) -> bool {
    p >= other && due.max(clock) <= later.max(clock)
}

impl Model {
    fn tick(&mut self) -> u64 {
        self.order += 1;
        self.order
    }

    fn promote(&mut self) {
        let first = |wanted: &Wanted| {
            let due = wanted.wishes.iter().filter(|(_, due, _)| *due <= self.clock);
            due.map(|(_, due, asked)| (*due, *asked)).min()
        };
        let waiting = self.wanted.iter().filter(|(_, wanted)| wanted.ready.is_none());
        let mut due: Vec<_> =
            waiting.filter_map(|(key, wanted)| Some((first(wanted)?, *key))).collect();
        due.sort_unstable();
        for (_, key) in due {
            let order = self.tick();
            self.wanted.get_mut(&key).unwrap().ready = Some(order);
        }
    }

    fn add(&mut self, key: u8, priority: Priority, due: u64) {
        self.promote();
        if let Some((_, meanwhile)) = self.running.get_mut(&key) {
            meanwhile.push((priority, due));
            return;
        }
        let (clock, asked) = (self.clock, self.tick());
        let wishes = &mut self.wanted.entry(key).or_default().wishes;
        if !wishes.iter().any(|(p, d, _)| grants((*p, *d), (priority, due), clock)) {
            wishes.retain(|(p, d, _)| *d <= clock || !grants((priority, due), (*p, *d), clock));
            wishes.push((priority, due, asked));
        }
        self.promote();
    }

    fn pop(&mut self) -> Option<(u8, Priority)> {
        self.promote();
        let ready = self.wanted.iter().filter_map(|(key, wanted)| {
            Some((wanted.priority(self.clock)?, std::cmp::Reverse(wanted.ready?), *key))
        });
        let (priority, _, key) = ready.max()?;
        let wanted = self.wanted.remove(&key)?;
        let highest = wanted.wishes.iter().map(|(p, ..)| *p).max()?;
        self.running.insert(key, (highest, Vec::new()));
        Some((key, priority))
    }

    fn release(&mut self, key: u8, after: Option<u64>) {
        let (priority, mut meanwhile) = self.running.remove(&key).unwrap();
        // Of each priority the earliest, from the lowest.
        meanwhile.sort_unstable();
        meanwhile.dedup_by_key(|(priority, _)| *priority);
        for (priority, at) in meanwhile {
            self.add(key, priority, at);
        }
        if let Some(after) = after {
            self.add(key, priority, self.clock + after);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add { key: u8, priority: Priority, delay: u64 },
    Pop,
    Release { which: usize, after: Option<u64> },
    Pass { time: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    let delay = prop_oneof![3 => Just(0), 2 => 1_u64..5];
    let step = prop_oneof![
        4 => (0_u8..8, priority, delay)
            .prop_map(|(key, priority, delay)| Step::Add { key, priority, delay }),
        3 => Just(Step::Pop),
        2 => (0_usize..8, proptest::option::of(0_u64..4))
            .prop_map(|(which, after)| Step::Release { which, after }),
        1 => (1_u64..4).prop_map(|time| Step::Pass { time }),
    ];
    proptest::collection::vec(step, 1..120)
}

proptest! {
    #[test]
    fn it_behaves_like_the_plain_list(steps in steps()) {
        let mut schedule = Schedule::new();
        let mut model = Model::default();
        let seconds = Duration::from_secs;
        for step in steps {
            let now = seconds(model.clock);
            match step {
                Step::Add { key, priority, delay } => {
                    schedule.add(key, priority, seconds(model.clock + delay), now);
                    model.add(key, priority, model.clock + delay);
                }
                Step::Pop => {
                    let popped = schedule.pop(now).map(|item| (item.key, item.priority));
                    prop_assert_eq!(popped, model.pop());
                }
                Step::Release { which, after } => {
                    let keys: Vec<u8> = model.running.keys().copied().collect();
                    if keys.is_empty() {
                        continue;
                    }
                    let key = keys[which % keys.len()];
                    let at = after.map(|after| seconds(model.clock + after));
                    schedule.release(&key, at, false, now);
                    model.release(key, after);
                }
                Step::Pass { time } => model.clock += time,
            }
            let depth = schedule.depth(seconds(model.clock));
            model.promote();
            let ready = model.wanted.values().filter(|wanted| wanted.ready.is_some()).count();
            let again = model.running.values().filter(|(_, again)| !again.is_empty()).count();
            prop_assert_eq!(depth.ready, ready);
            prop_assert_eq!(depth.delayed, model.wanted.len() - ready);
            prop_assert_eq!((depth.running, depth.again), (model.running.len(), again));
        }
    }
}
