//! Refresh tokens: one family per session, numbered, each made anew from its number.
//!
//! A token is `dpr_` and base64url of session (16 bytes), generation (8) and an HMAC over both and
//! the session's salt, keyed by `SECRET_KEY`. Nothing of it is stored, not even a digest: whoever
//! reads the database cannot make one, and whoever has only the key cannot either.
//!
//! That it can be made again is what lets a lost reply be repeated ([`super::session`]): a phone
//! that asks twice gets the same token twice, instead of two of which one is later taken for theft.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac as _;
use uuid::Uuid;

use super::keys::SigningKeys;

/// What every refresh token begins with.
pub const PREFIX: &str = "dpr_";
const MAC_BYTES: usize = 32;
const BYTES: usize = 16 + 8 + MAC_BYTES;
/// Bytes of a session's salt.
pub const SALT_BYTES: usize = 16;

/// A token taken apart; not yet known to be genuine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    pub session: Uuid,
    pub generation: i64,
    mac: [u8; MAC_BYTES],
}

/// Reads what was presented.
pub fn read(text: &str) -> Option<Presented> {
    let encoded = text.strip_prefix(PREFIX)?;
    // The decoder refuses padding and bits that are not used, so each token has one spelling.
    let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(encoded).ok()?.try_into().ok()?;
    let (session, rest) = bytes.split_first_chunk::<16>()?;
    let (generation, mac) = rest.split_first_chunk::<8>()?;
    let generation = i64::from_be_bytes(*generation);
    (generation > 0).then_some(Presented {
        session: Uuid::from_bytes(*session),
        generation,
        mac: mac.try_into().ok()?,
    })
}

impl Presented {
    /// Whether one of the keys made it, for a session with this salt.
    pub fn is_genuine(&self, keys: &SigningKeys, salt: &[u8]) -> bool {
        keys.refresh().any(|mut mac| {
            feed(&mut mac, self.session, self.generation, salt);
            mac.verify_slice(&self.mac).is_ok()
        })
    }
}

/// The token of this number.
pub fn make(keys: &SigningKeys, session: Uuid, generation: i64, salt: &[u8]) -> String {
    let mut mac = keys.refresh().next().expect("there is a key");
    feed(&mut mac, session, generation, salt);
    let mut bytes = session.as_bytes().to_vec();
    bytes.extend_from_slice(&generation.to_be_bytes());
    bytes.extend_from_slice(&mac.finalize().into_bytes());
    format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
}

fn feed(mac: &mut super::keys::Signer, session: Uuid, generation: i64, salt: &[u8]) {
    mac.update(session.as_bytes());
    mac.update(&generation.to_be_bytes());
    mac.update(salt);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(text: &str) -> SigningKeys {
        SigningKeys::from_text(text, false).unwrap()
    }

    const SESSION: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_token_is_genuine_for_its_session_its_number_and_its_key_only() {
        let salt = [1; SALT_BYTES];
        let token = make(&keys("a"), SESSION, 3, &salt);
        let read = read(&token).unwrap();
        assert_eq!((read.session, read.generation), (SESSION, 3));
        assert!(read.is_genuine(&keys("a"), &salt));
        assert!(read.is_genuine(&keys("b,a"), &salt), "rotated");
        assert!(!read.is_genuine(&keys("b"), &salt));
        assert!(!read.is_genuine(&keys("a"), &[2; SALT_BYTES]));
        for other in [
            Presented { generation: 4, ..read.clone() },
            Presented { session: Uuid::from_u128(8), ..read.clone() },
        ] {
            assert!(!other.is_genuine(&keys("a"), &salt));
        }
        assert_eq!(token, make(&keys("a"), SESSION, 3, &salt), "made again, it is the same");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_fall_over(text in "(dpr_)?\\PC*") {
            let _ = read(&text);
        }

        #[test]
        fn what_is_read_has_one_spelling(bytes in any::<[u8; BYTES]>()) {
            let text = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
            if let Some(presented) = read(&text) {
                prop_assert!(!presented.is_genuine(&keys("a"), &[0; SALT_BYTES]));
            }
            prop_assert_eq!(read(&format!("{text}=")), None);
            prop_assert_eq!(read(&format!("{text}A")), None);
        }
    }
}
