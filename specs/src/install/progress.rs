//! The machine's progress file.
//!
//! # Format
//! One JSON object, at most [`MAX_PROGRESS_BYTES`], replaced as a whole (written beside, synced,
//! renamed), so that a reader on the machine sees the old one or the new one. Over a cut connection
//! half of one can still arrive: that is [`ProgressFault::NotJson`], and the reader keeps what it
//! had.
//!
//! ```json
//! {"version":1, "plan":"3f6c...", "state":"running", "step":"docker", "index":3, "steps":12,
//!  "attempt":1, "percent":27, "boots":1, "startedAt":"2026-11-25T10:00:00Z",
//!  "updatedAt":"2026-11-25T10:02:10Z", "endedAt":null, "error":null, "warnings":[],
//!  "done":[{"name":"tools","seconds":41}], "lines":["Setting up docker-ce ..."]}
//! ```
//! Times are the machine's, whose clock may be wrong; durations are not taken from them. `plan`
//! names what is being installed (SHA-256 of the plan's file), so that what an earlier installation
//! left cannot be taken for this one. On `failed`, `error` has `step`, `code` (one of
//! [`super::codes`]), `exit`, `message`, and `lines` are the step's last.

use jiff::Timestamp;
use serde_json::Value;

use super::printable::printable;
use super::{LAST_LINES, MAX_LINE, codes};

/// The version of the format.
pub const PROGRESS_VERSION: u64 = 1;

/// The largest progress file that is read. The installer keeps to a fraction of it.
pub const MAX_PROGRESS_BYTES: usize = 64 * 1024;

/// Most steps and warnings that are kept.
const MAX_ENTRIES: usize = 100;

/// Longest name of a step, a code or a plan that is kept.
const MAX_NAME: usize = 64;

/// What a machine says about its installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// What is installed, as the plan's digest; empty if the file does not say.
    pub plan: String,
    pub state: ProgressState,
    /// The step that runs, failed or ended last.
    pub step: String,
    /// Number of that step, from 1; 0 before the first.
    pub index: u32,
    /// How many steps there are.
    pub steps: u32,
    /// Which try of the step this is, from 1.
    pub attempt: u32,
    /// 0 to 99, and 100 exactly when `state` is `Done`.
    pub percent: u8,
    /// How often the installer was started; more than 1 after a reboot.
    pub boots: u32,
    pub started_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    pub ended_at: Option<Timestamp>,
    /// Set exactly when `state` is `Failed`.
    pub error: Option<StepError>,
    /// Steps that failed and may.
    pub warnings: Vec<String>,
    /// Steps that are done, in order.
    pub done: Vec<FinishedStep>,
    /// The last lines of output.
    pub lines: Vec<String>,
}

/// Where the installer stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProgressState {
    #[default]
    Running,
    Failed,
    Done,
}

/// Why a step failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StepError {
    pub step: String,
    /// One of [`super::codes`]; `step-failed` for any other word.
    pub code: String,
    /// Exit code of the step; absent when it did not end by itself.
    pub exit: Option<i64>,
    pub message: String,
}

/// A step that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedStep {
    pub name: String,
    /// How long it took, by a clock that does not jump.
    pub seconds: u32,
}

/// Why a progress file says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgressFault {
    #[error("the progress file is empty")]
    Empty,
    #[error("the progress file has {bytes} bytes; at most {MAX_PROGRESS_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("the progress file is not JSON, or only the beginning of it")]
    NotJson,
    #[error("the progress file does not say a state and a step")]
    NotProgress,
    #[error("the progress file is of version {version}; this program reads {PROGRESS_VERSION}")]
    OtherVersion { version: u64 },
}

/// Reads a progress file.
///
/// # Errors
/// What the bytes are instead. A document of the right version always gives a [`Progress`]: fields
/// of a wrong type count as missing, numbers are brought into their range, texts are cut and made
/// printable.
pub fn read_progress(bytes: &[u8]) -> Result<Progress, ProgressFault> {
    if bytes.len() > MAX_PROGRESS_BYTES {
        return Err(ProgressFault::TooLarge { bytes: bytes.len() });
    }
    if bytes.iter().all(|b| b.is_ascii_whitespace() || *b == 0) {
        return Err(ProgressFault::Empty);
    }
    // A program can print bytes that are no text; the rest of the file is still meant.
    let text = String::from_utf8_lossy(bytes);
    let file: Value = serde_json::from_str(&text).map_err(|_| ProgressFault::NotJson)?;
    let version = file["version"].as_u64().ok_or(ProgressFault::NotProgress)?;
    if version != PROGRESS_VERSION {
        return Err(ProgressFault::OtherVersion { version });
    }
    let state = match file["state"].as_str() {
        Some("running") => ProgressState::Running,
        Some("failed") => ProgressState::Failed,
        Some("done") => ProgressState::Done,
        _ => return Err(ProgressFault::NotProgress),
    };
    let step = name(&file["step"]).ok_or(ProgressFault::NotProgress)?;
    let error = (state == ProgressState::Failed).then(|| step_error(&file["error"], &step));
    Ok(Progress {
        plan: name(&file["plan"]).unwrap_or_default(),
        state,
        percent: percent(&file["percent"], state),
        index: count(&file["index"]),
        steps: count(&file["steps"]),
        attempt: count(&file["attempt"]),
        boots: count(&file["boots"]),
        started_at: time(&file["startedAt"]),
        updated_at: time(&file["updatedAt"]),
        ended_at: time(&file["endedAt"]),
        error,
        warnings: texts(&file["warnings"], MAX_ENTRIES),
        done: finished(&file["done"]),
        lines: texts(&file["lines"], LAST_LINES),
        step,
    })
}

fn step_error(error: &Value, step: &str) -> StepError {
    let code = error["code"].as_str().unwrap_or_default();
    let known = codes::OF_STEPS.iter().find(|known| **known == code);
    let message = error["message"].as_str().map(|text| printable(text, MAX_LINE));
    StepError {
        step: name(&error["step"]).unwrap_or_else(|| step.to_owned()),
        code: (*known.unwrap_or(&codes::STEP_FAILED)).to_owned(),
        exit: error["exit"].as_i64(),
        message: message.filter(|m| !m.is_empty()).unwrap_or_else(|| format!("{step} failed")),
    }
}

fn percent(value: &Value, state: ProgressState) -> u8 {
    if state == ProgressState::Done {
        return 100;
    }
    let percent = value.as_f64().filter(|p| p.is_finite()).unwrap_or(0.0).clamp(0.0, 99.0);
    // Between 0 and 99: nothing is cut but the fraction.
    percent as u8
}

fn count(value: &Value) -> u32 {
    value.as_u64().map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

fn name(value: &Value) -> Option<String> {
    let name = printable(value.as_str()?, MAX_NAME);
    (!name.is_empty()).then_some(name)
}

/// The last of a list of texts: what was printed last says most.
fn texts(value: &Value, limit: usize) -> Vec<String> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let last = &all[all.len().saturating_sub(limit)..];
    last.iter().filter_map(Value::as_str).map(|text| printable(text, MAX_LINE)).collect()
}

fn finished(value: &Value) -> Vec<FinishedStep> {
    let all = value.as_array().map(Vec::as_slice).unwrap_or_default().iter().take(MAX_ENTRIES);
    all.filter_map(|done| {
        Some(FinishedStep { name: name(&done["name"])?, seconds: count(&done["seconds"]) })
    })
    .collect()
}
