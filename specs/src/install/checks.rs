//! What a template's own check answers: which tools are there, in which version.
//!
//! The check runs as `dev`, with a login shell's variables, so that it sees what a person sees. It
//! prints one JSON object: `{"version":1,"tools":{"node":{"ok":true,"version":"22.11.0"},
//! "docker":{"ok":false,"error":"..."}}}`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::MAX_LINE;
use super::printable::printable;

/// Asks the machine; run as `dev`. Exit code 0 also if tools are missing: the answer says which.
pub const CHECK_COMMAND: [&str; 3] =
    ["/usr/bin/python3", "/usr/local/lib/devpocket/install", "check"];

/// The largest answer that is read.
pub const MAX_CHECK_BYTES: usize = 64 * 1024;

/// Most tools of an answer, and the longest name and version of one.
const MAX_TOOLS: usize = 100;
const MAX_TOOL_TEXT: usize = 64;

/// The answers of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    pub tools: BTreeMap<String, Answer>,
}

/// What became of one tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is there, in this version.
    Version(String),
    /// It is not, or does not answer; why.
    Missing(String),
}

/// Why a check says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckFault {
    #[error("the answer has {bytes} bytes; at most {MAX_CHECK_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("the answer of the check is not JSON with tools in it")]
    NotJson,
}

impl Checked {
    /// Versions by tool, of those that are there.
    #[must_use]
    pub fn installed(&self) -> BTreeMap<String, String> {
        let version = |(tool, answer): (&String, &Answer)| match answer {
            Answer::Version(version) => Some((tool.clone(), version.clone())),
            Answer::Missing(_) => None,
        };
        self.tools.iter().filter_map(version).collect()
    }

    /// Tools that are not there, with the reason, in order.
    pub fn missing(&self) -> impl Iterator<Item = (&str, &str)> {
        self.tools.iter().filter_map(|(tool, answer)| match answer {
            Answer::Missing(why) => Some((tool.as_str(), why.as_str())),
            Answer::Version(_) => None,
        })
    }
}

/// Reads the answer of [`CHECK_COMMAND`].
///
/// # Errors
/// What the bytes are instead.
pub fn read_checks(bytes: &[u8]) -> Result<Checked, CheckFault> {
    if bytes.len() > MAX_CHECK_BYTES {
        return Err(CheckFault::TooLarge { bytes: bytes.len() });
    }
    let text = String::from_utf8_lossy(bytes);
    // What a profile prints stands before it.
    let line = text.lines().rev().find(|line| line.trim_start().starts_with('{'));
    let answer: Value =
        line.and_then(|line| serde_json::from_str(line).ok()).ok_or(CheckFault::NotJson)?;
    let tools = answer["tools"].as_object().ok_or(CheckFault::NotJson)?;
    let tools = tools.iter().take(MAX_TOOLS).map(|(tool, said)| {
        let version = said["version"].as_str().map(|v| printable(v, MAX_TOOL_TEXT));
        let answer = match (said["ok"].as_bool(), version) {
            (Some(true), version) => Answer::Version(version.unwrap_or_default()),
            _ => {
                let why = said["error"].as_str().map(|why| printable(why, MAX_LINE));
                Answer::Missing(why.unwrap_or_else(|| "it does not answer".to_owned()))
            }
        };
        (printable(tool, MAX_TOOL_TEXT), answer)
    });
    Ok(Checked { tools: tools.collect() })
}
