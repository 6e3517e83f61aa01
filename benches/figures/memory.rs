//! What a replica's memory grows by with each object, beyond the object's own bytes: the cache
//! with its window, and the controllers' mirrors.

use std::io::Read as _;
use std::sync::Arc;

use devpocket::clock::{RandomIds, SystemClock};
use devpocket::store::{PgOptions, PgStore};
use devpocket_controllers::clock::Clock;
use devpocket_controllers::manager::mirrors::Mirrors;
use devpocket_controllers::store::Store;
use devpocket_specs::kind::Kind;

use super::child::Task;
use super::postgres::{Server, cached, runtime};
use super::table::{Row, Scale};
use super::{cpu, objects};

pub fn measure(scale: Scale) -> Vec<Row> {
    let counts: &[usize] = scale.pick(&[100, 300], &[1_000, 10_000, 50_000]);
    let mut grown = Vec::new();
    let mut bytes = 0.0;
    runtime().block_on(async {
        let server = Server::start().await;
        let postgres = server.store("memory").await;
        let store: Arc<dyn Store> = postgres.clone();
        let mut options = PgOptions::from_url(&server.url()).expect("its own address");
        options.connect = options.connect.database("memory");
        let database = server.url().replace("/devpocket", "/memory");
        let mut made = 0;
        for &count in counts {
            objects::fill_environments(&store, made..count).await;
            made = count;
            let mut child = Task::Replica { database: database.clone() }.spawn();
            let line = tokio::task::block_in_place(|| child.line());
            let (objects, resident) = line.split_once(' ').expect("two numbers");
            assert_eq!(objects, count.to_string());
            grown.push((count as f64, resident.parse::<f64>().expect("a number")));
            tokio::task::block_in_place(|| child.finish());
        }
        let listing = store.list(Kind::Environment, None).await.expect("a list");
        bytes = listing.items.iter().map(|i| i.bytes.len() as f64).sum::<f64>() / made as f64;
        drop(store);
        postgres.close().await;
        server.stop().await;
    });
    let pairs = grown.windows(2);
    pairs
        .map(|pair| {
            let ((few, small), (many, large)) = (pair[0], pair[1]);
            let each = (large - small) / (many - few) - bytes;
            Row::new(
                format!("memory for each object, {few:.0} to {many:.0} of {bytes:.0} bytes"),
                format!("{:.1} KiB", each / 1024.0),
                "<= 16 KiB, linear",
            )
        })
        .collect()
}

/// In the child: fills the cache and the mirrors, and tells how much memory is in use.
pub fn replica(database: &str) {
    runtime().block_on(async {
        let options = PgOptions::from_url(database).expect("an address");
        let postgres = Arc::new(PgStore::connect(options).await.expect("the store opens"));
        let store: Arc<dyn Store> = cached(postgres).await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let mirrors = Mirrors::new(&store, &clock, &RandomIds);
        let follows = mirrors.clone();
        let running = tokio::spawn(async move { follows.run().await });
        mirrors.ready().await;
        let count = mirrors.environments.list().len();
        println!("{count} {}", cpu::anonymous_bytes(std::process::id()));
        let _ = tokio::task::block_in_place(|| std::io::stdin().read(&mut [0]));
        running.abort();
    });
}
