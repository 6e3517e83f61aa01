//! Which calls a fault can hit.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::operation::OperationName;

/// The calls a fault can hit: `any`, `reads`, `mutations`, or an operation by name. `any` includes
/// the token endpoint, `reads` does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    Any,
    Reads,
    Mutations,
    One(OperationName),
}

impl Target {
    pub fn hits(self, name: OperationName) -> bool {
        match self {
            Target::Any => true,
            Target::Reads => !name.is_mutation() && name != OperationName::Grant,
            Target::Mutations => name.is_mutation(),
            Target::One(own) => own == name,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::Any => f.write_str("any"),
            Target::Reads => f.write_str("reads"),
            Target::Mutations => f.write_str("mutations"),
            Target::One(name) => name.fmt(f),
        }
    }
}

impl FromStr for Target {
    type Err = String;
    fn from_str(text: &str) -> Result<Target, String> {
        match text {
            "any" => Ok(Target::Any),
            "reads" => Ok(Target::Reads),
            "mutations" => Ok(Target::Mutations),
            name => match name.parse() {
                Ok(name) => Ok(Target::One(name)),
                Err(problem) => Err(format!("{problem}; or any, reads, mutations")),
            },
        }
    }
}

impl TryFrom<String> for Target {
    type Error = String;
    fn try_from(text: String) -> Result<Target, String> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> String {
        target.to_string()
    }
}
