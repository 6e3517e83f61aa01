//! Lines of machines that install themselves: from the moment a machine prints one, over SSH, taken,
//! masked and kept in a real Postgres, to somebody who reads along in this process.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use devpocket::access::seal::Sealer;
use devpocket::bridge::{Authority, Bridge, Dialer};
use devpocket::lines::InstallLines;
use devpocket_controllers::guest::{FOLLOW, FOLLOW_PAUSE, Guest as _, Question, Target};
use devpocket_controllers::install::{Journal, Lines as _};
use devpocket_specs::install::{Mask, read_progress};
use futures::StreamExt as _;
use jiff::Timestamp;
use tokio::net::TcpStream;
use uuid::Uuid;

use super::child::Task;
use super::cpu;
use super::machines::{self, EVERY};
use super::postgres::{Server, runtime};
use super::stats::{self, percentile};
use super::table::{Row, Scale};

/// Machines whose lines somebody reads as they come.
const WATCHED: usize = 20;
/// First connections that are made at once.
const HANDSHAKES: usize = 16;

/// All machines are one port here.
struct Port(u16);

#[async_trait]
impl Dialer for Port {
    async fn dial(&self, _address: &str) -> std::io::Result<TcpStream> {
        TcpStream::connect(("127.0.0.1", self.0)).await
    }
}

pub fn measure(scale: Scale) -> Vec<Row> {
    let (guests, length) = scale.pick((20, EVERY), (500, EVERY * 12));
    runtime().block_on(async {
        let mut child = Task::Machines.spawn();
        let port = child.line().parse().expect("a port");
        let key = child.line();
        let server = Server::start().await;
        let store = server.store("lines").await;
        let lines = InstallLines::new(store.pool().clone());
        let authority = Authority::open(store.clone(), Arc::new(Sealer::new([7; 32]))).await;
        let bridge = Bridge::new(authority.expect("keys of its own"), Arc::new(Port(port)));
        let targets: Vec<Target> = (0..guests).map(|n| machines::target(n, &key)).collect();

        let memory = cpu::anonymous_bytes(std::process::id());
        futures::stream::iter(&targets)
            .for_each_concurrent(HANDSHAKES, |target| async {
                bridge.look(target, &Question::default()).await.expect("it answers");
            })
            .await;
        let told = Arc::new(Mutex::new(Vec::new()));
        let readers: Vec<_> = (0..guests.min(WATCHED))
            .map(|n| tokio::spawn(read(lines.clone(), environment(n), told.clone())))
            .collect();
        let (busy, began) = (cpu::own_seconds(), Instant::now());
        let followed: Vec<_> = targets
            .into_iter()
            .enumerate()
            .map(|(n, target)| {
                let (bridge, lines) = (bridge.clone(), lines.clone());
                tokio::spawn(follow(bridge, target, lines, environment(n), began + length))
            })
            .collect();
        tokio::time::sleep_until((began + length).into()).await;
        let busy = (cpu::own_seconds() - busy) / began.elapsed().as_secs_f64();
        let grown = cpu::anonymous_bytes(std::process::id()).saturating_sub(memory);
        let mut taken = 0;
        for machine in followed {
            taken += machine.await.expect("a machine is followed to its end");
        }
        let due = length.as_secs() / EVERY.as_secs() * guests as u64;
        assert!(taken + guests as u64 >= due, "{taken} of {due} lines were taken");
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        let told = told.lock().map(|told| told.clone()).unwrap_or_default();
        assert!(!told.is_empty(), "nobody was told anything");
        store.close().await;
        server.stop().await;
        child.finish();
        vec![
            Row::new(
                format!("{guests} installing guests at 0.2 lines/s, over SSH"),
                format!(
                    "{:.1} % of a core, {:.0} KiB each",
                    busy * 100.0,
                    grown as f64 / 1024.0 / guests as f64
                ),
                "<= 10 %, <= 128 KiB",
            ),
            Row::new(
                "a line, from the machine printing it to a reader",
                format!(
                    "p50 {:.1} ms, p99 {:.1} ms",
                    stats::median(&told),
                    percentile(&told, 99.0)
                ),
                "<= 300 ms",
            ),
        ]
    })
}

fn environment(n: usize) -> Uuid {
    Uuid::from_u128(n as u128 + 1)
}

/// Follows one machine as its visits do; how many lines were taken.
async fn follow(
    bridge: Bridge,
    target: Target,
    lines: InstallLines,
    of: Uuid,
    end: Instant,
) -> u64 {
    let (mut journal, mask) = (Journal::default(), Mask::default());
    let mut taken = 0;
    while Instant::now() < end {
        let mut after = journal.clone();
        let logs = after.wanted("m-1/1");
        let question = Question { logs, wait: FOLLOW, progress: true, cloud_init: true };
        let look = bridge.look(&target, &question).await.expect("the machine answers");
        let progress = read_progress(&look.progress.expect("it is asked for")).expect("progress");
        let (new, _) =
            after.take(&look.logs, &mask, Timestamp::now(), &progress.step, progress.percent);
        if after.logs == journal.logs {
            tokio::time::sleep(FOLLOW_PAUSE).await;
            continue;
        }
        taken += new.len() as u64;
        after.version += 1;
        let kept = lines.append(of, &journal, &after, new).await.expect("the database answers");
        assert!(kept, "nobody else writes");
        journal = after;
        tokio::time::sleep(FOLLOW_PAUSE).await;
    }
    taken
}

/// One reader; what it read says when it was printed.
async fn read(lines: InstallLines, of: Uuid, told: Arc<Mutex<Vec<f64>>>) {
    let mut follower = lines.follow(of, 0);
    loop {
        for line in follower.page().await.expect("the database answers") {
            let printed = line.text.split(' ').next().and_then(|word| word.parse::<i64>().ok());
            if let (Some(printed), Ok(mut told)) = (printed, told.lock()) {
                told.push((Timestamp::now().as_microsecond() - printed) as f64 / 1000.0);
            }
        }
        follower.heard().await;
    }
}
