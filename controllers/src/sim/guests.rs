//! Machines' operating systems behind the guest port, without SSH: each boots when the model of
//! Contabo says so, shows the host key its user-data brought, installs itself step by step in
//! virtual time, and has a bad day when told.

mod counters;
mod keys;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use devpocket_specs::install::{INSTALL_LOG_PATH, PROGRESS_VERSION};
use devpocket_specs::sample::Reading;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::contabo::{Contabo, Instance, Status};
use crate::clock::Clock;
use crate::guest::{
    FirstKey, Guest, GuestError, LOG_CHUNK, LogPart, Look, Output, Question, Target,
};
use keys::{first_public, host_key, key};

/// From a call to its answer.
const ROUND_TRIP: Duration = Duration::from_millis(80);
/// How often a machine that is asked to wait looks at its own log.
const GLANCE: Duration = Duration::from_secs(1);
/// Steps of every installation: name, percent when it begins, seconds it takes.
pub const STEPS: [(&str, u8, i64); 4] =
    [("clock", 2, 10), ("packages", 8, 90), ("docker", 40, 120), ("node", 80, 60)];
/// The installation's own word for what it installs.
const PLAN: &str = "simulated";

/// What is wrong with a machine that Contabo calls running.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Day {
    #[default]
    Good,
    /// Nothing listens on its SSH port.
    NeverOpens,
    /// The next so many calls are carried out, and their answers get lost.
    LosesReplies(u32),
    /// It is the right machine and lets nobody in: its clock is wrong, or its `sshd` was changed.
    Refuses,
    /// Another machine is in its place.
    Other,
    /// It lets us in, and what it answers is no use.
    Broken(String),
    /// A step fails, with this code of the installer.
    Fails { step: String, code: &'static str },
    /// A step never ends.
    Hangs { step: String },
}

/// All of them. Clones share them.
#[derive(Clone)]
pub struct SimGuests {
    contabo: Arc<Mutex<Contabo>>,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// First keys that are kept here, by machine and generation.
    firsts: BTreeSet<(String, i64)>,
    /// By instance and how often it was installed.
    systems: BTreeMap<(i64, u32), System>,
    days: BTreeMap<i64, Day>,
    /// Which instance was found at an address last.
    places: BTreeMap<String, i64>,
    /// Answers given to sign-ins: none of a machine that is another one.
    signed_in: u64,
}

struct System {
    /// When its installation began, or would have but for what held it up.
    since: Timestamp,
    /// The host key its user-data brought.
    first: Option<String>,
    own: Option<String>,
    certified: bool,
    failed: Option<(usize, &'static str)>,
    /// Which boot its counters are of, and since when.
    booted: Option<(u32, Timestamp)>,
}

/// A machine that proved who it is and let us in.
type Place = (i64, u32);

impl SimGuests {
    pub fn new(contabo: Arc<Mutex<Contabo>>, clock: Arc<dyn Clock>) -> SimGuests {
        SimGuests { contabo, clock, state: Arc::default() }
    }

    /// What the next days of this instance are like.
    pub fn day(&self, instance: i64, day: Day) {
        self.lock().days.insert(instance, day);
    }

    /// How many first keys are kept.
    pub fn first_keys(&self) -> usize {
        self.lock().firsts.len()
    }

    /// How often somebody signed in on any machine.
    pub fn signed_in(&self) -> u64 {
        self.lock().signed_in
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects: the machine runs, proves who it is, and lets us in, in this order.
    async fn connect(&self, target: &Target) -> Result<Place, GuestError> {
        self.clock.sleep(ROUND_TRIP).await;
        let place = self.running(&target.address)?;
        let is_new = !self.lock().systems.contains_key(&place);
        let first = if is_new { self.first(place.0) } else { None };
        let mut state = self.lock();
        let day = state.days.get(&place.0).cloned().unwrap_or_default();
        if day == Day::NeverOpens {
            return Err(GuestError::NotYet("connection refused".into()));
        }
        let now = self.clock.now();
        let system = state.systems.entry(place).or_insert_with(|| System {
            since: now,
            first,
            own: None,
            certified: false,
            failed: None,
            booted: None,
        });
        let presented = match (&day, &system.own) {
            (Day::Other, _) => key("other", &place.0.to_string()),
            (_, Some(own)) if system.certified => own.clone(),
            _ => system.first.clone().unwrap_or_else(|| key("image", &place.0.to_string())),
        };
        let mut known = target.known.clone();
        let named = (target.machine.clone(), target.generation);
        if target.first && state.firsts.contains(&named) {
            known.push(first_public(&named));
        }
        if !known.contains(&presented) {
            let recorded = known.join(" or ");
            return Err(GuestError::WrongIdentity { presented, recorded });
        }
        match day {
            Day::Refuses => {
                Err(GuestError::Refused("it does not accept the certificate".to_owned()))
            }
            Day::Broken(why) => Err(GuestError::Broken(why)),
            _ => {
                state.signed_in += 1;
                Ok(place)
            }
        }
    }

    /// The instance at an address, if it runs what was installed.
    fn running(&self, address: &str) -> Result<Place, GuestError> {
        let contabo = self.contabo.lock().unwrap_or_else(PoisonError::into_inner);
        let is_there = |instance: &&Instance| {
            let hardware = instance.facts.hardware.as_ref();
            instance.exists() && hardware.is_some_and(|hardware| hardware.v4 == address)
        };
        let last = self.lock().places.get(address).copied();
        let last = last.and_then(|id| contabo.instance(id)).filter(is_there);
        let found = last.or_else(|| contabo.instances().find(is_there));
        let nobody = || GuestError::NotYet(format!("no route to {address}"));
        let instance = found.ok_or_else(nobody)?;
        if last.is_none() {
            self.lock().places.insert(address.to_owned(), instance.instance_id);
        }
        if instance.facts.status != Status::Running || instance.guest.installed.is_none() {
            return Err(GuestError::NotYet("connection refused".into()));
        }
        Ok((instance.instance_id, instance.guest.generation))
    }

    fn first(&self, id: i64) -> Option<String> {
        let contabo = self.contabo.lock().unwrap_or_else(PoisonError::into_inner);
        contabo.instance(id)?.guest.user_data.as_deref().and_then(host_key)
    }

    /// Whether the answer arrives; the work is done either way.
    fn answered(&self, place: Place) -> Result<(), GuestError> {
        let mut state = self.lock();
        if let Some(Day::LosesReplies(left)) = state.days.get_mut(&place.0)
            && *left > 0
        {
            *left -= 1;
            return Err(GuestError::NotYet("the connection was lost".into()));
        }
        Ok(())
    }

    /// Runs `work` on the machine's system.
    async fn on<T>(
        &self,
        target: &Target,
        work: impl FnOnce(&mut System, &Day, Timestamp) -> T + Send,
    ) -> Result<T, GuestError> {
        let place = self.connect(target).await?;
        let done = self.work(place, work)?;
        self.answered(place)?;
        Ok(done)
    }

    fn work<T>(
        &self,
        place: Place,
        work: impl FnOnce(&mut System, &Day, Timestamp) -> T,
    ) -> Result<T, GuestError> {
        let mut state = self.lock();
        let day = state.days.get(&place.0).cloned().unwrap_or_default();
        let system = state.systems.get_mut(&place);
        let system = system.ok_or_else(|| GuestError::NotYet("it was reinstalled".into()))?;
        Ok(work(system, &day, self.clock.now()))
    }
}

impl System {
    /// The step it is in, and how many are done before; all of them once it is through.
    fn at(&self, now: Timestamp) -> usize {
        let mut left = now.duration_since(self.since).as_secs();
        for (index, (_, _, seconds)) in STEPS.iter().enumerate() {
            if left < *seconds {
                return index;
            }
            left -= seconds;
        }
        STEPS.len()
    }

    /// Holds the clock of the installation at the beginning of a step.
    fn hold(&mut self, step: usize, now: Timestamp) {
        let before: i64 = STEPS[..step].iter().map(|(_, _, seconds)| seconds).sum();
        self.since = now - Duration::from_secs(before.unsigned_abs());
    }

    /// The progress file, as the installer writes it, and whether cloud-init is done.
    fn progress(&mut self, day: &Day, now: Timestamp) -> (Value, bool) {
        let place = |step: &str| STEPS.iter().position(|(name, _, _)| *name == step);
        let mut at = self.at(now);
        match day {
            Day::Hangs { step } => {
                if let Some(hangs) = place(step).filter(|hangs| at >= *hangs) {
                    self.hold(hangs, now);
                    at = hangs;
                }
            }
            Day::Fails { step, code } => {
                if let Some(fails) = place(step).filter(|fails| at > *fails) {
                    self.failed.get_or_insert((fails, code));
                }
            }
            _ => {}
        }
        let done: Vec<Value> = STEPS[..self.failed.map_or(at, |(step, _)| step)]
            .iter()
            .map(|(name, _, seconds)| json!({"name": name, "seconds": seconds}))
            .collect();
        let base = |state: &str, step: &str, index: usize, percent: u8| {
            json!({
                "version": PROGRESS_VERSION, "plan": PLAN, "state": state, "step": step,
                "index": index, "steps": STEPS.len(), "attempt": 1, "percent": percent, "boots": 1,
                "done": done, "warnings": [], "error": null, "lines": [format!("{step} ...")],
            })
        };
        if let Some((step, code)) = self.failed {
            let (name, percent, _) = STEPS[step];
            let mut told = base("failed", name, step + 1, percent);
            told["error"] = json!({
                "step": name, "code": code, "exit": 100,
                "message": format!("{name} failed with exit code 100"),
            });
            return (told, true);
        }
        match STEPS.get(at) {
            Some((name, percent, _)) => (base("running", name, at + 1, *percent), false),
            None => (base("done", "done", STEPS.len(), 100), true),
        }
    }

    /// The installer's log so far.
    fn log(&self, now: Timestamp) -> String {
        let until = self.failed.map_or(self.at(now), |(step, _)| step);
        let begun = STEPS.iter().take(until + 1);
        begun.map(|(name, _, _)| format!("devpocket: {name}\n")).collect()
    }
}

impl System {
    /// The answer now, and whether the installer is through.
    fn look(&mut self, day: &Day, now: Timestamp, question: &Question) -> (Look, bool) {
        if *question == Question::default() {
            return (Look::default(), true);
        }
        let (progress, done) = self.progress(day, now);
        let status = if done { "done" } else { "running" };
        let cloud_init = json!({"status": status, "extended_status": status, "errors": []});
        let log = self.log(now);
        let wanted = question.logs.iter().filter(|wanted| wanted.path == INSTALL_LOG_PATH);
        let parts = wanted.map(|wanted| {
            let from = usize::try_from(wanted.from).ok().filter(|from| *from <= log.len());
            let from = from.unwrap_or(0);
            let end = log.len().min(from + LOG_CHUNK);
            let bytes = log.as_bytes()[from..end].to_vec();
            LogPart { path: wanted.path.clone(), from: from as u64, bytes }
        });
        let look = Look {
            logs: parts.collect(),
            cloud_init: question.cloud_init.then(|| (0, cloud_init.to_string().into_bytes())),
            progress: question.progress.then(|| progress.to_string().into_bytes()),
        };
        (look, done)
    }
}

#[async_trait]
impl Guest for SimGuests {
    async fn authority(&self) -> Result<Option<String>, GuestError> {
        Ok(Some(key("authority", "user")))
    }

    async fn first_key(&self, machine: &str, generation: i64) -> Result<FirstKey, GuestError> {
        let named = (machine.to_owned(), generation);
        let public = first_public(&named);
        self.lock().firsts.insert(named);
        let private = "-----BEGIN OPENSSH PRIVATE KEY-----\nc2ltdWxhdGVk\n\
                       -----END OPENSSH PRIVATE KEY-----\n";
        Ok(FirstKey { private: private.to_owned(), public })
    }

    async fn own_key(&self, target: &Target) -> Result<String, GuestError> {
        let named = format!("{}/{}", target.address, target.generation);
        self.on(target, |system, _, _| system.own.get_or_insert(key("own", &named)).clone()).await
    }

    async fn certify(&self, target: &Target, key: &str) -> Result<(), GuestError> {
        let key = key.to_owned();
        self.on(target, move |system, _, _| system.certified = system.own == Some(key)).await
    }

    async fn forget_first_key(&self, machine: &str, generation: i64) -> Result<(), GuestError> {
        self.lock().firsts.remove(&(machine.to_owned(), generation));
        Ok(())
    }

    async fn look(&self, target: &Target, question: &Question) -> Result<Look, GuestError> {
        let place = self.connect(target).await?;
        let limit = self.clock.now() + question.wait;
        loop {
            let (look, done) =
                self.work(place, |system, day, now| system.look(day, now, question))?;
            let is_news = look.logs.iter().any(|part| part.is_news(&question.logs));
            if is_news || done || self.clock.now() >= limit {
                self.answered(place)?;
                return Ok(look);
            }
            self.clock.sleep(GLANCE).await;
            self.running(&target.address)?;
        }
    }

    async fn sample(&self, target: &Target) -> Result<Reading, GuestError> {
        self.counters(target).await
    }

    async fn exec(
        &self,
        target: &Target,
        command: &str,
        _input: &[u8],
    ) -> Result<Output, GuestError> {
        let command = command.to_owned();
        self.on(target, move |system, _, now| {
            if command.contains("restart devpocket-install")
                && let Some((step, _)) = system.failed.take()
            {
                system.hold(step, now);
            }
            let stdout = match command.contains("devpocket/install check") {
                true => json!({"version": 1, "tools": {"git": {"ok": true, "version": "2.47.3"}}}),
                false => Value::Null,
            };
            let stdout =
                if stdout.is_null() { Vec::new() } else { stdout.to_string().into_bytes() };
            Output { code: Some(0), stdout, stderr: Vec::new() }
        })
        .await
    }

    async fn copy(
        &self,
        target: &Target,
        _path: &str,
        _mode: u32,
        _bytes: &[u8],
    ) -> Result<(), GuestError> {
        self.on(target, |_, _, _| ()).await
    }
}
