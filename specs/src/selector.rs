//! Kubernetes label and field selectors.
//!
//! A selector is a conjunction of requirements separated by commas; the empty one matches
//! everything. Both kinds follow Kubernetes to the letter, also where it surprises: a negative
//! requirement (`a!=b`, `a notin (b)`) matches an object without that label or field, and a field
//! that is absent equals the empty text.
//!
//! Parsing checks what Kubernetes checks (names of label keys, the form of values), so that a
//! selector which can never match is an error (400) and not an empty list.

mod field;
mod label;

pub use field::FieldSelector;
pub use label::LabelSelector;

/// The longest selector that is read, in bytes.
pub const MAX_SELECTOR_BYTES: usize = 16 * 1024;

/// The most requirements one selector may have, and the most values one requirement may list.
pub const MAX_REQUIREMENTS: usize = 256;

/// Why a selector was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    #[error("the selector is {bytes} bytes long; at most {MAX_SELECTOR_BYTES} are read")]
    TooLong { bytes: usize },
    #[error("the selector has more than {MAX_REQUIREMENTS} requirements or values")]
    TooMany,
    #[error("found {found} at character {at}; expected {expected}")]
    Syntax {
        /// 1-based, in characters.
        at: usize,
        /// The word or sign that was found, quoted, or `the end`.
        found: String,
        expected: &'static str,
    },
    #[error("label key {key:?} is not valid: {reason}")]
    Key { key: String, reason: &'static str },
    #[error("label value {value:?} is not valid: {reason}")]
    Value { value: String, reason: &'static str },
    #[error("{requirement:?} is not a field requirement; expected PATH=VALUE or PATH!=VALUE")]
    Field { requirement: String },
    #[error("field {path:?} cannot be selected on; can be: {supported}")]
    Unsupported { path: String, supported: String },
}

fn check_length(text: &str) -> Result<(), SelectorError> {
    if text.len() > MAX_SELECTOR_BYTES {
        return Err(SelectorError::TooLong { bytes: text.len() });
    }
    Ok(())
}
