//! What a plain scalar is: the core schema of YAML 1.2.

use serde_json::{Number, Value};

/// Reads a scalar that is neither quoted nor tagged.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
    }
}

fn number(text: &str) -> Option<Number> {
    if let Some(digits) = text.strip_prefix("0x") {
        return u64::from_str_radix(digits, 16).ok().map(Number::from);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return u64::from_str_radix(digits, 8).ok().map(Number::from);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let first = digits.strip_prefix('.').unwrap_or(digits);
    if !first.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        let text = text.strip_prefix('+').unwrap_or(text);
        let whole = text.parse::<i64>().map(Number::from);
        return whole.or_else(|_| text.parse::<u64>().map(Number::from)).ok();
    }
    let allowed = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+');
    if digits.bytes().all(allowed) { Number::from_f64(text.parse().ok()?) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::plain;

    #[test]
    fn words_stay_words() {
        for word in [
            "on",
            "yes",
            "no",
            "12:30",
            "1.2.3",
            "vps-10-nvme",
            "2026-12-15",
            "-",
            ".",
            "e5",
            "1_000",
        ] {
            assert_eq!(plain(word), json!(word));
        }
    }

    #[test]
    fn numbers_flags_and_nothing_are_read() {
        for (text, value) in [
            ("12", json!(12)),
            ("-3", json!(-3)),
            ("+3", json!(3)),
            ("0x10", json!(16)),
            ("0o17", json!(15)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000.0)),
            ("true", json!(true)),
            ("~", json!(null)),
            ("", json!(null)),
            ("18446744073709551615", json!(u64::MAX)),
        ] {
            assert_eq!(plain(text), value, "{text}");
        }
    }
}
