//! The state on disk: a snapshot, and a journal of what was done since.
//!
//! The model is deterministic, so what is written is its input: every command that changed it, with
//! its time. A command is on disk (fsync) before its answer leaves. Reads that changed nothing are
//! not written; the size of clock steps does not matter to the model, so a replay ends in the same
//! state. Each record carries what was answered, and a replay that answers otherwise (a journal
//! left by another build of the model) is refused rather than believed.
//!
//! The snapshot is replaced by rename and carries the number of the last command in it, so a crash
//! between the rename and the truncation of the journal replays nothing twice. A last line without
//! its newline is a torn write that nobody was told about; it is dropped.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use devpocket_controllers::sim::contabo::Contabo;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::engine::{Command, apply};

/// Version of the files; another one is refused.
const FORMAT: u32 = 1;
/// Records after which the journal is folded into the snapshot.
const FOLD_AFTER: usize = 512;

#[derive(Debug, thiserror::Error)]
pub enum DataError {
    #[error("the simulator's data in {folder} cannot be {what}: {source}")]
    Io { folder: PathBuf, what: &'static str, source: io::Error },
    #[error("another simulator uses the data in {0}")]
    InUse(PathBuf),
    #[error("the simulator's data in {folder} is damaged at {place}: {problem}")]
    Damaged { folder: PathBuf, place: String, problem: String },
    #[error(
        "the simulator's data in {folder} was left by another build: command {sequence} was \
         answered {recorded:?} and would now be answered {replayed:?}"
    )]
    OtherBuild { folder: PathBuf, sequence: u64, recorded: String, replayed: String },
}

/// The open files of a state.
pub(super) struct Durable {
    folder: PathBuf,
    journal: File,
    /// Commands ever written.
    sequence: u64,
    /// Records in the journal.
    pending: usize,
    /// Held while the folder is ours.
    _lock: File,
}

#[derive(Serialize)]
struct SnapshotRef<'a> {
    format: u32,
    sequence: u64,
    state: &'a Contabo,
}

#[derive(Deserialize)]
struct Snapshot {
    format: u32,
    sequence: u64,
    state: Contabo,
}

#[derive(Serialize, Deserialize)]
struct Record {
    sequence: u64,
    now: Timestamp,
    command: Command,
    answer: String,
}

impl Durable {
    /// Opens the folder, creating it if needed, and returns what it holds (`new` if nothing).
    pub fn open(folder: PathBuf, new: Contabo) -> Result<(Durable, Contabo), DataError> {
        let failed = |what| {
            let folder = folder.clone();
            move |source| DataError::Io { folder, what, source }
        };
        fs::create_dir_all(&folder).map_err(failed("created"))?;
        let lock = File::create(folder.join("lock")).map_err(failed("locked"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataError::InUse(folder)),
            Err(TryLockError::Error(source)) => return Err(failed("locked")(source)),
        }
        let (mut sequence, mut state) = match read_snapshot(&folder)? {
            Some(snapshot) => (snapshot.sequence, snapshot.state),
            None => (0, new),
        };
        sequence = replay(&folder, sequence, &mut state)?;
        let journal = OpenOptions::new()
            .create(true)
            .append(true)
            .open(journal_path(&folder))
            .map_err(failed("opened"))?;
        let mut durable = Durable { folder, journal, sequence, pending: 0, _lock: lock };
        durable.fold(&state)?;
        Ok((durable, state))
    }

    /// Adds a command that was carried out; it is safe only after [`Durable::sync`].
    pub fn append(
        &mut self,
        command: Command,
        now: Timestamp,
        answer: String,
    ) -> Result<(), DataError> {
        self.sequence += 1;
        let record = Record { sequence: self.sequence, now, command, answer };
        let mut line =
            serde_json::to_vec(&record).map_err(|problem| self.damaged(problem.to_string()))?;
        line.push(b'\n');
        self.journal.write_all(&line).map_err(|source| self.failed("written", source))?;
        self.pending += 1;
        Ok(())
    }

    pub fn sync(&mut self, state: &Contabo) -> Result<(), DataError> {
        if self.pending >= FOLD_AFTER {
            return self.fold(state);
        }
        self.journal.sync_data().map_err(|source| self.failed("written", source))
    }

    /// Writes a snapshot and empties the journal.
    pub fn fold(&mut self, state: &Contabo) -> Result<(), DataError> {
        let snapshot = SnapshotRef { format: FORMAT, sequence: self.sequence, state };
        let bytes =
            serde_json::to_vec(&snapshot).map_err(|problem| self.damaged(problem.to_string()))?;
        let result = (|| {
            let next = self.folder.join("snapshot.next");
            let mut file = File::create(&next)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&next, snapshot_path(&self.folder))?;
            File::open(&self.folder)?.sync_all()?;
            self.journal.set_len(0)?;
            self.journal.sync_all()
        })();
        result.map_err(|source| self.failed("written", source))?;
        self.pending = 0;
        Ok(())
    }

    fn failed(&self, what: &'static str, source: io::Error) -> DataError {
        DataError::Io { folder: self.folder.clone(), what, source }
    }

    fn damaged(&self, problem: String) -> DataError {
        let place = format!("command {}", self.sequence);
        DataError::Damaged { folder: self.folder.clone(), place, problem }
    }
}

fn snapshot_path(folder: &Path) -> PathBuf {
    folder.join("snapshot.json")
}

fn journal_path(folder: &Path) -> PathBuf {
    folder.join("journal.jsonl")
}

fn read(folder: &Path, path: &Path) -> Result<Option<Vec<u8>>, DataError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DataError::Io { folder: folder.to_owned(), what: "read", source }),
    }
}

fn read_snapshot(folder: &Path) -> Result<Option<Snapshot>, DataError> {
    let Some(bytes) = read(folder, &snapshot_path(folder))? else { return Ok(None) };
    let damaged = |problem: String| DataError::Damaged {
        folder: folder.to_owned(),
        place: "snapshot.json".to_owned(),
        problem,
    };
    let snapshot: Snapshot =
        serde_json::from_slice(&bytes).map_err(|problem| damaged(problem.to_string()))?;
    if snapshot.format != FORMAT {
        return Err(damaged(format!("format {} is not known", snapshot.format)));
    }
    Ok(Some(snapshot))
}

/// Carries out again what the snapshot does not have; returns the number of the last command.
fn replay(folder: &Path, after: u64, state: &mut Contabo) -> Result<u64, DataError> {
    let bytes = read(folder, &journal_path(folder))?.unwrap_or_default();
    let mut sequence = after;
    for (number, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        if line.last() != Some(&b'\n') {
            tracing::warn!("dropped a torn write at the end of the simulator's journal");
            break;
        }
        let record: Record =
            serde_json::from_slice(line).map_err(|problem| DataError::Damaged {
                folder: folder.to_owned(),
                place: format!("journal.jsonl, line {}", number + 1),
                problem: problem.to_string(),
            })?;
        if record.sequence <= after {
            continue;
        }
        let replayed = apply(state, &record.command, record.now).fingerprint();
        if replayed != record.answer {
            return Err(DataError::OtherBuild {
                folder: folder.to_owned(),
                sequence: record.sequence,
                recorded: record.answer,
                replayed,
            });
        }
        sequence = record.sequence;
    }
    Ok(sequence)
}
