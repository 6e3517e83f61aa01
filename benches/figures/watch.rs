//! How long after its commit a change has arrived at watchers in another process.
//!
//! A server with the cache over Postgres; 100 sockets that watch; 32 writers that together keep
//! to 1,000 writes a second. Measured is the time from the acknowledgement of a write to the moment
//! its line was read from a socket; a line that is there before the writer was told counts as zero.

use std::collections::HashMap;
use std::io::{BufRead, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use devpocket::access::seal::Sealer;
use devpocket::access::{ByRole, Tokens, User};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::server::{AllowedHosts, AppState, Build, Exposure, Server};
use devpocket_controllers::store::{Store, Stored};
use devpocket_specs::catalogue::Catalogue;
use tokio_util::sync::CancellationToken;

use super::child::Task;
use super::objects;
use super::postgres::{self, cached, runtime};
use super::stats::percentile;
use super::table::{Row, Scale};

const WATCHERS: usize = 100;
const WRITERS: usize = 32;
const WRITES_PER_SECOND: u64 = 1_000;
const TOKEN: &str = "bench-token-0123456789-0123456789";
const PATH: &str = "/kube/apis/coordination.k8s.io/v1/namespaces/bench/leases";

pub fn measure(scale: Scale) -> Vec<Row> {
    let length = scale.pick(Duration::from_millis(500), Duration::from_secs(10));
    let (written, lags) = runtime().block_on(async {
        let server = postgres::Server::start().await;
        let store: Arc<dyn Store> = cached(server.store("watch").await).await;
        let (address, stop) = serve(store.clone()).await;
        let leases = leases(&store).await;
        let after = store.revision().await.expect("a revision");
        let url = address.to_string();
        let mut watchers = Task::Watchers { url, count: WATCHERS, after }.spawn();
        assert_eq!(watchers.line(), "ready");
        let acknowledged = write(&store, leases, length).await;
        let read = tokio::task::spawn_blocking(move || watchers.finish()).await;
        stop.cancel();
        server.stop().await;
        let lags = lags(&acknowledged, &read.expect("the watchers end"));
        (acknowledged.len(), lags)
    });
    assert_eq!(lags.len(), written * WATCHERS, "every watcher sees every change");
    let rate = written as f64 / length.as_secs_f64();
    vec![Row::new(
        format!("commit to bytes at {WATCHERS} sockets, {rate:.0} writes/s"),
        format!("p50 {:.2} ms, p99 {:.2} ms", percentile(&lags, 50.0), percentile(&lags, 99.0)),
        "p99 <= 5 ms",
    )]
}

async fn serve(store: Arc<dyn Store>) -> (SocketAddr, CancellationToken) {
    let stop = CancellationToken::new();
    let state = AppState {
        store,
        clock: Arc::new(SystemClock::new()),
        ids: Arc::new(RandomIds),
        catalogue: Arc::new(Catalogue::builtin().clone()),
        sealer: Arc::new(Sealer::new([7; 32])),
        authorizer: Arc::new(ByRole),
        authenticator: Arc::new(Tokens::single(TOKEN, User::admin("bench")).expect("a token")),
        accounts: None,
        bridge: None,
        lines: None,
        history: None,
        sockets: Default::default(),
        hosts: AllowedHosts::new(&[] as &[String]),
        edge: Default::default(),
        keys: None,
        outbox: Default::default(),
        plans: Default::default(),
        metrics: None,
        probes: Vec::new(),
        shutdown: stop.clone(),
        build: Build::default(),
    };
    let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
    let server = Server::bind(any_port, Exposure::Loopback).await.expect("a free port");
    let address = server.address();
    tokio::spawn(server.serve(Arc::new(state)));
    (address, stop)
}

async fn leases(store: &Arc<dyn Store>) -> Vec<Arc<Stored>> {
    let mut made = Vec::new();
    for index in 0..WRITERS {
        let lease = objects::lease("bench", &format!("l{index:02}"), "nobody");
        made.push(store.write(objects::creating(lease)).await.expect("a create"));
    }
    made
}

/// Writes at the given pace; answers when each revision was acknowledged.
async fn write(
    store: &Arc<dyn Store>,
    leases: Vec<Arc<Stored>>,
    length: Duration,
) -> HashMap<u64, u64> {
    let acknowledged = Arc::new(Mutex::new(HashMap::new()));
    let each = Duration::from_secs(WRITERS as u64) / WRITES_PER_SECOND as u32;
    let writers: Vec<_> = leases
        .into_iter()
        .map(|mut lease| {
            let (store, acknowledged) = (store.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let mut pace = tokio::time::interval(each);
                let until = tokio::time::Instant::now() + length;
                let mut number = 0;
                while pace.tick().await < until {
                    number += 1;
                    let write = objects::holding(&lease, &format!("holder-{number}"));
                    lease = store.write(write).await.expect("an update");
                    let at = nanoseconds();
                    acknowledged.lock().expect("no panic").insert(lease.revision(), at);
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("a writer ends in order");
    }
    std::mem::take(&mut *acknowledged.lock().expect("no panic"))
}

/// Milliseconds from the acknowledgement to each arrival.
fn lags(acknowledged: &HashMap<u64, u64>, read: &[String]) -> Vec<f64> {
    read.iter()
        .filter_map(|line| {
            let (revision, at) = line.split_once(' ')?;
            let at = at.parse::<u64>().ok()?;
            let committed = acknowledged.get(&revision.parse().ok()?)?;
            Some(at.saturating_sub(*committed) as f64 / 1e6)
        })
        .collect()
}

/// Wall time: two processes on one machine share it.
fn nanoseconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    since.as_nanos() as u64
}

/// In the child: watches until the end of its input.
pub fn watch(address: &str, count: usize, after: u64) {
    let sockets: Vec<TcpStream> = (0..count).map(|_| open(address, after)).collect();
    let readers: Vec<_> = sockets
        .iter()
        .map(|socket| {
            let socket = socket.try_clone().expect("a second handle");
            std::thread::spawn(move || arrivals(socket))
        })
        .collect();
    println!("ready");
    // A moment after the last write there is nothing left on its way.
    let _ = std::io::stdin().lock().read_until(0, &mut Vec::new());
    std::thread::sleep(Duration::from_millis(500));
    for socket in &sockets {
        let _ = socket.shutdown(std::net::Shutdown::Both);
    }
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for reader in readers {
        for (revision, at) in reader.join().expect("a reader ends in order") {
            writeln!(out, "{revision} {at}").expect("the parent reads");
        }
    }
}

fn open(address: &str, after: u64) -> TcpStream {
    let mut socket = TcpStream::connect(address).expect("the server listens");
    let query = format!("watch=1&resourceVersion={after}");
    write!(
        socket,
        "GET {PATH}?{query} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    )
    .expect("the server reads");
    socket
}

/// Revision and moment of each change that arrives.
fn arrivals(mut socket: TcpStream) -> Vec<(u64, u64)> {
    const MARK: &[u8] = b"\"resourceVersion\":\"";
    let mut seen = Vec::new();
    let mut pending: Vec<u8> = Vec::new();
    let mut chunk = [0; 64 << 10];
    while let Ok(count) = socket.read(&mut chunk)
        && count > 0
    {
        let at = nanoseconds();
        pending.extend_from_slice(&chunk[..count]);
        let mut start = 0;
        while let Some(length) = pending[start..].iter().position(|byte| *byte == b'\n') {
            let line = &pending[start..start + length];
            start += length + 1;
            let found = line.windows(MARK.len()).position(|window| window == MARK);
            if let Some(found) = found {
                let digits = line[found + MARK.len()..].iter().take_while(|b| b.is_ascii_digit());
                let revision = digits.fold(0, |value, b| value * 10 + u64::from(b - b'0'));
                seen.push((revision, at));
            }
        }
        pending.drain(..start);
    }
    seen
}
