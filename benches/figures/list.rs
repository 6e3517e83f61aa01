//! A list of all objects of a kind, as bytes: from the cache, and from SQL.
//!
//! Both answer as of now: the cache asks the database for its revision first.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use devpocket_controllers::store::Store;
use devpocket_specs::kind::Kind;

use super::objects;
use super::postgres::{Server, cached, runtime};
use super::stats::{firsts, median, median_ratio, millis, seconds};
use super::table::{Row, Scale};

pub fn measure(scale: Scale) -> Vec<Row> {
    let (objects, rounds) = scale.pick((200, 3), (10_000, 21));
    runtime().block_on(async {
        let server = Server::start().await;
        let postgres = server.store("list").await;
        let sql: Arc<dyn Store> = postgres.clone();
        objects::fill(&sql, objects).await;
        let cache: Arc<dyn Store> = cached(postgres).await;
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            pairs.push((list(&sql, objects).await, list(&cache, objects).await));
        }
        server.stop().await;
        let (slow, fast) = (median(&firsts(&pairs)), median(&seconds(&pairs)));
        vec![
            Row::new(
                format!("list of {objects} from the cache"),
                format!("{fast:.2} ms"),
                ">= 10x faster",
            )
            .against(format!("the same list from SQL: {slow:.1} ms"), median_ratio(&pairs)),
        ]
    })
}

/// Milliseconds for a list whose items stand one after the other in a body.
async fn list(store: &Arc<dyn Store>, expected: usize) -> f64 {
    let started = Instant::now();
    let listing = store.list(Kind::Template, None).await.expect("a list");
    let mut body = Vec::with_capacity(listing.items.iter().map(|i| i.bytes.len() + 1).sum());
    for item in &listing.items {
        body.extend_from_slice(&item.bytes);
        body.push(b',');
    }
    black_box(&body);
    let took = millis(started.elapsed());
    assert_eq!(listing.items.len(), expected);
    took
}
