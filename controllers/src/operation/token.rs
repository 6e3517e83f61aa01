//! The names an instance carries, and how it is recognised by them.
//!
//! Contabo gives an order no identity of its own: nothing but the displayName travels with the
//! purchase atomically. So the displayName ends in a token that names the installation and the
//! Machine record. It is compared as a whole word, never as a prefix or a substring: `m-1` must
//! not recognise `m-12`, and Contabo does not say how its own filter matches.

use devpocket_specs::metadata::ObjectMeta;

/// Longest displayName Contabo takes.
pub const DISPLAY_NAME_LIMIT: usize = 255;
/// Longest part of it that is a person's words.
const WORDS_LIMIT: usize = 120;
const PREFIX: &str = "dp-";
const INSTALLATION_DIGITS: usize = 8;

/// What a token names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token {
    /// The installation's id, 8 hex digits.
    pub installation: String,
    /// Name of the Machine record.
    pub machine: String,
}

/// The word that ties an instance to a Machine record.
pub fn token(installation: &str, machine: &str) -> String {
    format!("{PREFIX}{installation}-{machine}")
}

/// All tokens in a displayName. More than one is possible: people edit names in the panel.
pub fn tokens(display_name: &str) -> Vec<Token> {
    display_name.split(|c: char| !is_token_char(c)).filter_map(parse).collect()
}

/// Whether the displayName carries exactly this machine's token, as a whole word.
pub fn bears(display_name: &str, installation: &str, machine: &str) -> bool {
    tokens(display_name).iter().any(|t| t.installation == installation && t.machine == machine)
}

/// The displayName for an environment's machine: its words, reduced to the characters Contabo is
/// known to take (`[A-Za-z0-9 ._-]`), and the token. Without words it is the token alone.
pub fn display_name(words: &str, installation: &str, machine: &str) -> String {
    let token = token(installation, machine);
    let words = safe_words(words);
    if words.is_empty() { token } else { format!("{words} {token}") }
}

/// Whether it is the very name [`display_name`] makes of these, mostly told without making it.
pub fn is_display_name(name: &str, words: &str, installation: &str, machine: &str) -> bool {
    if !is_kept_as_it_is(words) {
        return name == display_name(words, installation, machine);
    }
    let token = name.strip_prefix(words).and_then(|rest| rest.strip_prefix(' '));
    let rest = token.and_then(|token| token.strip_prefix(PREFIX)?.strip_prefix(installation));
    rest.and_then(|rest| rest.strip_prefix('-')) == Some(machine)
}

/// One word that [`safe_words`] changes nothing of.
fn is_kept_as_it_is(words: &str) -> bool {
    (1..=WORDS_LIMIT).contains(&words.len())
        && words.bytes().all(|byte| is_safe(char::from(byte)))
        && !words.contains(PREFIX)
}

fn is_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Sent as `x-trace-id`, so that Contabo's audits name the installation.
pub fn trace_id(installation: &str) -> String {
    format!("devpocket-{installation}")
}

/// Name of the record of an instance DevPocket did not buy.
pub fn foreign_name(instance_id: i64) -> String {
    format!("i-{instance_id}")
}

/// The name for the next operation of a verb on a machine, given the earlier ones' metadata. The
/// number counts on from the highest one kept, so that collecting old records frees no name that
/// is still taken; two writers with the same view collide, and the second fails.
pub fn next_name<'a>(
    machine: &str,
    word: &str,
    earlier: impl IntoIterator<Item = &'a ObjectMeta>,
) -> String {
    let prefix = format!("{machine}-{word}-");
    let next = earlier
        .into_iter()
        .filter_map(|m| m.name.strip_prefix(&prefix)?.parse::<u64>().ok())
        .max()
        .map_or(0, |highest| highest + 1);
    format!("{prefix}{next}")
}

fn is_token_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-'
}

fn parse(word: &str) -> Option<Token> {
    let rest = word.strip_prefix(PREFIX)?;
    let (installation, machine) = rest.split_at_checked(INSTALLATION_DIGITS)?;
    let machine = machine.strip_prefix('-')?;
    let hex = installation.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (hex && !machine.is_empty())
        .then(|| Token { installation: installation.to_owned(), machine: machine.to_owned() })
}

fn safe_words(words: &str) -> String {
    let safe: String = words.chars().map(|c| if is_safe(c) { c } else { ' ' }).collect();
    // A person's words must not look like a token of ours.
    let kept: Vec<&str> = safe.split_whitespace().filter(|word| tokens(word).is_empty()).collect();
    let mut text = kept.join(" ");
    text.truncate(WORDS_LIMIT);
    text.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "0a1b2c3d";

    #[test]
    fn a_longer_machine_name_is_not_mistaken_for_a_shorter_one() {
        let name = display_name("worker", HERE, "m-12");
        assert!(bears(&name, HERE, "m-12"));
        assert!(!bears(&name, HERE, "m-1"));
        assert!(!bears(&name, "ffffffff", "m-12"));
    }

    #[test]
    fn the_token_is_found_after_somebody_edited_around_it() {
        for name in ["dp-0a1b2c3d-m-1", "x (dp-0a1b2c3d-m-1), keep", "dp-0a1b2c3d-m-1 old"] {
            assert!(bears(name, HERE, "m-1"), "{name}");
        }
        for name in ["", "dp-0a1b2c3d", "dp-0a1b2c3d-", "xdp-0a1b2c3d-m-1", "DP-0a1b2c3d-m-1"] {
            assert!(!bears(name, HERE, "m-1"), "{name}");
        }
    }

    #[test]
    fn peoples_words_cannot_forge_a_token_or_break_the_charset() {
        let name = display_name("ü dp-0a1b2c3d-m-2 [x]\n", HERE, "m-1");
        assert_eq!(name, "x dp-0a1b2c3d-m-1");
        let long = display_name(&"w".repeat(400), HERE, "m-1");
        assert!(long.len() <= DISPLAY_NAME_LIMIT && bears(&long, HERE, "m-1"));
    }

    proptest::proptest! {
        /// Breaks without it: a machine is renamed with every pass, or never.
        #[test]
        fn a_name_is_told_from_its_parts_as_if_it_were_made(
            words in "([a-zA-Z0-9._-]|dp-|ü| ){0,8}|w{118,122}",
            other in "[a-z ]{0,2}",
        ) {
            let name = display_name(&words, HERE, "m-1");
            proptest::prop_assert!(is_display_name(&name, &words, HERE, "m-1"));
            for text in [format!("{name}{other}"), format!("{other}{name}"), words.clone(), other] {
                let told = is_display_name(&text, &words, HERE, "m-1");
                proptest::prop_assert_eq!(told, text == name, "{:?} for {:?}", text, words);
            }
            proptest::prop_assert!(!is_display_name(&name, &words, HERE, "m-2"));
        }
    }

    #[test]
    fn numbers_count_on_from_the_highest_kept() {
        let metas: Vec<ObjectMeta> = ["m-1-start-3", "m-1-start-1", "m-1-stop-9", "m-12-start-7"]
            .iter()
            .map(|name| ObjectMeta::named("", *name))
            .collect();
        assert_eq!(next_name("m-1", "start", &metas), "m-1-start-4");
        assert_eq!(next_name("m-1", "cancel", &metas), "m-1-cancel-0");
    }
}
