//! How often somebody may ask: windows that all replicas count together.
//!
//! # How it is counted
//! Each [`Subject`] has a window that begins with its first request and a number of requests for
//! that window. A replica does not ask the database each time: it takes a lease of a part of what is
//! left (an eighth, at least one) in one statement and serves from that in memory. So the parts grow
//! smaller towards the end of a budget, and what all replicas grant together is never more than the
//! limit.
//!
//! # Guarantees
//! - With Postgres behind it, replicas never grant more together than the limit of a window. Windows
//!   are timed by the database's clock, so replicas whose clocks differ agree.
//! - Nothing is asked while nobody asks, and a subject that has used up its window costs no statement
//!   until it ends.
//! - What is kept is bounded ([`TRACKED`]); a subject that is forgotten goes on where the database
//!   has it.
//!
//! # Caveats
//! - While the database does not answer, each replica grants the limit by itself: a limit must not
//!   be what stops everybody.
//! - What a replica has leased and does not use until the window ends is lost to the others. That is
//!   at most an eighth of what was left at the time.

mod shared;

use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use devpocket_controllers::clock::Clock;
use ipnet::IpNet;
use uuid::Uuid;

pub use shared::SharedWindows;

/// Subjects a process keeps at a time.
pub const TRACKED: usize = 65_536;
/// Locks they are spread over, so that requests do not wait for each other.
const SHARDS: usize = 16;

/// How many requests in how long. A limit of 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub limit: u32,
    pub window: Duration,
}

/// The rule of each kind of subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Attempts with a password or a code, for each address.
    pub sign_in: Rule,
    /// Requests without an accepted token, for each address.
    pub stranger: Rule,
    /// Requests of a user of `/api/v1`.
    pub rest: Rule,
    /// Requests of a user of the Kubernetes-style API. A controller or `kubectl` asks in bursts.
    pub kube: Rule,
}

/// Length of a window where none is configured.
pub const WINDOW: Duration = Duration::from_secs(60);
pub const SIGN_IN_LIMIT: u32 = 5;
/// For each user of `/api/v1`, and for each address without a token.
pub const LIMIT: u32 = 100;
/// A hundred a second.
pub const KUBE_LIMIT: u32 = 6_000;

impl Rules {
    pub fn new(window: Duration, sign_in: u32, rest: u32, kube: u32) -> Rules {
        let rule = |limit| Rule { limit, window };
        // A password's own window is not shortened or stretched with the others.
        let sign_in = Rule { limit: sign_in, window: WINDOW };
        Rules { sign_in, stranger: rule(rest), rest: rule(rest), kube: rule(kube) }
    }

    /// Nobody is limited.
    pub fn none() -> Rules {
        Rules::new(WINDOW, 0, 0, 0)
    }
}

impl Default for Rules {
    fn default() -> Rules {
        Rules::new(WINDOW, SIGN_IN_LIMIT, LIMIT, KUBE_LIMIT)
    }
}

/// Somebody with a token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    Account(Uuid),
    /// Of the configuration.
    Name(String),
}

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Subject {
    SignIn(IpNet),
    Stranger(IpNet),
    Rest(Who),
    Kube(Who),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Account(id) => write!(f, "account {id}"),
            Who::Name(name) => write!(f, "name {name}"),
        }
    }
}

/// As the database has it.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Subject::SignIn(net) => write!(f, "sign-in {net}"),
            Subject::Stranger(net) => write!(f, "stranger {net}"),
            Subject::Rest(who) => write!(f, "rest {who}"),
            Subject::Kube(who) => write!(f, "kube {who}"),
        }
    }
}

/// Where a subject stands in its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub limit: u32,
    /// Requests that are left; what other replicas took since the last lease is not known yet.
    pub remaining: u32,
    pub resets_in: Duration,
}

impl Standing {
    /// Whole seconds until the window ends, at least one.
    pub fn seconds(&self) -> u64 {
        self.resets_in.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX)
    }
}

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Unlimited,
    Allowed(Standing),
    Refused(Standing),
}

/// A part of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    granted: u32,
    /// What nobody had leased after that.
    beyond: u32,
    ends_in: Duration,
}

/// What this process knows of a subject.
struct Bucket {
    /// On the monotonic clock.
    ends: Duration,
    left: u32,
    beyond: u32,
    /// One of those who wait leases for all.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Counts requests.
pub struct Limiter {
    rules: Rules,
    clock: Arc<dyn Clock>,
    shared: Option<SharedWindows>,
    shards: [Mutex<HashMap<Subject, Bucket>>; SHARDS],
}

impl Limiter {
    /// With windows shared with other replicas, or of this process alone.
    pub fn new(rules: Rules, clock: Arc<dyn Clock>, shared: Option<SharedWindows>) -> Limiter {
        Limiter { rules, clock, shared, shards: Default::default() }
    }

    fn rule(&self, subject: &Subject) -> Rule {
        match subject {
            Subject::SignIn(_) => self.rules.sign_in,
            Subject::Stranger(_) => self.rules.stranger,
            Subject::Rest(_) => self.rules.rest,
            Subject::Kube(_) => self.rules.kube,
        }
    }

    /// Counts one request.
    pub async fn take(&self, subject: &Subject) -> Verdict {
        let rule = self.rule(subject);
        if rule.limit == 0 {
            return Verdict::Unlimited;
        }
        if let Some(verdict) = self.take_leased(subject, rule) {
            return verdict;
        }
        let turn = self.turn(subject);
        let _turn = turn.lock().await;
        if let Some(verdict) = self.take_leased(subject, rule) {
            return verdict;
        }
        let lease = self.lease(subject, rule).await;
        let mut shard = self.shard(subject);
        let bucket = bucket(&mut shard, subject, self.clock.monotonic());
        bucket.ends = self.clock.monotonic().saturating_add(lease.ends_in);
        bucket.left = lease.granted;
        bucket.beyond = lease.beyond;
        bucket.take(rule, lease.ends_in)
    }

    /// Where the subject stands if it has used up its window. Counts nothing and asks nobody.
    pub fn spent(&self, subject: &Subject) -> Option<Standing> {
        let rule = self.rule(subject);
        let now = self.clock.monotonic();
        let shard = self.shard(subject);
        let bucket = shard.get(subject).filter(|bucket| now < bucket.ends)?;
        let spent = rule.limit > 0 && bucket.left == 0 && bucket.beyond == 0;
        spent.then(|| bucket.standing(rule, bucket.ends.saturating_sub(now)))
    }

    /// The verdict, if what is leased already is enough for one.
    fn take_leased(&self, subject: &Subject, rule: Rule) -> Option<Verdict> {
        let now = self.clock.monotonic();
        let mut shard = self.shard(subject);
        let bucket = shard.get_mut(subject).filter(|bucket| now < bucket.ends)?;
        let known = bucket.left > 0 || bucket.beyond == 0;
        known.then(|| bucket.take(rule, bucket.ends.saturating_sub(now)))
    }

    fn turn(&self, subject: &Subject) -> Arc<tokio::sync::Mutex<()>> {
        bucket(&mut self.shard(subject), subject, self.clock.monotonic()).turn.clone()
    }

    async fn lease(&self, subject: &Subject, rule: Rule) -> Lease {
        let shared = match &self.shared {
            Some(shared) => shared.lease(&subject.to_string(), rule).await,
            None => None,
        };
        shared.unwrap_or(Lease { granted: rule.limit, beyond: 0, ends_in: rule.window })
    }

    fn shard(&self, subject: &Subject) -> MutexGuard<'_, HashMap<Subject, Bucket>> {
        let mut hasher = DefaultHasher::new();
        subject.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % SHARDS as u64).unwrap_or(0);
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The subject's bucket; made if there is none, in the place of one that is over if it is full.
fn bucket<'a>(
    shard: &'a mut HashMap<Subject, Bucket>,
    subject: &Subject,
    now: Duration,
) -> &'a mut Bucket {
    if shard.len() >= TRACKED / SHARDS && !shard.contains_key(subject) {
        shard.retain(|_, bucket| now < bucket.ends);
        if shard.len() >= TRACKED / SHARDS
            && let Some(any) = shard.keys().next().cloned()
        {
            shard.remove(&any);
        }
    }
    let fresh = || Bucket { ends: Duration::ZERO, left: 0, beyond: 0, turn: Arc::default() };
    shard.entry(subject.clone()).or_insert_with(fresh)
}

impl Bucket {
    fn take(&mut self, rule: Rule, resets_in: Duration) -> Verdict {
        let Some(left) = self.left.checked_sub(1) else {
            return Verdict::Refused(self.standing(rule, resets_in));
        };
        self.left = left;
        Verdict::Allowed(self.standing(rule, resets_in))
    }

    fn standing(&self, rule: Rule, resets_in: Duration) -> Standing {
        let remaining = self.left.saturating_add(self.beyond);
        Standing { limit: rule.limit, remaining, resets_in }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn limiter(rules: Rules) -> (Limiter, SystemClock) {
        let clock = SystemClock::new();
        (Limiter::new(rules, Arc::new(clock.clone()), None), clock)
    }

    fn address(text: &str) -> Subject {
        Subject::SignIn(text.parse().unwrap())
    }

    #[tokio::test]
    async fn a_window_grants_its_limit_and_begins_anew_when_it_is_over() {
        let (limiter, clock) = limiter(Rules::default());
        let one = address("192.0.2.7/32");
        for left in (0..SIGN_IN_LIMIT).rev() {
            let Verdict::Allowed(standing) = limiter.take(&one).await else { panic!("{left}") };
            assert_eq!((standing.limit, standing.remaining), (SIGN_IN_LIMIT, left));
        }
        let Verdict::Refused(standing) = limiter.take(&one).await else { panic!("one too many") };
        assert_eq!(standing.remaining, 0);
        assert!(standing.seconds() <= 60 && limiter.spent(&one).is_some());
        assert!(matches!(limiter.take(&address("192.0.2.8/32")).await, Verdict::Allowed(_)));
        clock.advance(WINDOW);
        assert_eq!(limiter.spent(&one), None);
        assert!(matches!(limiter.take(&one).await, Verdict::Allowed(_)));
    }

    #[tokio::test]
    async fn requests_at_the_same_moment_get_no_more_than_the_limit() {
        let (limiter, _) = limiter(Rules::default());
        let user = Subject::Rest(Who::Name("ann".into()));
        let asked = (0..3 * LIMIT).map(|_| limiter.take(&user));
        let granted = futures::future::join_all(asked).await;
        let granted = granted.iter().filter(|v| matches!(v, Verdict::Allowed(_))).count();
        assert_eq!(granted, LIMIT as usize);
    }

    #[tokio::test]
    async fn no_limit_is_none_and_no_crowd_takes_all_memory() {
        let (unlimited, _) = limiter(Rules::none());
        assert_eq!(unlimited.take(&address("192.0.2.7/32")).await, Verdict::Unlimited);
        let (limiter, _) = limiter(Rules::default());
        for number in 0..(TRACKED as u32 + 1_000) {
            let net = ipnet::Ipv4Net::from(std::net::Ipv4Addr::from(number));
            limiter.take(&Subject::Stranger(net.into())).await;
        }
        let kept: usize = limiter.shards.iter().map(|shard| shard.lock().unwrap().len()).sum();
        assert!(kept <= TRACKED, "{kept}");
    }
}
