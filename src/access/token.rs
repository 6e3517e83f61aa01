//! Bearer tokens.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::User;

/// Random bytes in a generated token.
const TOKEN_BYTES: usize = 32;

/// The shortest token accepted in configuration: shorter ones can be guessed.
pub const TOKEN_CHARS_MIN: usize = 16;

/// Why a token was not made or not accepted into the list.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the token of {user:?} has fewer than {TOKEN_CHARS_MIN} characters")]
    TooShort { user: String },
    #[error("{user:?} is a name of DevPocket's own components")]
    Reserved { user: String },
    #[error("the operating system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// A new token: 256 random bits in URL-safe base64.
pub fn new_token() -> Result<String, TokenError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The tokens that are accepted. Only their digests are kept in memory.
#[derive(Default)]
pub struct Tokens {
    known: Vec<([u8; 32], User)>,
}

impl Tokens {
    /// One token for one user.
    pub fn single(token: &str, user: User) -> Result<Tokens, TokenError> {
        let mut tokens = Tokens::default();
        tokens.add(token, user)?;
        Ok(tokens)
    }

    pub fn add(&mut self, token: &str, user: User) -> Result<(), TokenError> {
        if token.len() < TOKEN_CHARS_MIN {
            return Err(TokenError::TooShort { user: user.name });
        }
        // Admission lets components write what people may not.
        if user.name.starts_with("system:") {
            return Err(TokenError::Reserved { user: user.name });
        }
        self.known.push((digest(token), user));
        Ok(())
    }

    /// The user with this token. Every known digest is compared in full, so that the time taken
    /// tells nothing about how much of a guess was right, or whose it was.
    pub fn find(&self, token: &str) -> Option<&User> {
        let presented = digest(token);
        let mut found = u64::MAX;
        for (index, (known, _)) in self.known.iter().enumerate() {
            let equal: Choice = known.ct_eq(&presented);
            found.conditional_assign(&(index as u64), equal);
        }
        usize::try_from(found).ok().and_then(|index| self.known.get(index)).map(|(_, user)| user)
    }

    /// The user of this name, whose token was presented before.
    pub fn named(&self, name: &str) -> Option<&User> {
        self.known.iter().map(|(_, user)| user).find(|user| user.name == name)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.known.iter().map(|(_, user)| &user.name)).finish()
    }
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_leads_to_its_own_user_only() {
        let (ann, bob) = (new_token().unwrap(), new_token().unwrap());
        let mut tokens = Tokens::single(&ann, User::admin("ann")).unwrap();
        tokens.add(&bob, User::admin("bob")).unwrap();
        assert_eq!(tokens.find(&ann).unwrap().name, "ann");
        assert_eq!(tokens.find(&bob).unwrap().name, "bob");
        assert!(tokens.find(&ann[1..]).is_none());
        assert!(tokens.find("").is_none());
        assert!(!format!("{tokens:?}").contains(&ann));
    }

    #[test]
    fn a_short_token_is_refused() {
        let error = Tokens::single("hunter2", User::admin("ann")).unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn nobody_signs_in_as_a_component() {
        let error = Tokens::single(&new_token().unwrap(), User::admin("system:devpocket"));
        assert!(matches!(error, Err(TokenError::Reserved { .. })));
    }
}
