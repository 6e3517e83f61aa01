//! Machines' operating systems behind the guest port, without SSH: each boots when the model of
//! Contabo says so, shows the host key its user-data brought, installs itself step by step in
//! virtual time, and has a bad day when told.

mod counters;
mod keys;
mod system;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use devpocket_specs::install::Mask;
use devpocket_specs::sample::Reading;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::contabo::{Contabo, Instance, Status};
use crate::clock::Clock;
use crate::guest::{
    Configuration, FirstKey, Guest, GuestError, Look, Output, Question, Sealed, Target,
};
use keys::{first_public, host_key, key};
pub use system::STEPS;
use system::System;

/// From a call to its answer.
const ROUND_TRIP: Duration = Duration::from_millis(80);
/// How often a machine that is asked to wait looks at its own log.
const GLANCE: Duration = Duration::from_secs(1);
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
    /// Another shell than it has cannot be set.
    TakesNoShell,
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
    /// Sealed values that do not open.
    shut: BTreeSet<String>,
    /// Answers given to sign-ins: none of a machine that is another one.
    signed_in: u64,
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

    /// From now on a sealed value does not open: its key is lost. Or it does again.
    pub fn shut(&self, sealed: &str, shut: bool) {
        let mut state = self.lock();
        match shut {
            true => state.shut.insert(sealed.to_owned()),
            false => state.shut.remove(sealed),
        };
    }

    fn open<'a>(&self, values: impl Iterator<Item = &'a Sealed>) -> Result<Mask, GuestError> {
        let values: Vec<&Sealed> = values.collect();
        let state = self.lock();
        if let Some(value) = values.iter().find(|value| state.shut.contains(&value.text)) {
            let why = format!("{value:?} is sealed with key gone, which is not configured");
            return Err(GuestError::Own(why));
        }
        Ok(Mask::new(values.iter().map(|value| &value.text)))
    }

    /// How many first keys are kept.
    pub fn first_keys(&self) -> usize {
        self.lock().firsts.len()
    }

    /// How often somebody signed in on any machine.
    pub fn signed_in(&self) -> u64 {
        self.lock().signed_in
    }

    /// What the newest system of this instance was made like.
    pub fn configured(&self, instance: i64) -> Option<Configuration> {
        let state = self.lock();
        let newest = state.systems.range((instance, 0)..=(instance, u32::MAX)).next_back();
        newest.and_then(|(_, system)| system.configured.clone())
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
        let system = state.systems.entry(place).or_insert_with(|| System::new(now, first));
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

    async fn configure(&self, target: &Target, wanted: &Configuration) -> Result<(), GuestError> {
        self.open(wanted.sealed())?;
        let wanted = wanted.clone();
        self.on(target, move |system, day, now| match day {
            Day::TakesNoShell if wanted.shell.is_some() => {
                system.configure(Configuration { shell: None, ..wanted }, now);
                Err(GuestError::Broken("there is no package of that name".into()))
            }
            _ => {
                system.configure(wanted, now);
                Ok(())
            }
        })
        .await?
    }

    async fn mask(&self, values: &[Sealed]) -> Result<Mask, GuestError> {
        self.open(values.iter())
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
