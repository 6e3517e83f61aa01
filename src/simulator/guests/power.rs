//! One machine that is switched on: its program, and the loopback port that leads to it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::Child;
use tokio::task::AbortHandle;

use super::super::machine::{Boot, Isolation};
use super::fault::GuestFault;
use super::sandbox::Start;
use super::{BOOT, SOCKET, container};

/// How long a machine's program may take until it answers on its socket.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(20);
/// Buffer for connections that are cut after so many bytes.
const CHUNK: usize = 4096;

/// What a machine is switched on with.
pub(super) struct Plug {
    pub program: PathBuf,
    pub sandbox: PathBuf,
    pub isolation: Isolation,
    /// What a machine boots from that boots.
    pub image: Option<PathBuf>,
    pub disk: PathBuf,
    pub runtime: PathBuf,
    pub boot: Boot,
    pub faults: Arc<Mutex<Vec<GuestFault>>>,
    /// How long the system takes until sshd listens.
    pub until_ssh: Duration,
}

impl Plug {
    fn socket(&self) -> PathBuf {
        self.runtime.join(if self.image.is_some() { container::SOCKET } else { SOCKET })
    }
}

/// A machine that is on. Dropping it pulls the plug.
pub(super) struct Powered {
    work: AbortHandle,
}

impl Drop for Powered {
    fn drop(&mut self) {
        self.work.abort();
    }
}

impl Powered {
    /// Switches it on. The port is told once it listens.
    pub fn on(plug: Plug, port: u16, tell: impl FnOnce(u16) + Send + 'static) -> Powered {
        let work = async move {
            if let Err(error) = run(&plug, port, tell).await {
                tracing::error!(machine = plug.boot.name, %error, "a simulated machine is down");
            }
        };
        Powered { work: tokio::spawn(work).abort_handle() }
    }
}

async fn run(plug: &Plug, port: u16, tell: impl FnOnce(u16)) -> io::Result<()> {
    let process = Arc::new(tokio::sync::Mutex::new(Some(start(plug)?)));
    // One that boots takes the time it takes.
    if plug.image.is_none() {
        tokio::time::sleep(plug.until_ssh).await;
    }
    // The port it had before, so that who wrote it down still gets here.
    let listener = match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await?,
    };
    tell(listener.local_addr()?.port());
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, _) = listener.accept().await?;
        let cut = match taken(&plug.faults) {
            Some(GuestFault::Refuses) => continue,
            Some(GuestFault::Cut { after_bytes, .. }) => Some(after_bytes),
            _ => None,
        };
        ensure(plug, &process).await?;
        let socket = plug.socket();
        connections.spawn(async move {
            if let Err(error) = relay(stream, &socket, cut).await {
                tracing::debug!(%error, "a connection to a simulated machine ended");
            }
        });
    }
}

/// The fault the next connection meets, counted.
fn taken(faults: &Mutex<Vec<GuestFault>>) -> Option<GuestFault> {
    let mut faults = faults.lock().unwrap_or_else(PoisonError::into_inner);
    let place = faults.iter().position(GuestFault::hits_connections)?;
    let found = faults[place].clone();
    if let GuestFault::Cut { times, .. } = &mut faults[place] {
        *times = times.saturating_sub(1);
        if *times == 0 {
            faults.remove(place);
        }
    }
    Some(found)
}

fn start(plug: &Plug) -> io::Result<Child> {
    let _ = std::fs::remove_file(plug.socket());
    write_boot(&plug.runtime, &plug.boot)?;
    if let Some(image) = &plug.image {
        return container::start(image, &plug.disk, &plug.runtime, &plug.boot.name);
    }
    let start = Start {
        program: &plug.program,
        sandbox: &plug.sandbox,
        isolation: &plug.isolation,
        disk: &plug.disk,
        runtime: &plug.runtime,
        hostname: &plug.boot.hostname,
    };
    start.spawn()
}

/// What the machine reads at its start, and again at each step of its installation.
pub(super) fn write_boot(runtime: &Path, boot: &Boot) -> io::Result<()> {
    std::fs::create_dir_all(runtime)?;
    let draft = runtime.join("boot.new");
    std::fs::write(&draft, serde_json::to_vec(boot)?)?;
    std::fs::rename(draft, runtime.join(BOOT))
}

/// Somebody on the machine may have killed everything there: then it comes up again.
async fn ensure(plug: &Plug, process: &tokio::sync::Mutex<Option<Child>>) -> io::Result<()> {
    let mut process = process.lock().await;
    let runs = process.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
    if !runs {
        tracing::warn!(machine = plug.boot.name, "a simulated machine ended and is started again");
        *process = Some(start(plug)?);
    }
    Ok(())
}

async fn relay(mut here: TcpStream, socket: &Path, cut: Option<u64>) -> io::Result<()> {
    here.set_nodelay(true)?;
    let mut there = reach(socket).await?;
    let Some(mut left) = cut else {
        copy_bidirectional(&mut here, &mut there).await?;
        return Ok(());
    };
    let (mut from_here, mut to_here) = here.split();
    let (mut from_there, mut to_there) = there.split();
    let answers = async {
        let mut buffer = vec![0; CHUNK];
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
            let read = from_there.read(&mut buffer[..most]).await?;
            if read == 0 {
                break;
            }
            to_here.write_all(&buffer[..read]).await?;
            left -= read as u64;
        }
        io::Result::Ok(())
    };
    tokio::select! {
        done = answers => done,
        done = tokio::io::copy(&mut from_here, &mut to_there) => done.map(|_| ()),
    }
}

/// The machine's socket, as soon as it is there.
async fn reach(socket: &Path) -> io::Result<UnixStream> {
    let asked = async {
        loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => return stream,
                Err(_) => tokio::time::sleep(ASK_AGAIN).await,
            }
        }
    };
    tokio::time::timeout(ANSWER_LIMIT, asked).await.map_err(|_| io::ErrorKind::TimedOut.into())
}
