//! How machines were doing, in Postgres.
//!
//! # Guarantees
//! - [`History::keep`] is one statement, whatever it is given: each environment's samples go behind
//!   what its hour holds already, and nothing is read for it.
//! - A statement whose outcome is not known may be sent again: samples of one second are one when they
//!   are read ([`unpack`]).
//! - Days that are over for long are thinned by whichever replica comes first ([`tidy`]): what it
//!   takes away and what it puts there are one transaction.
//!
//! # Size
//! See [`devpocket_specs::sample`]: below 300 KiB for a month of one environment.

mod tidy;

use std::collections::BTreeMap;

use async_trait::async_trait;
use devpocket_controllers::history::{History, HistoryError};
use devpocket_specs::sample::{Sample, pack, unpack};
use jiff::Timestamp;
use sqlx::{PgPool, Row as _};
use uuid::Uuid;

/// Seconds of a row.
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Several environments come in one call, each once an hour.
const KEEP: &str = "\
INSERT INTO sample_hours (environment, begins, packed) \
SELECT environment, begins, packed FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) \
  AS new (environment, begins, packed) \
ON CONFLICT (environment, begins) \
DO UPDATE SET packed = sample_hours.packed || excluded.packed";

const SINCE: &str = "\
SELECT environment, begins, packed FROM sample_days \
WHERE environment = ANY($1) AND begins > $2 - 86400 \
UNION ALL \
SELECT environment, begins, packed FROM sample_hours \
WHERE environment = ANY($1) AND begins > $2 - 3600";

/// The samples of all environments. Clones share everything.
#[derive(Clone)]
pub struct PgHistory {
    pool: PgPool,
}

impl PgHistory {
    pub fn new(pool: PgPool) -> PgHistory {
        PgHistory { pool }
    }
}

fn failed(error: impl std::fmt::Display) -> HistoryError {
    HistoryError(error.to_string())
}

/// The row a moment belongs to.
fn begin(at: Timestamp, seconds: i64) -> i64 {
    at.as_second().div_euclid(seconds) * seconds
}

fn moment(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[async_trait]
impl History for PgHistory {
    async fn keep(&self, samples: &[(Uuid, Sample)]) -> Result<(), HistoryError> {
        let mut rows: BTreeMap<(Uuid, i64), Vec<Sample>> = BTreeMap::new();
        for (environment, sample) in samples {
            rows.entry((*environment, begin(sample.at, HOUR))).or_default().push(*sample);
        }
        if rows.is_empty() {
            return Ok(());
        }
        let packed: Vec<Vec<u8>> =
            rows.iter().map(|((_, begins), samples)| pack(moment(*begins), samples)).collect();
        let (environments, begins): (Vec<Uuid>, Vec<i64>) = rows.into_keys().unzip();
        let kept =
            sqlx::query(KEEP).bind(environments).bind(begins).bind(packed).execute(&self.pool);
        kept.await.map(|_| ()).map_err(failed)
    }

    async fn since(
        &self,
        environments: &[Uuid],
        since: Timestamp,
    ) -> Result<BTreeMap<Uuid, Vec<Sample>>, HistoryError> {
        if environments.is_empty() {
            return Ok(BTreeMap::new());
        }
        let rows = sqlx::query(SINCE).bind(environments).bind(since.as_second());
        let rows = rows.fetch_all(&self.pool).await.map_err(failed)?;
        let mut found: BTreeMap<Uuid, Vec<Sample>> = BTreeMap::new();
        for row in rows {
            let environment: Uuid = row.try_get(0).map_err(failed)?;
            let begins: i64 = row.try_get(1).map_err(failed)?;
            let packed: Vec<u8> = row.try_get(2).map_err(failed)?;
            let samples = unpack(moment(begins), &packed).into_iter();
            let samples = samples.filter(|sample| sample.at >= since);
            found.entry(environment).or_default().extend(samples);
        }
        for samples in found.values_mut() {
            samples.sort_by_key(|sample| sample.at);
            samples.dedup_by_key(|sample| sample.at);
        }
        found.retain(|_, samples| !samples.is_empty());
        Ok(found)
    }
}
