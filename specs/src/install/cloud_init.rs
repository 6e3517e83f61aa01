//! The answer of `cloud-init status --format json`, of any version that is about.
//!
//! State comes from here and not from log text. Before 23.4 there was no `extended_status` and an
//! error was an exit code of 1; since then 2 means "done, with recoverable errors", which many
//! programs take for a failure. The words are judged first; the exit code only where they are
//! missing.

use serde_json::Value;

use super::printable::printable;
use super::{LAST_LINES, MAX_LINE};

/// What asks.
pub const CLOUD_INIT_COMMAND: [&str; 4] = ["cloud-init", "status", "--format", "json"];

/// The largest answer that is read.
pub const MAX_CLOUD_INIT_BYTES: usize = 256 * 1024;

/// What cloud-init says of this boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CloudInit {
    pub state: CloudInitState,
    /// Errors that made it fail, at most [`LAST_LINES`].
    pub errors: Vec<String>,
    /// Errors it went on after, at most [`LAST_LINES`].
    pub warnings: Vec<String>,
}

/// Where cloud-init stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CloudInitState {
    /// Not started on this boot yet.
    #[default]
    NotStarted,
    /// It runs, perhaps after an error it goes on from.
    Running,
    /// It is done, perhaps with warnings.
    Done,
    /// It ended with errors.
    Failed,
    /// It is switched off on this machine, and nothing of ours will run by it.
    Disabled,
}

/// Why an answer says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloudInitFault {
    #[error("the answer has {bytes} bytes; at most {MAX_CLOUD_INIT_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("the answer of cloud-init is not JSON")]
    NotJson,
    #[error("cloud-init says the status {word:?}, which is not known")]
    UnknownStatus { word: String },
}

/// Reads the answer; `exit` is the exit code of the program.
///
/// # Errors
/// What the bytes are instead.
pub fn read_cloud_init(exit: i32, bytes: &[u8]) -> Result<CloudInit, CloudInitFault> {
    if bytes.len() > MAX_CLOUD_INIT_BYTES {
        return Err(CloudInitFault::TooLarge { bytes: bytes.len() });
    }
    let text = String::from_utf8_lossy(bytes);
    // With `--wait`, and on some versions without, dots stand before the document.
    let start = text.find('{').ok_or(CloudInitFault::NotJson)?;
    let answer: Value =
        serde_json::from_str(&text[start..]).map_err(|_| CloudInitFault::NotJson)?;
    let word = answer["status"].as_str().unwrap_or_default();
    let extended = answer["extended_status"].as_str().unwrap_or(word);
    let state = match word {
        "not run" | "not started" => CloudInitState::NotStarted,
        "running" => CloudInitState::Running,
        // `error - running` goes on; an older version says `error` while stages are still to come.
        "error" if extended.ends_with("running") => CloudInitState::Running,
        "error" if exit == 2 => CloudInitState::Done,
        "error" => CloudInitState::Failed,
        "done" | "degraded" if extended.ends_with("running") => CloudInitState::Running,
        "done" | "degraded" => CloudInitState::Done,
        "disabled" => CloudInitState::Disabled,
        other => {
            return Err(CloudInitFault::UnknownStatus { word: printable(other, MAX_LINE) });
        }
    };
    Ok(CloudInit { state, errors: errors(&answer), warnings: warnings(&answer) })
}

fn errors(answer: &Value) -> Vec<String> {
    list(answer["errors"].as_array().into_iter().flatten())
}

/// `recoverable_errors` maps a level (`WARNING`, `DEPRECATED`) to messages. Deprecations are about
/// the document, not about the machine.
fn warnings(answer: &Value) -> Vec<String> {
    let levels = answer["recoverable_errors"].as_object().into_iter().flatten();
    let levels = levels.filter(|(level, _)| *level != "DEPRECATED");
    list(levels.flat_map(|(_, messages)| messages.as_array().into_iter().flatten()))
}

fn list<'v>(values: impl Iterator<Item = &'v Value>) -> Vec<String> {
    values.filter_map(Value::as_str).take(LAST_LINES).map(|t| printable(t, MAX_LINE)).collect()
}
