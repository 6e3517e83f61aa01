//! Passwords: how they are kept, and where the work of hashing is done.
//!
//! # Guarantees
//! - Kept as Argon2id with the [`Cost`] below, the one place where it is set. Hashes of another
//!   cost and bcrypt's (`$2a$`, `$2b$`, `$2x$`, `$2y$`) are still understood; [`Verdict::outdated`]
//!   says so, and a sign-in replaces them.
//! - Hashing happens on threads of its own, half as many as the machine has cores, at the lowest
//!   priority there is: however many sign-ins wait, other requests do not. At most [`QUEUE`] wait;
//!   beyond that [`PasswordError::Busy`] comes at once.
//! - Each thread keeps the memory that a hash needs for [`KEPT`], so that a crowd of sign-ins does
//!   not ask the kernel for pages all the time.
//! - Where there is no hash to compare with, the same work is done for nothing, so that the time
//!   taken does not tell whether an account exists.
//!
//! # Caveats
//! A hash that is not of today's cost takes another time until its owner signs in once.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

mod hashing;

pub use hashing::{Cost, Verdict, hash};

use hashing::Hashing;

/// Passwords that wait to be hashed at most: about four seconds' work of one thread.
pub const QUEUE: usize = 128;
/// Seconds after which a full queue has had time to empty.
pub const RETRY_AFTER: u64 = 5;
/// What the threads' nice value is raised to: everything else goes first.
const NICE: i32 = 19;
/// How long a thread that has nothing to do keeps its memory.
const KEPT: Duration = Duration::from_secs(10);

/// Why a password was neither hashed nor compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("too many sign-ins wait already")]
    Busy,
    /// Never holds the password or its hash.
    #[error("passwords cannot be hashed: {0}")]
    Failed(String),
}

/// Threads that hash. Ends them when dropped.
pub struct Hasher {
    waiting: Arc<Waiting>,
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.waiting.end();
    }
}

struct Job {
    password: String,
    task: Task,
}

enum Task {
    Hash(oneshot::Sender<Result<String, PasswordError>>),
    Compare(Option<String>, oneshot::Sender<Result<Verdict, PasswordError>>),
}

impl Hasher {
    pub fn start(cost: Cost) -> Result<Hasher, PasswordError> {
        // Refused here instead of at the first sign-in.
        cost.argon2()?;
        let waiting = Arc::new(Waiting::new(QUEUE));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for number in 0..(cores / 2).max(1) {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(cost, &waiting))
                .map_err(|error| PasswordError::Failed(error.to_string()))?;
        }
        Ok(Hasher { waiting })
    }

    /// The hash to keep.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let (done, answer) = oneshot::channel();
        self.send(Job { password, task: Task::Hash(done) })?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Whether the password is the one the hash was made of; never, but as slowly, for none.
    pub async fn compare(
        &self,
        password: String,
        hash: Option<String>,
    ) -> Result<Verdict, PasswordError> {
        let (done, answer) = oneshot::channel();
        self.send(Job { password, task: Task::Compare(hash, done) })?;
        answer.await.unwrap_or_else(|_| Err(gone()))
    }

    fn send(&self, job: Job) -> Result<(), PasswordError> {
        self.waiting.add(job).inspect_err(|_| {
            metrics::counter!("devpocket_password_queue_full_total").increment(1);
        })
    }
}

/// What waits to be hashed, the first first.
struct Waiting {
    most: usize,
    line: Mutex<Line>,
    changed: Condvar,
}

#[derive(Default)]
struct Line {
    jobs: VecDeque<Job>,
    ended: bool,
}

/// What a thread finds that asks for work.
enum Found {
    Job(Job),
    /// For [`KEPT`].
    Nothing,
    /// Nothing comes any more.
    End,
}

impl Waiting {
    fn new(most: usize) -> Waiting {
        Waiting { most, line: Mutex::default(), changed: Condvar::new() }
    }

    fn add(&self, job: Job) -> Result<(), PasswordError> {
        let mut line = self.lock();
        if line.jobs.len() >= self.most {
            return Err(PasswordError::Busy);
        }
        line.jobs.push_back(job);
        drop(line);
        self.changed.notify_one();
        Ok(())
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }

    fn take(&self) -> Found {
        let idle = |line: &mut Line| line.jobs.is_empty() && !line.ended;
        let waited = self.changed.wait_timeout_while(self.lock(), KEPT, idle);
        let (mut line, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match line.jobs.pop_front() {
            Some(job) => Found::Job(job),
            None if line.ended => Found::End,
            None => Found::Nothing,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gone() -> PasswordError {
    PasswordError::Failed("the threads that hash have ended".into())
}

/// One thread's life. Whoever has left is passed over.
fn work(cost: Cost, waiting: &Waiting) {
    // On Linux this is the thread's own priority. Where it cannot be lowered the work goes on.
    let _ = rustix::process::setpriority_process(None, NICE);
    let mut hashing = Hashing::new(cost);
    loop {
        let Job { password, task } = match waiting.take() {
            Found::Job(job) => job,
            Found::Nothing => {
                hashing.give_back();
                continue;
            }
            Found::End => return,
        };
        match task {
            Task::Hash(done) if !done.is_closed() => drop(done.send(hashing.hash(&password))),
            Task::Compare(stored, done) if !done.is_closed() => {
                drop(done.send(hashing.compare(&password, stored.as_deref())));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory: 16, passes: 1, lanes: 1 };

    #[tokio::test]
    async fn a_password_opens_its_own_hash_and_no_other() {
        let hasher = Hasher::start(CHEAP).unwrap();
        let hash = hasher.hash("Correct1".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=16,t=1,p=1$"), "{hash}");
        let right = hasher.compare("Correct1".into(), Some(hash.clone())).await;
        assert_eq!(right, Ok(Verdict { matches: true, outdated: false }));
        let wrong = hasher.compare("correct1".into(), Some(hash.clone())).await;
        assert_eq!(wrong, Ok(Verdict { matches: false, outdated: false }));
        assert_ne!(hash, hasher.hash("Correct1".into()).await.unwrap(), "salted");
    }

    #[tokio::test]
    async fn nothing_matches_where_no_hash_is() {
        let hasher = Hasher::start(CHEAP).unwrap();
        for stored in [None, Some(String::new()), Some("$argon2id$nonsense".into())] {
            let verdict = hasher.compare(String::new(), stored.clone()).await.unwrap();
            assert!(!verdict.matches, "{stored:?}");
        }
    }

    #[tokio::test]
    async fn older_hashes_open_and_are_known_to_be_old() {
        let hasher = Hasher::start(CHEAP).unwrap();
        let dearer = Cost { memory: 32, ..CHEAP };
        let bcrypt = bcrypt::hash("Correct1", 4).unwrap();
        let as_php = bcrypt.replacen("$2b$", "$2y$", 1);
        let as_first = bcrypt.replacen("$2b$", "$2a$", 1);
        for old in [hash(dearer, "Correct1").unwrap(), bcrypt, as_php, as_first] {
            let right = hasher.compare("Correct1".into(), Some(old.clone())).await;
            assert_eq!(right, Ok(Verdict { matches: true, outdated: true }), "{old}");
            let wrong = hasher.compare("Wrong1".into(), Some(old.clone())).await.unwrap();
            assert!(!wrong.matches, "{old}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_says_so_at_once_and_empties() {
        // No thread takes anything yet: the queue is filled by hand.
        let waiting = Arc::new(Waiting::new(1));
        let hasher = Hasher { waiting: waiting.clone() };
        let first = hasher.hash("one".into());
        let mut first = Box::pin(first);
        assert!(futures::poll!(&mut first).is_pending());
        assert_eq!(hasher.hash("two".into()).await, Err(PasswordError::Busy));
        thread::spawn(move || work(CHEAP, &waiting));
        assert!(first.await.is_ok());
        assert!(hasher.hash("three".into()).await.is_ok());
    }

    #[tokio::test]
    async fn the_work_of_those_who_left_is_not_done() {
        let waiting = Arc::new(Waiting::new(8));
        let hasher = Hasher { waiting: waiting.clone() };
        let costly = Cost { memory: 4 * 1024 * 1024, passes: 1_000, lanes: 1 };
        let mut left = Box::pin(hasher.hash("one".into()));
        assert!(futures::poll!(&mut left).is_pending());
        drop(left);
        drop(hasher);
        // Ends at once, though one hash of this cost would take hours.
        work(costly, &waiting);
    }
}
