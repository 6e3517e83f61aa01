//! Where the lines of installations are kept: the port, and how a look at a machine becomes lines.
//!
//! # Contract of every implementation
//! - [`Lines::append`] is a compare-and-swap on the journal's version: of two processes that took the
//!   same bytes one is told so, and nothing is there twice. Lines and journal change together.
//! - Lines get numbers that grow by one in the order they are given, so a reader that has seen
//!   number N asks for what is after N, and history and what comes now are one stream.

use std::collections::BTreeMap;

use async_trait::async_trait;
use devpocket_specs::install::{LogPlace, Mask, SOURCES};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::guest::{LOG_CHUNK, LogPart, Wanted};

/// How far the logs of an environment were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// Grows with each append; 0 before the first.
    #[serde(default)]
    pub version: i64,
    /// Number of the last line.
    #[serde(default)]
    pub last: i64,
    /// By source.
    #[serde(default)]
    pub logs: BTreeMap<String, LogPlace>,
}

/// A line, with how far the installation was when it was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number among all of the environment, from 1.
    pub number: i64,
    /// One of [`SOURCES`].
    pub source: String,
    /// Which installation printed it: the machine, and how often it was installed.
    pub installation: String,
    pub offset: u64,
    pub at: Timestamp,
    pub step: String,
    pub percent: u8,
    pub text: String,
}

/// Why lines were not kept or found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lines of the installation: {0}")]
pub struct LinesError(pub String);

/// The lines of all environments.
#[async_trait]
pub trait Lines: Send + Sync + 'static {
    /// How far an environment's logs were taken.
    async fn journal(&self, environment: Uuid) -> Result<Journal, LinesError>;

    /// Keeps lines and the journal after them. `false`: the journal is another one by now, and nothing
    /// was kept.
    async fn append(
        &self,
        environment: Uuid,
        before: &Journal,
        after: &Journal,
        lines: Vec<Line>,
    ) -> Result<bool, LinesError>;
}

/// Stands in where lines are not kept.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unkept;

#[async_trait]
impl Lines for Unkept {
    async fn journal(&self, _: Uuid) -> Result<Journal, LinesError> {
        Ok(Journal::default())
    }

    async fn append(
        &self,
        _: Uuid,
        _: &Journal,
        _: &Journal,
        _: Vec<Line>,
    ) -> Result<bool, LinesError> {
        Ok(true)
    }
}

impl Journal {
    /// What is to be read of a machine's logs; `of` names the installation.
    pub fn wanted(&mut self, of: &str) -> Vec<Wanted> {
        let wanted = SOURCES.map(|(source, path)| {
            let place = self.logs.entry(source.to_owned()).or_default();
            place.belongs_to(of);
            Wanted { path: path.to_owned(), from: place.from(), seen: place.position }
        });
        wanted.to_vec()
    }

    /// Takes what was read. Whether there is more to be read at once.
    pub fn take(
        &mut self,
        parts: &[LogPart],
        mask: &Mask,
        at: Timestamp,
        step: &str,
        percent: u8,
    ) -> (Vec<Line>, bool) {
        let mut lines = Vec::new();
        let mut more = false;
        for (source, path) in SOURCES {
            let Some(place) = self.logs.get_mut(source) else { continue };
            for part in parts.iter().filter(|part| part.path == path) {
                more |= part.bytes.len() >= LOG_CHUNK;
                for line in place.take(part.from, &part.bytes, mask) {
                    self.last += 1;
                    let installation = place.of.clone();
                    lines.push(Line {
                        number: self.last,
                        source: source.to_owned(),
                        installation,
                        offset: line.offset,
                        at,
                        step: step.to_owned(),
                        percent,
                        text: line.text,
                    });
                }
            }
        }
        (lines, more)
    }
}
