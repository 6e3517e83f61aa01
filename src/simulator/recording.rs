//! Everything that happened since the simulator was started, to be kept and played again.
//!
//! The model is deterministic, so a beginning, the commands since and their times are enough: the
//! same build answers each of them the same, to the byte. That is what a replay proves, and what
//! makes a strange run reproducible on another computer.
//!
//! Old commands are folded into the beginning, so a recording does not grow without end.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};

use devpocket_controllers::sim::contabo::Contabo;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::engine::{Answer, Command, apply};

/// Commands kept; older ones are part of the beginning.
pub const RECORDING_LIMIT: usize = 20_000;
/// Version of the format; another one is refused.
const FORMAT: u32 = 1;

/// The beginning, and what was done since.
pub(super) struct Recording {
    beginning: Contabo,
    records: VecDeque<Record>,
    /// Commands ever.
    count: u64,
}

#[derive(Serialize, Deserialize)]
struct Record {
    number: u64,
    now: Timestamp,
    command: Command,
    /// SHA-256 of the whole answer, in hex.
    answer: String,
}

#[derive(Serialize)]
struct HeaderRef<'a> {
    format: u32,
    beginning: &'a Contabo,
}

#[derive(Deserialize)]
struct Header {
    format: u32,
    beginning: Contabo,
}

impl Recording {
    pub fn starting_with(beginning: Contabo) -> Recording {
        Recording { beginning, records: VecDeque::new(), count: 0 }
    }

    pub fn add(&mut self, now: Timestamp, command: Command, answer: &Answer) {
        if self.records.len() >= RECORDING_LIMIT
            && let Some(oldest) = self.records.pop_front()
        {
            apply(&mut self.beginning, &oldest.command, oldest.now);
        }
        self.count += 1;
        self.records.push_back(Record { number: self.count, now, command, answer: digest(answer) });
    }

    /// One line for the beginning, then one for each command.
    pub fn export(&self) -> Result<String, serde_json::Error> {
        let header = HeaderRef { format: FORMAT, beginning: &self.beginning };
        let mut text = serde_json::to_string(&header)?;
        for record in &self.records {
            text.push('\n');
            text.push_str(&serde_json::to_string(record)?);
        }
        text.push('\n');
        Ok(text)
    }
}

/// What came of playing a recording again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// Commands that were answered as before.
    pub commands: u64,
    /// Charges in the ledger at the end.
    pub charges: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("line {line} of the recording cannot be read: {problem}")]
    Damaged { line: usize, problem: String },
    #[error("command {number} ({command}) is answered otherwise than it was")]
    Differs { number: u64, command: String },
}

/// Plays a recording again, from its beginning, and compares every answer.
pub fn replay(recording: &str) -> Result<Replayed, ReplayError> {
    let damaged = |line: usize, problem: String| ReplayError::Damaged { line, problem };
    let mut lines = recording.lines().enumerate();
    let (_, first) = lines.next().ok_or_else(|| damaged(1, "it is empty".to_owned()))?;
    let header: Header =
        serde_json::from_str(first).map_err(|error| damaged(1, error.to_string()))?;
    if header.format != FORMAT {
        return Err(damaged(1, format!("format {} is not known", header.format)));
    }
    let mut model = header.beginning;
    model.check().map_err(|problem| damaged(1, problem))?;
    let mut commands = 0;
    for (at, line) in lines {
        let record: Record =
            serde_json::from_str(line).map_err(|error| damaged(at + 1, error.to_string()))?;
        if digest(&apply(&mut model, &record.command, record.now)) != record.answer {
            let command = serde_json::to_string(&record.command).unwrap_or_default();
            return Err(ReplayError::Differs { number: record.number, command });
        }
        commands += 1;
    }
    Ok(Replayed { commands, charges: model.ledger().entries.len() })
}

/// The whole answer, also what its fingerprint leaves out.
fn digest(answer: &Answer) -> String {
    struct Digesting(Sha256);
    impl fmt::Write for Digesting {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.update(text.as_bytes());
            Ok(())
        }
    }
    let mut digesting = Digesting(Sha256::new());
    // Writing into a digest does not fail.
    let _ = write!(digesting, "{answer:?}");
    digesting.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
