//! One simulated machine from the inside: its SSH server, its shell, its disk, its first boot.
//!
//! It is a program of its own (`devpocket guest-machine`, started by [`super::guests`]), because a
//! machine that is switched off takes everything with it: sessions, shells and whatever they left
//! running are its children, and end with it.
//!
//! # Guarantees
//! - In a sandbox, it and all it starts see a disk of their own, the programs of this computer
//!   read-only, no file of anybody's home and no network but a loopback of their own. So `rm -rf ~`
//!   empties the machine's home and nothing else.
//! - Without a sandbox nothing that a client sends is run: a built-in shell of a few commands
//!   answers, and says so. Only `--unsafe-host-shell` runs programs on the host itself.
//! - Who may sign in is what the disk says at that moment, as with sshd: host keys, trusted
//!   certificate authorities and authorized keys are read anew for each connection.

mod answers;
mod builtin;
mod connection;
mod counters;
mod disk;
mod files;
mod forward;
mod install;
mod process;
mod session;
mod terminal;
mod trust;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::io::{InspectReader, InspectWriter};

use connection::Connection;
use counters::Counters;
pub use counters::Hardware;
use disk::Disk;

/// Connections one machine serves at a time.
const CONNECTIONS_MAX: usize = 64;
/// Like sshd's `LoginGraceTime`, shorter: strangers hold a connection no longer than this.
const SIGN_IN_LIMIT: Duration = Duration::from_secs(60);

/// What a machine is started with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// Contabo's name, such as `vmi2563139`.
    pub name: String,
    pub hostname: String,
    /// Who may sign in.
    pub user: String,
    pub shell: String,
    pub isolation: Isolation,
    /// Where the disk is mounted: `/` in a sandbox.
    pub root: PathBuf,
    /// What the first boot does.
    pub steps: Vec<InstallStep>,
    /// What the check of the installation asks for.
    pub tools: Vec<String>,
    /// Where the steps come from, if user-data brought them.
    pub plan: Option<String>,
    /// A step that fails, or hangs, when it comes to it.
    pub bad_step: Option<BadStep>,
    /// How large it is.
    #[serde(default)]
    pub hardware: Hardware,
    /// By how many seconds its clock is wrong.
    #[serde(default)]
    pub clock: i64,
}

/// What keeps a machine's programs from this computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// bubblewrap.
    Sandbox,
    /// A system of its own that boots, in a container of systemd-nspawn.
    Container,
    /// Nothing: asked for with `--unsafe-host-shell`.
    HostShell,
    /// Nothing is run; with the reason why there is no sandbox.
    BuiltIn(String),
}

/// One step of the first boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstallStep {
    pub name: String,
    /// Where the bar stands when it begins.
    pub percent: u32,
    pub millis: u64,
}

/// What goes wrong in which step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BadStep {
    pub step: String,
    /// The code it fails with; absent: it never ends.
    pub code: Option<String>,
}

impl BadStep {
    /// It fails, in this way.
    pub fn fails(step: &str, code: Option<&str>) -> BadStep {
        let code = code.unwrap_or("step-failed").to_owned();
        BadStep { step: step.to_owned(), code: Some(code) }
    }

    /// It never ends.
    pub fn hangs(step: &str) -> BadStep {
        BadStep { step: step.to_owned(), code: None }
    }
}

/// A machine that runs.
struct Machine {
    pub boot: Boot,
    disk: Disk,
    /// The file it was started with; what is in it may change while it runs.
    file: PathBuf,
    counters: Counters,
}

impl Machine {
    /// What the control plane has in mind for it now.
    fn boot_now(&self) -> Option<Boot> {
        serde_json::from_slice(&std::fs::read(&self.file).ok()?).ok()
    }
}

/// Runs a machine until it is killed.
pub async fn run(boot: &Path, socket: &Path) -> io::Result<()> {
    let read: Boot = serde_json::from_slice(&tokio::fs::read(boot).await?)?;
    let disk = Disk::new(read.root.clone());
    trust::ensure_host_key(&disk)?;
    let machine =
        Arc::new(Machine { boot: read, disk, file: boot.to_owned(), counters: Counters::new() });
    let listener = UnixListener::bind(socket)?;
    let installing = install::first_boot(machine.clone());
    let on = async { tokio::join!(serve(&listener, &machine), installing).0 };
    let (mut input, mut nowhere) = (tokio::io::stdin(), tokio::io::sink());
    tokio::select! {
        ended = on => ended,
        // Whoever started it is gone.
        _ = tokio::io::copy(&mut input, &mut nowhere) => Ok(()),
    }
}

async fn serve(listener: &UnixListener, machine: &Arc<Machine>) -> io::Result<()> {
    let room = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let (stream, _) = listener.accept().await?;
        // Like sshd's MaxStartups: beyond it, connections are dropped.
        let Ok(place) = room.clone().try_acquire_owned() else { continue };
        let machine = machine.clone();
        tokio::spawn(async move {
            if let Err(error) = connection(stream, machine).await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
}

async fn connection(stream: UnixStream, machine: Arc<Machine>) -> Result<(), russh::Error> {
    let config = Arc::new(trust::server(&machine.disk)?);
    let (from, to) = (machine.clone(), machine.clone());
    let stream = InspectReader::new(stream, move |bytes| from.counters.received(bytes.len()));
    let stream = InspectWriter::new(stream, move |bytes| to.counters.sent(bytes.len()));
    let handler = Connection::new(machine);
    let signed_in = handler.signed_in();
    let session = russh::server::run_stream(config, stream, handler).await?;
    let handle = session.handle();
    tokio::pin!(session);
    tokio::select! {
        ended = &mut session => return ended,
        () = tokio::time::sleep(SIGN_IN_LIMIT) => {}
    }
    if !signed_in.load(std::sync::atomic::Ordering::Relaxed) {
        let why = "nobody signed in".to_owned();
        let _ = handle.disconnect(russh::Disconnect::ByApplication, why, String::new()).await;
    }
    session.await
}
