//! Secrets that are random and kept as digests: API tokens, tickets, codes by mail, device codes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// Random bytes in each of them.
const SECRET_BYTES: usize = 32;

/// What an API token begins with.
pub const API_TOKEN_PREFIX: &str = "dpk_";
/// What a ticket begins with.
pub const TICKET_PREFIX: &str = "dpt_";
/// What a code sent by mail begins with.
pub const CODE_PREFIX: &str = "dpc_";
/// What a device's own code begins with.
pub const DEVICE_PREFIX: &str = "dpd_";

/// SHA-256 of a secret. The secrets are random, so a slow hash would add nothing.
#[derive(Clone, Copy)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    pub fn of(text: &str) -> Digest {
        Digest(Sha256::digest(text.as_bytes()).into())
    }

    /// In time that tells nothing about how much is equal.
    pub fn is(&self, other: &[u8]) -> bool {
        self.0.as_slice().ct_eq(other).into()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest")
    }
}

/// A new secret: prefix and 256 random bits.
pub fn make(prefix: &str) -> Result<String, getrandom::Error> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// The digest of what was presented, if it has the form of such a secret.
pub fn read(prefix: &str, text: &str) -> Option<Digest> {
    let encoded = text.strip_prefix(prefix)?;
    let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
    (bytes.len() == SECRET_BYTES).then(|| Digest::of(text))
}

/// A new API token: its id is in it, so that it is found without a search.
pub fn make_api_token(id: Uuid) -> Result<String, getrandom::Error> {
    let mut bytes = [0; 16 + SECRET_BYTES];
    let (head, secret) = bytes.split_at_mut(16);
    head.copy_from_slice(id.as_bytes());
    getrandom::fill(secret)?;
    Ok(format!("{API_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// Id and digest of what was presented as an API token.
pub fn read_api_token(text: &str) -> Option<(Uuid, Digest)> {
    let encoded = text.strip_prefix(API_TOKEN_PREFIX)?;
    let bytes: [u8; 16 + SECRET_BYTES] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
    let (id, _) = bytes.split_first_chunk::<16>()?;
    Some((Uuid::from_bytes(*id), Digest::of(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_made_is_read_and_is_not_another_kind() {
        let ticket = make(TICKET_PREFIX).unwrap();
        let digest = read(TICKET_PREFIX, &ticket).unwrap();
        assert!(digest.is(&Digest::of(&ticket).0));
        assert!(!digest.is(&Digest::of("other").0) && !digest.is(&[]));
        assert!(read(CODE_PREFIX, &ticket).is_none());
        assert!(read_api_token(&ticket).is_none());
        let id = Uuid::from_u128(9);
        let token = make_api_token(id).unwrap();
        assert_eq!(read_api_token(&token).map(|(id, _)| id), Some(id));
        assert_ne!(token, make_api_token(id).unwrap());
    }

    proptest! {
        #[test]
        fn no_text_makes_a_reader_fall_over(text in "(dpk_|dpt_|dpc_|dpd_)?\\PC*") {
            let _ = read_api_token(&text);
            for prefix in [TICKET_PREFIX, CODE_PREFIX, DEVICE_PREFIX] {
                let _ = read(prefix, &text);
            }
        }

        #[test]
        fn only_the_right_length_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let encoded = URL_SAFE_NO_PAD.encode(&bytes);
            let ticket = read(TICKET_PREFIX, &format!("{TICKET_PREFIX}{encoded}"));
            prop_assert_eq!(ticket.is_some(), bytes.len() == SECRET_BYTES);
            let token = read_api_token(&format!("{API_TOKEN_PREFIX}{encoded}"));
            prop_assert_eq!(token.is_some(), bytes.len() == 16 + SECRET_BYTES);
        }
    }
}
