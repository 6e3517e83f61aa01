//! Durable, ordered updates of objects of 1.4 KB by 32 writers, beside kine's way of writing.
//!
//! The peer has kine's table and indexes, and sends its two statements of an update: the current
//! row by name, then the insert of the next one. It is given a connection for each writer. What it
//! needs beyond that to tell watchers of changes in order (a poll, and filling of gaps) is left
//! out, which favours it. Over either store sits the same API: each update is admitted first.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use devpocket_controllers::store::{Store, Stored, Write};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Object;
use sqlx::{PgPool, Row as _};

use super::objects;
use super::postgres::{Server, runtime, warm_pool};
use super::stats::{firsts, median, median_ratio, seconds};
use super::table::{Row, Scale};

const WRITERS: usize = 32;
/// Objects each writer has, so that writers never meet.
const OBJECTS_PER_WRITER: usize = 32;

const KINE: [&str; 7] = [
    "CREATE TABLE kine (id bigserial PRIMARY KEY, name text COLLATE \"C\", created integer, \
     deleted integer, create_revision bigint, prev_revision bigint, lease integer, \
     value bytea, old_value bytea)",
    "CREATE INDEX ON kine (name)",
    "CREATE INDEX ON kine (name, id)",
    "CREATE INDEX ON kine (id, deleted)",
    "CREATE INDEX ON kine (prev_revision)",
    "CREATE UNIQUE INDEX ON kine (name, prev_revision)",
    "CREATE INDEX ON kine (name, id DESC, deleted)",
];
/// The current row of a name, with the revisions a reply carries.
const KINE_GET: &str = "SELECT current_rev, compact_rev, id, name, created, deleted, \
     create_revision, prev_revision, lease, value \
     FROM (SELECT max(id) AS current_rev FROM kine) AS c, \
          (SELECT max(prev_revision) AS compact_rev FROM kine WHERE name = 'compact_rev_key') AS p, \
          kine JOIN (SELECT max(id) AS id FROM kine WHERE name = $1 GROUP BY name) AS newest \
          USING (id) \
     WHERE deleted = 0 OR $2 ORDER BY name ASC";
const KINE_INSERT: &str = "INSERT INTO kine (name, created, deleted, create_revision, \
     prev_revision, lease, value, old_value) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id";

pub fn measure(scale: Scale) -> Vec<Row> {
    let (rounds, length) = scale.pick((1, Duration::from_millis(300)), (9, Duration::from_secs(3)));
    runtime().block_on(async {
        let server = Server::start().await;
        let ours = Ours::new(&server).await;
        let kine = Kine::new(&server).await;
        ours.round(length / 4).await;
        kine.round(length / 4).await;
        let mut pairs = Vec::new();
        for _ in 0..rounds {
            pairs.push((ours.round(length).await, kine.round(length).await));
        }
        server.stop().await;
        let (here, there) = (median(&firsts(&pairs)), median(&seconds(&pairs)));
        vec![
            Row::new(
                format!("durable ordered updates, {WRITERS} writers, 1.4 KB"),
                format!("{here:.0}/s"),
                ">= 2x, aim 3x",
            )
            .against(format!("kine's statements: {there:.0}/s"), median_ratio(&pairs)),
        ]
    })
}

/// Runs the writers for that long, and answers the updates a second that were acknowledged.
async fn rate<F, W>(length: Duration, writer: W) -> f64
where
    W: Fn(usize, Instant, Arc<AtomicU64>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let until = started + length;
    let writers: Vec<_> =
        (0..WRITERS).map(|index| tokio::spawn(writer(index, until, done.clone()))).collect();
    for writer in writers {
        writer.await.expect("a writer ends in order");
    }
    done.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
}

struct Ours {
    store: Arc<dyn Store>,
    objects: Vec<Arc<tokio::sync::Mutex<Vec<Arc<Stored>>>>>,
}

impl Ours {
    async fn new(server: &Server) -> Ours {
        let store: Arc<dyn Store> = server.store("ours").await;
        let all = objects::fill(&store, WRITERS * OBJECTS_PER_WRITER).await;
        let parts = all.chunks(OBJECTS_PER_WRITER);
        let objects = parts.map(|part| Arc::new(tokio::sync::Mutex::new(part.to_vec()))).collect();
        Ours { store, objects }
    }

    async fn round(&self, length: Duration) -> f64 {
        rate(length, |index, until, done| {
            let (store, own) = (self.store.clone(), self.objects[index].clone());
            async move {
                let mut own = own.lock().await;
                let mut number = 0;
                while Instant::now() < until {
                    let at = number as usize % own.len();
                    number += 1;
                    let write = objects::describing(&own[at], fastrand::u64(..));
                    own[at] = store.write(write).await.expect("an update");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .await
    }
}

struct Kine {
    pool: PgPool,
}

impl Kine {
    async fn new(server: &Server) -> Kine {
        let options = server.database("kine").await;
        let pool = warm_pool(&options, WRITERS as u32).await;
        for statement in KINE {
            sqlx::query(statement).execute(&pool).await.expect("kine's schema");
        }
        for index in 0..WRITERS * OBJECTS_PER_WRITER {
            let object = objects::creating(objects::template("t000000", 0));
            insert(&pool, &name(index), 1, 0, &document(&object), None).await;
        }
        sqlx::query("ANALYZE kine").execute(&pool).await.expect("statistics");
        Kine { pool }
    }

    async fn round(&self, length: Duration) -> f64 {
        rate(length, |index, until, done| {
            let pool = self.pool.clone();
            async move {
                let mut number = 0;
                while Instant::now() < until {
                    let at = index * OBJECTS_PER_WRITER + number % OBJECTS_PER_WRITER;
                    number += 1;
                    update(&pool, &name(at)).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        })
        .await
    }
}

fn name(index: usize) -> String {
    format!("/registry/devpocket.dev/templates/t{index:06}")
}

async fn update(pool: &PgPool, name: &str) {
    let row = sqlx::query(KINE_GET).bind(name).bind(false).fetch_one(pool).await.expect("the row");
    let id: i64 = row.try_get("id").expect("its revision");
    let old: Vec<u8> = row.try_get("value").expect("its value");
    let text = std::str::from_utf8(&old).expect("JSON is UTF-8");
    let mut object = Object::from_json(Kind::Template, text).expect("what was written");
    object.metadata.resource_version = Some(id.to_string());
    let write = objects::describing(&object, fastrand::u64(..));
    insert(pool, name, 0, id, &document(&write), Some(&old)).await;
}

fn document(write: &Write) -> Vec<u8> {
    serde_json::to_vec(write.admitted.object()).expect("an object is JSON")
}

async fn insert(
    pool: &PgPool,
    name: &str,
    created: i32,
    previous: i64,
    value: &[u8],
    old: Option<&[u8]>,
) {
    sqlx::query(KINE_INSERT)
        .bind(name)
        .bind(created)
        .bind(0_i32)
        .bind(if created == 1 { 0 } else { previous })
        .bind(previous)
        .bind(0_i32)
        .bind(value)
        .bind(old)
        .fetch_one(pool)
        .await
        .expect("an insert");
}
