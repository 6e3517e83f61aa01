//! The guest port over SSH.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use devpocket_controllers::guest::{
    Configuration, FirstKey, Guest, GuestError, LogPart, Look, Output, Question, Sealed, Target,
};
use devpocket_specs::install::Mask;
use devpocket_specs::sample::{Reading, read_reading};
use russh::keys::PublicKey;
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::authority::{Authority, AuthorityError};
use super::client::{Connection, SignIn};
use super::configure::{self, Sent};
use super::dialer::Dialer;
use super::{exec, scripts, sections};

/// Connections to machines that controllers may have open, and people: neither takes the others'.
const CONTROLLERS_MAX: usize = 1280;
const PEOPLE_MAX: usize = 1024;
/// Connections kept for the next look; beyond that the ones not used lately are closed.
const KEPT_MAX: usize = 1024;
/// Who signs in for the controllers.
const CONTROLLERS: &str = "devpocket";

/// SSH into machines. Clones share it.
#[derive(Clone)]
pub struct Bridge {
    shared: Arc<Shared>,
}

struct Shared {
    dialer: Arc<dyn Dialer>,
    authority: Authority,
    controllers: Arc<Semaphore>,
    people: Arc<Semaphore>,
    /// By machine, with what it was opened for: another installation is another machine.
    kept: Mutex<BTreeMap<String, Kept>>,
}

struct Kept {
    target: Target,
    connection: Arc<Connection>,
    /// Grows with every use.
    used: u64,
}

impl Bridge {
    pub fn new(authority: Authority, dialer: Arc<dyn Dialer>) -> Bridge {
        let controllers = Arc::new(Semaphore::new(CONTROLLERS_MAX));
        let people = Arc::new(Semaphore::new(PEOPLE_MAX));
        let kept = Mutex::default();
        Bridge { shared: Arc::new(Shared { dialer, authority, controllers, people, kept }) }
    }

    pub fn authority(&self) -> &Authority {
        &self.shared.authority
    }

    /// A connection of its own, for a person.
    pub async fn connect(&self, target: &Target, who: &SignIn) -> Result<Connection, GuestError> {
        let Shared { dialer, authority, people, .. } = &*self.shared;
        Connection::open(&**dialer, authority, people, target, who).await
    }

    /// The controllers' connection to a machine: the one that is open, or a new one.
    async fn controllers(&self, target: &Target) -> Result<Arc<Connection>, GuestError> {
        if let Some(connection) = self.open_one(target) {
            return Ok(connection);
        }
        let session = Uuid::new_v4().to_string();
        let who = SignIn { person: CONTROLLERS.into(), session };
        let Shared { dialer, authority, controllers, .. } = &*self.shared;
        let connection = Connection::open(&**dialer, authority, controllers, target, &who).await?;
        let connection = Arc::new(connection);
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let used = kept.values().map(|kept| kept.used).max().unwrap_or(0) + 1;
        if kept.len() >= KEPT_MAX
            && let Some(oldest) = kept.iter().min_by_key(|(_, kept)| kept.used)
        {
            let oldest = oldest.0.clone();
            kept.remove(&oldest);
        }
        let entry = Kept { target: target.clone(), connection: connection.clone(), used };
        kept.insert(target.machine.clone(), entry);
        Ok(connection)
    }

    fn open_one(&self, target: &Target) -> Option<Arc<Connection>> {
        let mut kept = self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let used = kept.values().map(|kept| kept.used).max().unwrap_or(0) + 1;
        let found = kept.get_mut(&target.machine)?;
        if found.target == *target && !found.connection.is_closed() {
            found.used = used;
            return Some(found.connection.clone());
        }
        kept.remove(&target.machine);
        None
    }

    fn drop_kept(&self, machine: &str) {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner).remove(machine);
    }

    /// Runs a command; a connection that broke on the way is not used again.
    async fn run(
        &self,
        target: &Target,
        command: &str,
        input: &[u8],
    ) -> Result<Output, GuestError> {
        self.run_within(exec::COMMAND_LIMIT, target, command, input).await
    }

    async fn run_within(
        &self,
        limit: Duration,
        target: &Target,
        command: &str,
        input: &[u8],
    ) -> Result<Output, GuestError> {
        let connection = self.controllers(target).await?;
        let ran = exec::run(&connection, command, input, limit).await;
        if ran.is_err() {
            self.drop_kept(&target.machine);
        }
        ran
    }

    /// Runs one of our scripts as root; what it prints, if it succeeded.
    async fn script(
        &self,
        target: &Target,
        name: &str,
        script: &str,
    ) -> Result<Vec<u8>, GuestError> {
        let output = self.run(target, &scripts::command(name), script.as_bytes()).await?;
        succeeded(name, output)
    }
}

fn succeeded(name: &str, output: Output) -> Result<Vec<u8>, GuestError> {
    if output.code == Some(0) {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next_back().unwrap_or("it says nothing");
    let name = name.split(' ').next().unwrap_or_default();
    let code = output.code.map_or("a signal".into(), |code| format!("code {code}"));
    let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
    Err(GuestError::Broken(format!("{name} on the machine ended with {code}: {said}")))
}

fn own(error: AuthorityError) -> GuestError {
    GuestError::Own(error.to_string())
}

#[async_trait]
impl Guest for Bridge {
    async fn authority(&self) -> Result<Option<String>, GuestError> {
        self.shared.authority.user_line().map(Some).map_err(own)
    }

    async fn first_key(&self, machine: &str, generation: i64) -> Result<FirstKey, GuestError> {
        self.shared.authority.first_key(machine, generation).await.map_err(own)
    }

    async fn own_key(&self, target: &Target) -> Result<String, GuestError> {
        let printed = self.script(target, "host-key", scripts::OWN_KEY).await?;
        let text = String::from_utf8_lossy(&printed);
        let key = PublicKey::from_openssh(text.trim())
            .map_err(|error| GuestError::Broken(format!("its new host key is none: {error}")))?;
        let key = PublicKey::from(key.key_data().clone());
        key.to_openssh().map_err(|error| GuestError::Broken(error.to_string()))
    }

    async fn certify(&self, target: &Target, key: &str) -> Result<(), GuestError> {
        let broken = |error: &dyn std::fmt::Display| GuestError::Broken(error.to_string());
        let key = PublicKey::from_openssh(key).map_err(|error| broken(&error))?;
        let id = format!("{}/{}", target.machine, target.generation);
        let names = [target.machine.as_str(), target.address.as_str()];
        let certificate = self.shared.authority.certify_host(&key, &id, &names).map_err(own)?;
        let certificate = certificate.to_openssh().map_err(|error| broken(&error))?;
        let script = scripts::certify(&certificate).ok_or_else(|| broken(&"no certificate"))?;
        let done = self.script(target, "certify", &script).await;
        // The next connection has to meet the new key.
        self.drop_kept(&target.machine);
        done.map(drop)
    }

    async fn forget_first_key(&self, machine: &str, generation: i64) -> Result<(), GuestError> {
        self.shared.authority.forget_first_key(machine, generation).await.map_err(own)
    }

    async fn look(&self, target: &Target, question: &Question) -> Result<Look, GuestError> {
        let (script, name) = scripts::look(question);
        let printed = self.script(target, &name, &script).await?;
        let sections = sections::read(&printed)
            .ok_or_else(|| GuestError::Broken("its answer to a look is cut or mixed up".into()))?;
        let mut look = Look::default();
        for section in sections {
            match section.name {
                "cloud-init" => look.cloud_init = Some((section.code, section.body.to_vec())),
                "progress" if section.code == 0 => look.progress = Some(section.body.to_vec()),
                name => {
                    let Some((path, from)) = name.rsplit_once(':') else { continue };
                    let Ok(from) = from.parse() else { continue };
                    let bytes = section.body.to_vec();
                    look.logs.push(LogPart { path: path.to_owned(), from, bytes });
                }
            }
        }
        Ok(look)
    }

    async fn sample(&self, target: &Target) -> Result<Reading, GuestError> {
        let output = self.run(target, scripts::SAMPLE_COMMAND, scripts::SAMPLE.as_bytes()).await?;
        let printed = succeeded("sample", output)?;
        read_reading(&printed).map_err(|fault| GuestError::Broken(format!("its counters: {fault}")))
    }

    async fn configure(&self, target: &Target, wanted: &Configuration) -> Result<(), GuestError> {
        let Sent { script, mask } = configure::sent(&self.shared.authority, wanted).await?;
        let command = scripts::own_command("configure");
        let limit = exec::PACKAGE_LIMIT;
        let output = self.run_within(limit, target, &command, script.as_bytes()).await?;
        succeeded("configure", output).map(drop).map_err(|error| match error {
            // A program may repeat what it was given.
            GuestError::Broken(why) => GuestError::Broken(mask.text(&why)),
            other => other,
        })
    }

    async fn mask(&self, values: &[Sealed]) -> Result<Mask, GuestError> {
        configure::mask(&self.shared.authority, values.iter())
    }

    async fn exec(
        &self,
        target: &Target,
        command: &str,
        input: &[u8],
    ) -> Result<Output, GuestError> {
        self.run(target, command, input).await
    }

    async fn copy(
        &self,
        target: &Target,
        path: &str,
        mode: u32,
        bytes: &[u8],
    ) -> Result<(), GuestError> {
        let script = scripts::copy(path, mode, &STANDARD.encode(bytes))
            .ok_or_else(|| GuestError::Broken("a path with a NUL".into()))?;
        let output = self.run(target, &scripts::own_command("copy"), script.as_bytes()).await?;
        succeeded("copy", output).map(drop)
    }
}
