//! The one place where text becomes shell source.

/// A word of shell source that stands for exactly this text, in any POSIX shell. Between single
/// quotes nothing has a meaning but the quote itself, which is put in from outside of them.
///
/// `None` for text with a NUL, which no argument or variable can hold.
#[must_use]
pub fn shell_quote(text: &str) -> Option<String> {
    if text.contains('\0') {
        return None;
    }
    Some(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Whether text is a name a shell variable can have. Names cannot be quoted, so they are checked.
#[must_use]
pub fn is_variable_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    let first = bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use super::*;

    /// What a shell makes of the words.
    fn shell(words: &[String]) -> Vec<u8> {
        let source = format!("printf '%s\\0' {}", words.join(" "));
        let output = Command::new("sh").arg("-c").arg(source).output().expect("a POSIX `sh`");
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        output.stdout
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn a_shell_reads_back_exactly_the_text(texts in prop::collection::vec(
            "[^\u{0}]{0,30}|['\"\\\\$`(){};&|<>*?!#~\n\r\t -]{0,12}|[a-z]{0,5}'\\$\\(touch x\\)'[a-z]{0,5}", 1..8))
        {
            let words: Vec<_> = texts.iter().map(|t| shell_quote(t).unwrap()).collect();
            let expected: Vec<u8> = texts.iter().flat_map(|t| [t.as_bytes(), b"\0"].concat()).collect();
            prop_assert_eq!(shell(&words), expected);
        }
    }

    #[test]
    fn what_cannot_be_quoted_is_not() {
        assert_eq!(shell_quote("a\0b"), None);
        assert_eq!(shell_quote("it's").as_deref(), Some(r"'it'\''s'"));
        for name in ["A", "_a1", "PATH"] {
            assert!(is_variable_name(name));
        }
        for name in ["", "1A", "A-B", "A=B", "A;reboot", "Ä", "A\n"] {
            assert!(!is_variable_name(name), "{name:?}");
        }
    }
}
