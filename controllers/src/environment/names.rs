//! Names derived from facts, so that the same need gives the same name on every replica.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use devpocket_specs::environment::Environment;
use devpocket_specs::plan::hex;

pub use crate::operation::token::{bears, display_name, is_display_name, token};

/// The cause of an environment's first machine.
pub const CREATE: &str = "create";

/// Hex digits of the hash in a machine's name.
const DIGITS: usize = 16;

/// Name of the Machine record that answers one need of one environment.
pub fn machine_name(environment: Uuid, cause: &str) -> String {
    let digest = Sha256::digest(format!("{environment}/{cause}").as_bytes());
    format!("m-{}", &hex(&digest)[..DIGITS])
}

/// The environment's name for people.
pub fn words(environment: &Environment) -> &str {
    environment.spec.display_name.as_deref().unwrap_or(&environment.metadata.name)
}

/// The displayName the environment's machine shall carry in the account.
pub fn wanted_display_name(environment: &Environment, installation: &str, machine: &str) -> String {
    display_name(words(environment), installation, machine)
}

/// Whether this is it.
pub fn is_wanted_display_name(
    environment: &Environment,
    installation: &str,
    machine: &str,
    name: &str,
) -> bool {
    is_display_name(name, words(environment), installation, machine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_need_has_one_name_and_two_needs_have_two() {
        let uid = Uuid::from_u128(7);
        assert_eq!(machine_name(uid, CREATE), machine_name(uid, CREATE));
        assert_ne!(machine_name(uid, CREATE), machine_name(uid, "x"));
        assert_ne!(machine_name(uid, CREATE), machine_name(Uuid::from_u128(8), CREATE));
        assert_eq!(machine_name(uid, CREATE).len(), 2 + DIGITS);
    }
}
