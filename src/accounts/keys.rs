//! `SECRET_KEY`: what access and refresh tokens are signed with.
//!
//! Several keys, by comma, are a rotation: the first signs, all are accepted. Put the new one in
//! front, restart, and drop the old one when the last refresh token made with it has run out.

use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The value in the sample configuration everybody has read.
pub const SAMPLE: &str = "your-secret-key-here";
/// Characters of a key that is accepted beyond loopback.
pub const KEY_CHARS_MIN: usize = 32;

/// HMAC-SHA-256, keyed.
pub(super) type Signer = Hmac<Sha256>;

/// Why a `SECRET_KEY` is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("is empty")]
    Empty,
    #[error("is the sample value, which everybody knows")]
    Sample,
    #[error("is shorter than {KEY_CHARS_MIN} characters and could be guessed")]
    Short,
}

/// Keys derived from one secret, one per purpose, so that a token of one kind is never good as
/// another.
#[derive(Clone)]
struct Derived {
    access: [u8; 32],
    refresh: [u8; 32],
}

/// Signs with the first key, accepts any.
#[derive(Clone)]
pub struct SigningKeys {
    keys: Vec<Derived>,
}

impl fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKeys({})", self.keys.len())
    }
}

impl SigningKeys {
    /// Keys separated by commas. `strict` refuses what could be guessed; without it only nothing
    /// at all is refused.
    pub fn from_text(text: &str, strict: bool) -> Result<SigningKeys, KeyError> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let mut keys = Vec::new();
        for word in words {
            if strict && word == SAMPLE {
                return Err(KeyError::Sample);
            }
            if strict && word.chars().count() < KEY_CHARS_MIN {
                return Err(KeyError::Short);
            }
            keys.push(Derived {
                access: derive(word, b"devpocket access token v1"),
                refresh: derive(word, b"devpocket refresh token v1"),
            });
        }
        if keys.is_empty() { Err(KeyError::Empty) } else { Ok(SigningKeys { keys }) }
    }

    /// Keys for access tokens, the one that signs first.
    pub(super) fn access(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.keys.iter().map(|key| &key.access)
    }

    /// Keys for refresh tokens, the one that signs first.
    pub(super) fn refresh(&self) -> impl Iterator<Item = Signer> {
        self.keys.iter().map(|key| signer(&key.refresh))
    }
}

fn derive(secret: &str, purpose: &[u8]) -> [u8; 32] {
    let mut mac = signer(secret.as_bytes());
    mac.update(purpose);
    mac.finalize().into_bytes().into()
}

fn signer(key: &[u8]) -> Signer {
    Signer::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_guessed_is_refused_where_it_matters() {
        let long = "k".repeat(KEY_CHARS_MIN);
        assert!(SigningKeys::from_text(&format!("{long}, {long}x"), true).is_ok());
        let with = |text: &str, strict| SigningKeys::from_text(text, strict).map(drop);
        assert_eq!(with(SAMPLE, true), Err(KeyError::Sample));
        assert_eq!(with("short", true), Err(KeyError::Short));
        assert_eq!(with(&format!("{long},short"), true), Err(KeyError::Short));
        assert_eq!(with(" , ", false), Err(KeyError::Empty));
        assert_eq!(with(SAMPLE, false), Ok(()));
    }

    #[test]
    fn each_purpose_has_a_key_of_its_own() {
        let keys = SigningKeys::from_text("one", false).unwrap();
        assert_ne!(keys.keys[0].access, keys.keys[0].refresh);
        assert!(!format!("{keys:?}").contains("one"));
    }
}
