//! A connection to Postgres that breaks at the worst moment.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// What happens to the next transaction as it is about to be committed: by `COMMIT`, or by a
/// statement that takes the counter and is a transaction of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(u8)]
pub enum Cut {
    Nothing = 0,
    /// The connection goes before the server hears of it.
    BeforeCommit = 1,
    /// The server commits; its answer is lost with the connection.
    AfterCommit = 2,
    /// As after, and from then on nobody gets through.
    ForGood = 3,
}

/// Stands between a store and its database.
pub struct Wire {
    folder: tempfile::TempDir,
    cut: Arc<AtomicU8>,
    cuts: Arc<AtomicUsize>,
}

const PORT: u16 = 5432;

impl Wire {
    pub fn to(server: &PgConnectOptions) -> Wire {
        let folder = tempfile::Builder::new().prefix("dp-wire").tempdir().expect("a folder");
        let name = format!(".s.PGSQL.{PORT}");
        let target = server.get_socket().expect("tests use sockets").join(&name);
        let listener = UnixListener::bind(folder.path().join(&name)).expect("a fresh socket");
        let cut = Arc::new(AtomicU8::new(Cut::Nothing as u8));
        let cuts = Arc::new(AtomicUsize::new(0));
        let (shared, counted) = (cut.clone(), cuts.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if shared.load(Ordering::SeqCst) == Cut::ForGood as u8
                    && counted.load(Ordering::SeqCst) > 0
                {
                    continue;
                }
                tokio::spawn(carry(client, target.clone(), shared.clone(), counted.clone()));
            }
        });
        Wire { folder, cut, cuts }
    }

    pub fn options(&self, server: &PgConnectOptions) -> PgConnectOptions {
        server.clone().socket(self.folder.path())
    }

    pub fn cut(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// How often it was cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

async fn carry(
    mut client: UnixStream,
    target: impl AsRef<Path>,
    cut: Arc<AtomicU8>,
    cuts: Arc<AtomicUsize>,
) {
    let Ok(mut server) = UnixStream::connect(target).await else { return };
    let (mut up, mut down) = ([0u8; 65_536], [0u8; 65_536]);
    let mut sent_by_client = Frontend::default();
    loop {
        tokio::select! {
            sent = client.read(&mut up) => {
                let Ok(count @ 1..) = sent else { return };
                let commits = sent_by_client.commits(&up[..count]);
                let now = cut.load(Ordering::SeqCst);
                if commits && now != Cut::Nothing as u8 {
                    cuts.fetch_add(1, Ordering::SeqCst);
                    if now != Cut::ForGood as u8 {
                        cut.store(Cut::Nothing as u8, Ordering::SeqCst);
                    }
                    if now != Cut::BeforeCommit as u8 && server.write_all(&up[..count]).await.is_ok() {
                        // The answer arrives here, and no further.
                        let _ = server.read(&mut down).await;
                    }
                    return;
                }
                if server.write_all(&up[..count]).await.is_err() { return; }
            }
            got = server.read(&mut down) => {
                let Ok(count @ 1..) = got else { return };
                if client.write_all(&down[..count]).await.is_err() { return; }
            }
        }
    }
}

const SSL_REQUEST: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// The client's half of the protocol, as far as it takes to see a commit coming.
#[derive(Default)]
struct Frontend {
    /// Bytes of a message that is not complete yet.
    rest: Vec<u8>,
    /// The first message has no type.
    started: bool,
    /// Prepared statements that take the counter and commit at once.
    committing: BTreeSet<Vec<u8>>,
}

impl Frontend {
    fn commits(&mut self, bytes: &[u8]) -> bool {
        self.rest.extend_from_slice(bytes);
        let mut commits = false;
        while let Some((kind, body)) = self.message() {
            let mut texts = body.split(|byte| *byte == 0);
            let (first, second) = (texts.next().unwrap_or(&[]), texts.next().unwrap_or(&[]));
            match kind {
                b'Q' => commits |= first == b"COMMIT",
                b'P' if takes_counter_at(second) => drop(self.committing.insert(first.to_vec())),
                b'B' => commits |= self.committing.contains(second),
                _ => {}
            }
        }
        commits
    }

    fn message(&mut self) -> Option<(u8, Vec<u8>)> {
        let kind = usize::from(self.started);
        let length = self.rest.get(kind..kind + 4)?.try_into().expect("four bytes");
        let end = kind + u32::from_be_bytes(length) as usize;
        if self.rest.len() < end {
            return None;
        }
        let message: Vec<u8> = self.rest.drain(..end).collect();
        // Asked before the startup message, and as bare as that.
        self.started = self.started || message[4..] != SSL_REQUEST;
        Some((if kind == 1 { message[0] } else { 0 }, message[kind + 4..].to_vec()))
    }
}

fn takes_counter_at(statement: &[u8]) -> bool {
    let text = String::from_utf8_lossy(statement);
    text.contains("UPDATE store_revision") && text.contains("WHERE id = 1 AND revision =")
}
