//! The work itself: a hash, and a comparison with one.

use std::hint::black_box;

use argon2::password_hash::PasswordVerifier as _;
use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

use super::PasswordError;

/// What one hash costs. Changing it re-hashes each password at its owner's next sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// KiB of memory.
    pub memory: u32,
    pub passes: u32,
    pub lanes: u32,
}

impl Default for Cost {
    /// The first recommendation of OWASP for Argon2id: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Cost { memory: 19 * 1024, passes: 2, lanes: 1 }
    }
}

impl Cost {
    /// Argon2id of this cost.
    pub fn argon2(self) -> Result<Argon2<'static>, PasswordError> {
        let params = Params::new(self.memory, self.passes, self.lanes, None)
            .map_err(|error| PasswordError::Failed(error.to_string()))?;
        Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
    }
}

/// What a comparison showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub matches: bool,
    /// The stored hash is not of today's kind and cost.
    pub outdated: bool,
}

/// Hashes here and now, one after the other in the same memory.
pub(super) struct Hashing {
    cost: Cost,
    memory: Vec<Block>,
}

impl Hashing {
    pub(super) fn new(cost: Cost) -> Hashing {
        Hashing { cost, memory: Vec::new() }
    }

    pub(super) fn give_back(&mut self) {
        self.memory = Vec::new();
    }

    pub(super) fn hash(&mut self, password: &str) -> Result<String, PasswordError> {
        let mut salt = [0; argon2::RECOMMENDED_SALT_LEN];
        getrandom::fill(&mut salt).map_err(failed)?;
        let salt = Salt::new(&salt).map_err(failed)?;
        let argon2 = self.cost.argon2()?;
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(argon2.params()).map_err(failed)?,
            hash: Some(self.output(&argon2, password, &salt)?),
            salt: Some(salt),
        };
        Ok(hash.to_string())
    }

    fn output(
        &mut self,
        argon2: &Argon2<'_>,
        password: &str,
        salt: &Salt,
    ) -> Result<Output, PasswordError> {
        let blocks = argon2.params().block_count();
        self.memory.resize(blocks.max(self.memory.len()), Block::default());
        let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
        argon2
            .hash_password_into_with_memory(
                password.as_bytes(),
                salt,
                &mut output,
                &mut self.memory,
            )
            .map_err(failed)?;
        Output::new(&output).map_err(failed)
    }

    pub(super) fn compare(
        &mut self,
        password: &str,
        stored: Option<&str>,
    ) -> Result<Verdict, PasswordError> {
        let Some(stored) = stored else {
            black_box(self.hash(password)?);
            return Ok(Verdict { matches: false, outdated: false });
        };
        if is_bcrypt(stored) {
            let matches = bcrypt::verify(password, stored).unwrap_or(false);
            return Ok(Verdict { matches, outdated: true });
        }
        // A hash this version cannot read opens to nobody, and only resetting the password mends it.
        let Ok(parsed) = PasswordHash::new(stored) else {
            tracing::error!("a stored password hash cannot be read; its owner has to reset it");
            return self.compare(password, None);
        };
        let argon2 = self.cost.argon2()?;
        if let (true, Some(salt), Some(hash)) = (self.made(&parsed), &parsed.salt, &parsed.hash) {
            // Compares in a time that does not depend on what is in them.
            let matches = self.output(&argon2, password, salt)? == *hash;
            return Ok(Verdict { matches, outdated: false });
        }
        let matches = argon2.verify_password(password.as_bytes(), &parsed).is_ok();
        Ok(Verdict { matches, outdated: true })
    }

    /// Whether a hash is of today's kind, cost and length.
    fn made(&self, hash: &PasswordHash) -> bool {
        let same_params = Params::try_from(hash).is_ok_and(|params| {
            (params.m_cost(), params.t_cost(), params.p_cost())
                == (self.cost.memory, self.cost.passes, self.cost.lanes)
        });
        same_params
            && hash.algorithm == Algorithm::Argon2id.ident()
            && hash.version == Some(Version::V0x13.into())
            && hash.hash.is_some_and(|output| output.len() == Params::DEFAULT_OUTPUT_LEN)
    }
}

fn failed(error: impl std::fmt::Display) -> PasswordError {
    PasswordError::Failed(error.to_string())
}

/// Hashes here and now, for those who have no [`Hasher`].
pub fn hash(cost: Cost, password: &str) -> Result<String, PasswordError> {
    Hashing::new(cost).hash(password)
}

/// `$2a$`, `$2b$`, `$2x$`, `$2y$`
fn is_bcrypt(hash: &str) -> bool {
    let mut letters = hash.strip_prefix("$2").unwrap_or_default().chars();
    matches!(letters.next(), Some('a' | 'b' | 'x' | 'y')) && letters.next() == Some('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory: 16, passes: 1, lanes: 1 };

    #[test]
    fn what_the_memory_held_before_does_not_matter() {
        let mut hashing = Hashing::new(CHEAP);
        for password in ["Correct1", "", "another one", "Correct1"] {
            let kept = hashing.hash(password).unwrap();
            let parsed = PasswordHash::new(&kept).unwrap();
            let argon2 = CHEAP.argon2().unwrap();
            assert!(argon2.verify_password(password.as_bytes(), &parsed).is_ok(), "{kept}");
            assert!(hashing.compare(password, Some(&kept)).unwrap().matches);
            assert!(!hashing.compare("Correct2", Some(&kept)).unwrap().matches);
            hashing.give_back();
        }
    }
}
