//! A connection to Postgres that breaks at the worst moment.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// What happens to the next `COMMIT`.
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
    loop {
        tokio::select! {
            sent = client.read(&mut up) => {
                let Ok(count @ 1..) = sent else { return };
                let commits = up[..count].windows(7).any(|bytes| bytes == b"COMMIT\0");
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
