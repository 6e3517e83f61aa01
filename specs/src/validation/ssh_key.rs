//! Public keys in OpenSSH's one-line form: `type base64 [comment]`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::render::MAX_KEY_BYTES;

/// The key types OpenSSH signs in with today; `ssh-dss` is long gone.
pub(super) const TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// What is wrong with a line, made to follow the field's name. The line itself is never quoted:
/// it may be a private key that somebody pasted by mistake.
pub(super) fn fault(line: &str) -> Option<String> {
    if line.contains("PRIVATE KEY") {
        return Some(
            "is a private key; it is the public one, from the file that ends in .pub. The private \
             one was sent over the network, so make a new pair"
                .to_owned(),
        );
    }
    if line.len() > MAX_KEY_BYTES {
        return Some(format!("has {} bytes; at most {MAX_KEY_BYTES}", line.len()));
    }
    if line.chars().any(char::is_control) {
        return Some("has more than one line, or control characters; a key is one line".to_owned());
    }
    let mut words = line.split(' ').filter(|word| !word.is_empty());
    let (Some(r#type), Some(blob)) = (words.next(), words.next()) else {
        return Some("is not a key; it is one line such as \"ssh-ed25519 AAAA… me@laptop\"".into());
    };
    if !TYPES.contains(&r#type) {
        let types = super::fault::one_of(&TYPES);
        return Some(format!("does not begin with a type of key; the types are {types}"));
    }
    let named = |bytes: Vec<u8>| {
        let length = bytes.first_chunk().map(|four| u32::from_be_bytes(*four) as usize);
        let inner = length.and_then(|length| bytes.get(4..4usize.checked_add(length)?));
        inner == Some(r#type.as_bytes()) && bytes.len() > r#type.len() + 4
    };
    if !STANDARD.decode(blob).is_ok_and(named) {
        return Some(
            format!("is damaged: what follows {type} is not such a key in base64", type = r#type),
        );
    }
    None
}
