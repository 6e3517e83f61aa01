//! Lines of machines that install themselves: taken, masked, kept in a real Postgres and told to
//! readers. The way to the machines (SSH) is not in it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use devpocket::lines::InstallLines;
use devpocket_controllers::guest::LogPart;
use devpocket_controllers::install::{Journal, Lines as _};
use devpocket_specs::install::{INSTALL_LOG_PATH, Mask};
use jiff::Timestamp;
use uuid::Uuid;

use super::postgres::{Server, runtime};
use super::stats::{millis, percentile};
use super::table::{Row, Scale};
use super::{cpu, stats};

/// Time between two lines of one machine.
const EVERY: Duration = Duration::from_secs(5);
/// Machines whose lines somebody reads as they come.
const WATCHED: usize = 20;

pub fn measure(scale: Scale) -> Vec<Row> {
    let (guests, length) = scale.pick((20, Duration::from_secs(2)), (500, Duration::from_secs(60)));
    runtime().block_on(async {
        let server = Server::start().await;
        let store = server.store("lines").await;
        let lines = InstallLines::new(store.pool().clone());
        let told = Arc::new(Mutex::new(Vec::new()));
        let before = (cpu::own_seconds(), cpu::anonymous_bytes(std::process::id()));
        let began = Instant::now();
        let readers: Vec<_> = (0..guests.min(WATCHED))
            .map(|n| tokio::spawn(read(lines.clone(), environment(n), began, told.clone())))
            .collect();
        let machines: Vec<_> = (0..guests)
            .map(|n| {
                let first = EVERY.mul_f64(n as f64 / guests as f64);
                tokio::spawn(print(lines.clone(), environment(n), began, first, length))
            })
            .collect();
        for machine in machines {
            machine.await.expect("a machine prints to its end");
        }
        let busy = cpu::own_seconds() - before.0;
        let grown = cpu::anonymous_bytes(std::process::id()).saturating_sub(before.1);
        readers.iter().for_each(tokio::task::JoinHandle::abort);
        let told = told.lock().map(|told| told.clone()).unwrap_or_default();
        assert!(!told.is_empty(), "nobody was told anything");
        store.close().await;
        server.stop().await;
        vec![
            Row::new(
                format!("{guests} installing guests at 0.2 lines/s, without SSH"),
                format!(
                    "{:.1} % of a core, {:.0} KiB each",
                    busy / began.elapsed().as_secs_f64() * 100.0,
                    grown as f64 / 1024.0 / guests as f64
                ),
                "<= 10 %, <= 128 KiB",
            ),
            Row::new(
                "a line, from our process having it to a reader",
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

/// One machine: its log grows by a line now and then, and is taken as a visit takes it.
async fn print(lines: InstallLines, of: Uuid, began: Instant, first: Duration, length: Duration) {
    let (mut journal, mask) = (Journal::default(), Mask::default());
    let mut file = Vec::new();
    let mut due = first;
    while due < length {
        tokio::time::sleep_until((began + due).into()).await;
        let said = format!(
            "{} Setting up package-{} (1.2.3-4) ...\n",
            millis(began.elapsed()),
            due.as_secs()
        );
        file.extend_from_slice(said.as_bytes());
        let mut after = journal.clone();
        let wanted = after.wanted("m-1/1");
        let from = wanted.iter().find(|w| w.path == INSTALL_LOG_PATH).map_or(0, |w| w.from);
        let bytes = file[usize::try_from(from).unwrap_or(0)..].to_vec();
        let part = LogPart { path: INSTALL_LOG_PATH.to_owned(), from, bytes };
        let (new, _) = after.take(&[part], &mask, Timestamp::UNIX_EPOCH, "packages", 30);
        assert_eq!(new.len(), 1, "each line is taken once");
        after.version += 1;
        let kept = lines.append(of, &journal, &after, new).await.expect("the database answers");
        assert!(kept, "nobody else writes");
        journal = after;
        due += EVERY;
    }
}

/// One reader; what it read says when it was printed.
async fn read(lines: InstallLines, of: Uuid, began: Instant, told: Arc<Mutex<Vec<f64>>>) {
    let mut follower = lines.follow(of, 0);
    loop {
        for line in follower.page().await.expect("the database answers") {
            let printed = line.text.split(' ').next().and_then(|ms| ms.parse::<f64>().ok());
            if let (Some(printed), Ok(mut told)) = (printed, told.lock()) {
                told.push(millis(began.elapsed()) - printed);
            }
        }
        follower.heard().await;
    }
}
