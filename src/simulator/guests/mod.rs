//! The machines behind the simulated Contabo: each that has an operating system serves SSH.
//!
//! The model says what exists, what is switched on and what was installed with which user-data;
//! this follows it. A machine's disk is a folder that survives restarts and is wiped when the model
//! reinstalls it; its power is a program ([`super::machine`]) behind a free loopback port. Which
//! port belongs to which address is told by the control plane, and by nobody else: to a client the
//! machines are at the addresses Contabo gave them. Where there is an image to boot from, the program
//! is a whole system instead ([`container`]).
//!
//! # Guarantees
//! - A stopped machine refuses connections, a restart ends its sessions, a reinstallation leaves
//!   an empty disk and another host key.
//! - When the simulator ends, also by kill -9, all machines end.
//!
//! # Caveats
//! A rollback to a snapshot does not bring back files: an empty disk of that time is laid out.

mod container;
mod disks;
mod fault;
mod layout;
mod power;
mod sandbox;
mod user_data;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use devpocket_controllers::sim::contabo::{Contabo, Instance, Product, Status, find_product};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

pub use fault::GuestFault;

use super::engine::Engine;
use super::machine::{BadStep, Boot, Hardware, InstallStep, Isolation};
use disks::{Disks, private_folder};
use power::{Plug, Powered};
use user_data::UserData;

/// Names in a machine's runtime folder.
const BOOT: &str = "boot.json";
const SOCKET: &str = "ssh.sock";
/// How often the model is looked at.
const PERIOD: Duration = Duration::from_millis(100);
/// From power on until sshd listens, at Contabo's pace.
const UNTIL_SSH: Duration = Duration::from_secs(8);

/// How machines are run.
#[derive(Clone, Debug)]
pub struct GuestConfig {
    /// The program that a machine runs as: `devpocket` itself.
    pub program: PathBuf,
    /// Folder of the disks; without one they go with the simulator.
    pub disks: Option<PathBuf>,
    /// bubblewrap, as it is called or where it is.
    pub sandbox: PathBuf,
    /// Run shells on this computer itself, without a sandbox.
    pub unsafe_host_shell: bool,
    /// A root file system from which machines boot for real ([`Isolation::Container`]).
    pub image: Option<PathBuf>,
}

impl GuestConfig {
    /// In sandboxes, on disks that go with the simulator.
    pub fn new(program: PathBuf) -> GuestConfig {
        let sandbox = PathBuf::from(sandbox::BWRAP);
        GuestConfig { program, disks: None, sandbox, unsafe_host_shell: false, image: None }
    }
}

/// A machine, as the control plane tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GuestView {
    pub instance_id: i64,
    pub name: String,
    pub display_name: String,
    /// Where Contabo says it is.
    pub address: String,
    /// Where it is on this computer, once it was there.
    pub port: Option<u16>,
    pub running: bool,
    pub isolation: Isolation,
    pub faults: Vec<GuestFault>,
}

/// All machines; clones lead to the same.
#[derive(Clone)]
pub(super) struct Guests {
    shared: Arc<Shared>,
}

struct Shared {
    config: GuestConfig,
    isolation: Isolation,
    disks: Disks,
    /// Sockets have short paths only, so they are not beside the disks.
    runtime: PathBuf,
    machines: Mutex<BTreeMap<i64, Machine>>,
}

/// What is known of one machine.
struct Machine {
    seen: Seen,
    data: UserData,
    port: Arc<Mutex<Option<u16>>>,
    faults: Arc<Mutex<Vec<GuestFault>>>,
    powered: Option<Powered>,
}

/// The model's side of it.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    id: i64,
    name: String,
    display_name: String,
    address: String,
    generation: u32,
    boots: u32,
    running: bool,
    speed: f64,
    hardware: Hardware,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.machines.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let _ = fs::remove_dir_all(&self.runtime);
        self.disks.end();
    }
}

impl Guests {
    pub async fn new(config: GuestConfig) -> io::Result<Guests> {
        let isolation = match &config.image {
            // Who asks for it wants nothing else instead.
            Some(image) => container::isolation(image).await?,
            None => sandbox::isolation(&config).await,
        };
        if let Isolation::BuiltIn(why) = &isolation {
            tracing::warn!("{why}: simulated machines have a built-in shell only");
        }
        let runtime = private_folder()?;
        let disks = Disks::in_folder(config.disks.as_deref(), isolation == Isolation::Container)?;
        let machines = Mutex::default();
        let shared = Shared { config, isolation, disks, runtime, machines };
        Ok(Guests { shared: Arc::new(shared) })
    }

    /// Follows the model until it is stopped; then all machines are off.
    pub async fn follow(self, engine: Engine, stop: CancellationToken) {
        loop {
            let known = self.known();
            let Ok(seen) = engine.look(move |model| look(model, &known)).await else { break };
            self.take(seen);
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
        self.lock().clear();
    }

    pub fn list(&self) -> Vec<GuestView> {
        let machines = self.lock();
        let view = |machine: &Machine| GuestView {
            instance_id: machine.seen.id,
            name: machine.seen.name.clone(),
            display_name: machine.seen.display_name.clone(),
            address: machine.seen.address.clone(),
            port: *machine.port.lock().unwrap_or_else(PoisonError::into_inner),
            running: machine.seen.running,
            isolation: self.shared.isolation.clone(),
            faults: machine.faults.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        };
        machines.values().map(view).collect()
    }

    /// Makes a machine's day bad, or, without a fault, good again. `false`: there is no such one.
    pub fn spoil(&self, id: i64, fault: Option<GuestFault>) -> bool {
        let mut machines = self.lock();
        let Some(machine) = machines.get_mut(&id) else { return false };
        {
            let mut faults = machine.faults.lock().unwrap_or_else(PoisonError::into_inner);
            match fault {
                None => faults.clear(),
                Some(fault) => faults.push(fault),
            }
        }
        if machine.opens() {
            let boot = self.boot_of(machine);
            if let Err(error) = power::write_boot(&self.runtime_of(id), &boot) {
                tracing::error!(%error, "a simulated machine cannot be told");
            }
            if machine.powered.is_none() && machine.seen.running {
                self.switch_on(machine);
            }
        } else {
            machine.powered = None;
        }
        true
    }

    /// Puts another machine in this one's place: its host keys are others. `false`: no such one.
    pub fn replace(&self, id: i64) -> io::Result<bool> {
        let mut machines = self.lock();
        let Some(machine) = machines.get_mut(&id) else { return Ok(false) };
        machine.powered = None;
        machine.data.forget_host_keys();
        let Machine { seen, data, .. } = machine;
        self.shared.disks.replace(id, seen.generation, &seen.name, data)?;
        if machine.seen.running {
            self.switch_on(machine);
        }
        Ok(true)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<i64, Machine>> {
        self.shared.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which installation of each machine is known: its user-data need not be copied again.
    fn known(&self) -> BTreeMap<i64, u32> {
        self.lock().iter().map(|(id, machine)| (*id, machine.seen.generation)).collect()
    }

    fn take(&self, seen: Vec<(Seen, Option<UserData>)>) {
        let mut machines = self.lock();
        machines.retain(|id, _| seen.iter().any(|(seen, _)| seen.id == *id));
        for (seen, data) in seen {
            let id = seen.id;
            if let Some(data) = data {
                let port = machines.get(&id).map(|machine| machine.port.clone());
                // The old machine goes first: it has the disk that is wiped.
                let faults = machines.remove(&id).map(|machine| machine.faults.clone());
                let disks = &self.shared.disks;
                if let Err(error) = disks.install(id, seen.generation, &seen.name, &data) {
                    tracing::error!(machine = seen.name, %error, "its disk cannot be laid out");
                    continue;
                }
                let machine = Machine {
                    seen: Seen { running: false, ..seen.clone() },
                    data,
                    port: port.unwrap_or_default(),
                    faults: faults.unwrap_or_default(),
                    powered: None,
                };
                machines.insert(id, machine);
            }
            if let Some(machine) = machines.get_mut(&id)
                && machine.seen != seen
            {
                self.follow_power(machine, seen);
            }
        }
    }

    fn follow_power(&self, machine: &mut Machine, seen: Seen) {
        let again = machine.seen.boots != seen.boots || !machine.seen.running;
        let running = seen.running;
        machine.seen = seen;
        if !running || again {
            machine.powered = None;
        }
        if running && again && machine.opens() {
            self.switch_on(machine);
        }
    }

    fn switch_on(&self, machine: &mut Machine) {
        let seen = &machine.seen;
        let plug = Plug {
            program: self.shared.config.program.clone(),
            sandbox: self.shared.config.sandbox.clone(),
            image: self.shared.config.image.clone(),
            isolation: self.shared.isolation.clone(),
            disk: self.shared.disks.of(seen.id, seen.generation),
            runtime: self.runtime_of(seen.id),
            boot: self.boot_of(machine),
            faults: machine.faults.clone(),
            until_ssh: UNTIL_SSH.div_f64(seen.speed.max(0.001)),
        };
        let port = machine.port.clone();
        let before = port.lock().unwrap_or_else(PoisonError::into_inner).unwrap_or(0);
        let tell = move |bound| {
            *port.lock().unwrap_or_else(PoisonError::into_inner) = Some(bound);
        };
        machine.powered = Some(Powered::on(plug, before, tell));
    }

    fn runtime_of(&self, id: i64) -> PathBuf {
        self.shared.runtime.join(id.to_string())
    }

    fn boot_of(&self, machine: &Machine) -> Boot {
        let (seen, data) = (&machine.seen, &machine.data);
        let faults = machine.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let bad_step = faults.iter().find_map(|fault| match fault {
            GuestFault::Fails { step, code } => Some(BadStep::fails(step, code.as_deref())),
            GuestFault::Hangs { step } => Some(BadStep::hangs(step)),
            _ => None,
        });
        let clock = faults.iter().find_map(|fault| match fault {
            GuestFault::Clock { seconds } => Some(*seconds),
            _ => None,
        });
        let paced = |step: &InstallStep| InstallStep {
            millis: (step.millis as f64 / seen.speed.max(0.001)) as u64,
            ..step.clone()
        };
        Boot {
            name: seen.name.clone(),
            hostname: data.hostname.clone().unwrap_or_else(|| seen.name.clone()),
            user: data.user.clone().unwrap_or_else(|| layout::USER.to_owned()),
            shell: data.shell.clone().unwrap_or_else(|| "/bin/bash".to_owned()),
            isolation: self.shared.isolation.clone(),
            root: match self.shared.isolation {
                Isolation::Sandbox => PathBuf::from("/"),
                _ => self.shared.disks.of(seen.id, seen.generation),
            },
            steps: data.steps.iter().map(paced).collect(),
            tools: data.tools.clone(),
            plan: data.plan.clone(),
            bad_step,
            hardware: seen.hardware,
            clock: clock.unwrap_or(0),
        }
    }
}

impl Machine {
    fn opens(&self) -> bool {
        let faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        !faults.contains(&GuestFault::NeverOpens)
    }
}

/// The machines that have an operating system of ours, and the user-data of those not known yet.
fn look(model: &Contabo, known: &BTreeMap<i64, u32>) -> Vec<(Seen, Option<UserData>)> {
    let speed = model.settings().speed;
    let serving = |instance: &&Instance| {
        instance.exists()
            && instance.guest.installed.is_some()
            && instance.guest.user_data.is_some()
    };
    let seen = |instance: &Instance| {
        let guest = &instance.guest;
        let seen = Seen {
            id: instance.instance_id,
            name: instance.name.clone(),
            display_name: instance.facts.display_name.clone(),
            address: instance.facts.hardware.as_ref()?.v4.clone(),
            generation: guest.generation,
            boots: guest.boots,
            running: instance.facts.status == Status::Running,
            speed,
            hardware: hardware(&instance.product_id),
        };
        let is_new = known.get(&seen.id) != Some(&guest.generation);
        let data = is_new.then(|| UserData::read(guest.user_data.as_deref().unwrap_or_default()));
        Some((seen, data))
    };
    model.instances().filter(serving).filter_map(seen).collect()
}

/// What the product has.
fn hardware(product: &str) -> Hardware {
    let sized = |product: &Product| Hardware {
        cores: u64::from(product.cpu_cores),
        memory_gb: u64::from(product.ram_gb),
        disk_gb: u64::from(product.disk_gb),
    };
    find_product(product).map(sized).unwrap_or_default()
}
