//! How values appear in messages: short, and never when they may be secret.

use serde_json::Value;

use crate::object::json_type;

/// Most characters of a value in a message.
const MAX_QUOTED: usize = 60;

/// A value as a message shows it. What may hold a secret is named by its type only: messages end
/// up in logs, and in other people's terminals.
pub(crate) fn quote(path: &str, value: &Value) -> String {
    match value {
        Value::String(_) if may_be_secret(path) => "a text".to_owned(),
        Value::String(value) => text(value),
        Value::Number(_) if may_be_secret(path) => "a number".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        other => json_type(other).to_owned(),
    }
}

/// A text in quotation marks, cut when it is long.
pub(crate) fn text(value: &str) -> String {
    if value.chars().count() <= MAX_QUOTED {
        return format!("{value:?}");
    }
    let start: String = value.chars().take(MAX_QUOTED).collect();
    format!("{:?}", format!("{start}…"))
}

fn may_be_secret(path: &str) -> bool {
    let under = |parent: &str| {
        path.strip_prefix(parent)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    ["data", "stringData", "spec.parameters", "spec.user.keys"].iter().any(|parent| under(parent))
        || (under("spec.env") && path.ends_with(".value"))
}
