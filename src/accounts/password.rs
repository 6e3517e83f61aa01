//! Passwords: how they are kept, and where the work of hashing is done.
//!
//! # Guarantees
//! - Kept as Argon2id with the [`Cost`] below, the one place where it is set. Hashes of another
//!   cost and bcrypt's (`$2a$`, `$2b$`, `$2x$`, `$2y$`) are still understood; [`Verdict::outdated`]
//!   says so, and a sign-in replaces them.
//! - Hashing happens on threads of its own, half as many as the machine has cores, at a lower
//!   priority than everything else: however many sign-ins wait, other requests do not. At most
//!   [`QUEUE`] wait; beyond that [`PasswordError::Busy`] comes at once.
//! - Where there is no hash to compare with, the same work is done for nothing, so that the time
//!   taken does not tell whether an account exists.
//!
//! # Caveats
//! A hash that is not of today's cost takes another time until its owner signs in once.

use std::hint::black_box;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::oneshot;

/// Passwords that wait to be hashed at most: about four seconds' work of one thread.
pub const QUEUE: usize = 128;
/// Seconds after which a full queue has had time to empty.
pub const RETRY_AFTER: u64 = 5;
/// What the threads' nice value is raised to.
const NICE: i32 = 10;

/// What one hash costs. Changing it re-hashes each password at its owner's next sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory.
    pub memory: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Default for Cost {
    /// The first recommendation of OWASP for Argon2id: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Cost { memory: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl Cost {
    /// Argon2id of this cost.
    pub fn argon2(self) -> Result<Argon2<'static>, PasswordError> {
        let params = Params::new(self.memory, self.passes, self.lanes, None)
            .map_err(|error| PasswordError::Failed(error.to_string()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// Why a password was neither hashed nor compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("too many sign-ins wait already")]
    Busy,
    /// Never holds the password or its hash.
    #[error("passwords cannot be hashed: {0}")]
    Failed(String),
}

/// What a comparison showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub matches: bool,
    /// The stored hash is not of today's kind and cost.
    pub outdated: bool,
}

/// Threads that hash. Ends them when dropped.
pub struct Hasher {
    jobs: SyncSender<Job>,
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
        let (jobs, waiting) = sync_channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for number in 0..(cores / 2).max(1) {
            let waiting = waiting.clone();
            thread::Builder::new()
                .name(format!("password-{number}"))
                .spawn(move || work(cost, &waiting))
                .map_err(|error| PasswordError::Failed(error.to_string()))?;
        }
        Ok(Hasher { jobs })
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
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => {
                metrics::counter!("devpocket_password_queue_full_total").increment(1);
                PasswordError::Busy
            }
            TrySendError::Disconnected(_) => gone(),
        })
    }
}

fn gone() -> PasswordError {
    PasswordError::Failed("the threads that hash have ended".into())
}

/// One thread's life. Whoever has left is passed over.
fn work(cost: Cost, waiting: &Mutex<Receiver<Job>>) {
    // On Linux this is the thread's own priority. Where it cannot be lowered the work goes on.
    let _ = rustix::process::setpriority_process(None, NICE);
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { password, task }) = next else { return };
        match task {
            Task::Hash(done) if !done.is_closed() => drop(done.send(hash(cost, &password))),
            Task::Compare(stored, done) if !done.is_closed() => {
                drop(done.send(compare(cost, &password, stored.as_deref())));
            }
            _ => {}
        }
    }
}

/// Hashes here and now. For the threads, and to measure them against.
pub fn hash(cost: Cost, password: &str) -> Result<String, PasswordError> {
    let failed = |error: String| PasswordError::Failed(error);
    let mut salt = [0; argon2::RECOMMENDED_SALT_LEN];
    getrandom::fill(&mut salt).map_err(|error| failed(error.to_string()))?;
    let hash = cost.argon2()?.hash_password_with_salt(password.as_bytes(), &salt);
    let hash: PasswordHash = hash.map_err(|error| failed(error.to_string()))?;
    Ok(hash.to_string())
}

fn compare(cost: Cost, password: &str, stored: Option<&str>) -> Result<Verdict, PasswordError> {
    let Some(stored) = stored else {
        black_box(hash(cost, password)?);
        return Ok(Verdict { matches: false, outdated: false });
    };
    if is_bcrypt(stored) {
        let matches = bcrypt::verify(password, stored).unwrap_or(false);
        return Ok(Verdict { matches, outdated: true });
    }
    // A hash this version cannot read opens to nobody, and only resetting the password mends it.
    let Ok(parsed) = PasswordHash::new(stored) else {
        tracing::error!("a stored password hash cannot be read; its owner has to reset it");
        return compare(cost, password, None);
    };
    let argon2 = cost.argon2()?;
    let matches = argon2.verify_password(password.as_bytes(), &parsed).is_ok();
    let same_params = Params::try_from(&parsed).is_ok_and(|params| {
        (params.m_cost(), params.t_cost(), params.p_cost())
            == (cost.memory, cost.passes, cost.lanes)
    });
    let same_kind = parsed.algorithm == Algorithm::Argon2id.ident()
        && parsed.version == Some(Version::V0x13.into());
    Ok(Verdict { matches, outdated: !(same_kind && same_params) })
}

/// `$2a$`, `$2b$`, `$2x$`, `$2y$`
fn is_bcrypt(hash: &str) -> bool {
    let mut letters = hash.strip_prefix("$2").unwrap_or_default().chars();
    matches!(letters.next(), Some('a' | 'b' | 'x' | 'y')) && letters.next() == Some('$')
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
        let (jobs, waiting) = sync_channel(1);
        let hasher = Hasher { jobs };
        let first = hasher.hash("one".into());
        let mut first = Box::pin(first);
        assert!(futures::poll!(&mut first).is_pending());
        assert_eq!(hasher.hash("two".into()).await, Err(PasswordError::Busy));
        let waiting = Arc::new(Mutex::new(waiting));
        thread::spawn(move || work(CHEAP, &waiting));
        assert!(first.await.is_ok());
        assert!(hasher.hash("three".into()).await.is_ok());
    }

    #[tokio::test]
    async fn the_work_of_those_who_left_is_not_done() {
        let (jobs, waiting) = sync_channel(8);
        let hasher = Hasher { jobs };
        let costly = Cost { memory: 4 * 1024 * 1024, passes: 1_000, lanes: 1 };
        let mut left = Box::pin(hasher.hash("one".into()));
        assert!(futures::poll!(&mut left).is_pending());
        drop(left);
        drop(hasher);
        // Ends at once, though one hash of this cost would take hours.
        work(costly, &Mutex::new(waiting));
    }
}
