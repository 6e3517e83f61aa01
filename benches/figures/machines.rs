//! Machines that install themselves, in a process of their own: SSH servers that answer looks as a
//! machine does, each with a log that grows by a line now and then.

use std::io::Read as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use devpocket_controllers::guest::Target;
use jiff::Timestamp;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::{Certificate, PrivateKey};
use russh::server::{Auth, ChannelOpenHandle, Config, Handler, Msg, Session};
use russh::{Channel, ChannelId};

use super::postgres::runtime;

/// Time between two lines of one machine.
pub const EVERY: Duration = Duration::from_secs(5);
/// The longest a look waits.
const WAIT: Duration = Duration::from_secs(10);
const PROGRESS: &str = r#"{"version": 1, "plan": "3f6c", "state": "running", "step": "packages", "index": 3, "steps": 12, "attempt": 1, "percent": 30, "boots": 1, "done": [], "warnings": [], "error": null, "lines": []}"#;

/// Serves until its input ends; prints its port, and the key by which all machines are known.
pub fn serve() {
    runtime().block_on(async {
        let key = PrivateKey::from(Ed25519Keypair::from_seed(&[7; 32]));
        let public = key.public_key().to_openssh().expect("a public key");
        let config = Arc::new(Config { keys: vec![key], nodelay: true, ..Config::default() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("{}", listener.local_addr().expect("its address").port());
        println!("{public}");
        let served = async {
            let number = Arc::new(AtomicU64::new(0));
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                let machine = Machine::new(number.fetch_add(1, Ordering::Relaxed));
                let session = russh::server::run_stream(config.clone(), stream, machine);
                tokio::spawn(async move { session.await.expect("a handshake").await });
            }
        };
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        tokio::select! {
            never = served => never,
            _ = ended => {}
        }
    });
}

/// How a machine behind this key is known.
pub fn target(number: usize, key: &str) -> Target {
    Target {
        machine: format!("m-{number}"),
        generation: 1,
        address: format!("machine-{number}"),
        known: vec![key.to_owned()],
        first: false,
    }
}

struct Machine {
    log: Arc<Log>,
}

/// What it prints: the moment of each line, so that whoever reads it knows how long it was on its way.
struct Log {
    first: Instant,
    text: tokio::sync::Mutex<(u32, Vec<u8>)>,
}

impl Machine {
    fn new(number: u64) -> Machine {
        // They do not print all at once.
        let first = Instant::now() + EVERY.mul_f64((number as f64 * 0.618).fract());
        Machine { log: Arc::new(Log { first, text: tokio::sync::Mutex::default() }) }
    }
}

impl Log {
    /// The log from there on, as soon as there is any or the time is over.
    async fn read(&self, from: usize) -> Vec<u8> {
        let limit = Instant::now() + WAIT;
        let mut text = self.text.lock().await;
        loop {
            let due = self.first + EVERY * text.0;
            if due <= Instant::now() {
                let line = format!(
                    "{} Setting up package-{} (1.2.3-4) ...\n",
                    Timestamp::now().as_microsecond(),
                    text.0
                );
                text.1.extend_from_slice(line.as_bytes());
                text.0 += 1;
            }
            // The byte before what is wanted is wanted too, and is nothing new.
            if text.1.len() > from + usize::from(from > 0) || Instant::now() >= limit {
                return text.1[from.min(text.1.len())..].to_vec();
            }
            tokio::time::sleep_until(due.min(limit).into()).await;
        }
    }
}

/// What a look prints: the sections it asks for by its name.
async fn answer(log: &Log, command: &str) -> Vec<u8> {
    let mut printed = format!("== progress 0 {}\n{PROGRESS}", PROGRESS.len()).into_bytes();
    let logs = command.split_once("devpocket-look").map_or("", |(_, logs)| logs);
    for wanted in logs.split_whitespace() {
        let (path, from) = wanted.rsplit_once(':').expect("a path and an offset");
        let body = match path == devpocket_specs::install::INSTALL_LOG_PATH {
            true => log.read(from.parse().expect("an offset")).await,
            false => Vec::new(),
        };
        printed.extend_from_slice(format!("== {wanted} 0 {}\n", body.len()).as_bytes());
        printed.extend_from_slice(&body);
    }
    printed
}

impl Handler for Machine {
    type Error = russh::Error;

    async fn auth_openssh_certificate(
        &mut self,
        _user: &str,
        _certificate: &Certificate,
    ) -> Result<Auth, Self::Error> {
        Ok(Auth::Accept)
    }

    async fn channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)?;
        let command = String::from_utf8_lossy(command).into_owned();
        let (handle, log) = (session.handle(), self.log.clone());
        tokio::spawn(async move {
            let printed = answer(&log, &command).await;
            let _ = handle.data(channel, printed).await;
            let _ = handle.exit_status_request(channel, 0).await;
            let _ = handle.eof(channel).await;
            let _ = handle.close(channel).await;
        });
        Ok(())
    }
}
