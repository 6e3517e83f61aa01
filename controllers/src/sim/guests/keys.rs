//! Host keys that are some in form: nothing is signed with them.

use sha2::{Digest, Sha256};

/// A public key that is one in form.
pub(super) fn key(kind: &str, of: &str) -> String {
    let digest = Sha256::digest(of.as_bytes());
    let digest: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    format!("ssh-ed25519 AAAAC3{kind}{digest}")
}

pub(super) fn first_public((machine, generation): &(String, i64)) -> String {
    key("first", &format!("{machine}/{generation}"))
}

pub(super) fn host_key(user_data: &str) -> Option<String> {
    let line = user_data.lines().find(|line| line.contains("ed25519_public:"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
