//! Sealing: the values of Secrets are encrypted before they reach the store.
//!
//! # Guarantees
//! - What the store, the change log, the caches and a database dump hold is
//!   `sealed:v1:KEYID:BASE64(nonce || ciphertext || tag)`: XChaCha20-Poly1305 with a fresh random
//!   24-byte nonce for every value, so equal values do not look equal.
//! - A sealed value is bound to its place (namespace, name of the Secret, key): copied elsewhere in
//!   the database it does not open. It is *not* bound to the uid, so that a Secret deleted and
//!   restored from a dump still opens.
//!
//! # Assumptions
//! The key is kept apart from the database. Who holds both reads everything.
//!
//! # Caveats
//! Names of keys and lengths of values are visible. Rotation works by adding keys: the first seals,
//! all open; [`crate::keys`] moves what is there onto the first. Keys from a file may change while the
//! process runs: [`crate::keys`] follows it, and what is sealed with a key that is not known makes the
//! file be read once more before it is given up, so that a replica which has looked a moment too early
//! reads what one that looked later has sealed.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use devpocket_specs::plan::hex;
use devpocket_specs::secret::SEALED_PREFIX;
use sha2::{Digest, Sha256};

/// Bytes of a key.
pub const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
const VERSION: &str = "v1";

/// Why something was not sealed or opened. Never holds a value.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("the operating system gave no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    #[error("cannot read the sealing key {path}: {source}")]
    ReadKey {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write the sealing key {path}: {source}")]
    WriteKey {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the sealing key must be {KEY_BYTES} bytes, in hex or base64")]
    BadKey,
    #[error("there is no sealing key")]
    NoKey,
    #[error("{place} is not in a sealed form this version knows")]
    BadForm { place: String },
    #[error("{place} is sealed with key {key_id}, which is not configured")]
    UnknownKey { place: String, key_id: String },
    #[error("{place} does not open: it was altered, or moved here from elsewhere")]
    DoesNotOpen { place: String },
    #[error("{place} could not be encrypted")]
    Encrypt { place: String },
}

/// Where a value lives; part of what is authenticated.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    pub namespace: &'a str,
    pub name: &'a str,
    pub key: &'a str,
}

impl<'a> Place<'a> {
    /// Of a system secret, by the name it is kept under. No Secret has this place: it has a name and
    /// a namespace.
    pub fn system(name: &'a str) -> Place<'a> {
        Place { namespace: "", name, key: "" }
    }

    /// Length-prefixed, so that no two places give the same bytes.
    fn aad(&self) -> Vec<u8> {
        let mut aad = b"devpocket secret ".to_vec();
        for part in [self.namespace, self.name, self.key] {
            aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
            aad.extend_from_slice(part.as_bytes());
        }
        aad
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            return write!(f, "the system secret {}", self.name);
        }
        write!(f, "key {:?} of secret {}/{}", self.key, self.namespace, self.name)
    }
}

/// Keys with their ids, the one that seals first.
type Ring = Vec<(String, XChaCha20Poly1305)>;

/// Seals with its first key, opens with any of them.
pub struct Sealer {
    ring: RwLock<Arc<Ring>>,
    /// Where the keys are from, if they may change while the process runs.
    file: Option<PathBuf>,
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ring().iter().map(|(id, _)| id)).finish()
    }
}

impl From<Ring> for Sealer {
    fn from(ring: Ring) -> Sealer {
        Sealer { ring: RwLock::new(Arc::new(ring)), file: None }
    }
}

impl Sealer {
    /// One key.
    pub fn new(key: [u8; KEY_BYTES]) -> Sealer {
        vec![(key_id(&key), XChaCha20Poly1305::new(&key.into()))].into()
    }

    /// Keys as configured: 64 hex digits or base64, separated by commas or white space; the first
    /// seals.
    pub fn from_text(text: &str) -> Result<Sealer, SealError> {
        let mut keys = Ring::new();
        for word in text.split([',', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty()) {
            let key = read_key(word).ok_or(SealError::BadKey)?;
            keys.push((key_id(&key), XChaCha20Poly1305::new(&key.into())));
        }
        if keys.is_empty() { Err(SealError::NoKey) } else { Ok(keys.into()) }
    }

    /// The same, known to be what this file held.
    pub fn kept_in(self, file: PathBuf) -> Sealer {
        Sealer { file: Some(file), ..self }
    }

    /// Where the keys are from, if they may change.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    fn ring(&self) -> Arc<Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Goes on with the keys of another one.
    pub fn replace(&self, other: &Sealer) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = other.ring();
    }

    /// Looks into the file for a key that is not known, and opens with it from now on. Which one seals
    /// stays: that is decided where it can be checked what else hangs on it.
    fn learn(&self, id: &str) -> Option<XChaCha20Poly1305> {
        let text = std::fs::read_to_string(self.file.as_deref()?).ok()?;
        let found = Sealer::from_text(&text).ok()?.ring();
        let (_, cipher) = found.iter().find(|(known, _)| known == id)?;
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        if !ring.iter().any(|(known, _)| known == id) {
            Arc::make_mut(&mut ring).push((id.to_owned(), cipher.clone()));
        }
        Some(cipher.clone())
    }

    /// The keys in this file; made with one new key, readable by its owner only, if it is not
    /// there.
    pub fn from_file(path: &Path) -> Result<Sealer, SealError> {
        let read = |source| SealError::ReadKey { path: path.to_owned(), source };
        match std::fs::read_to_string(path) {
            Ok(text) => Sealer::from_text(&text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = new_key()?;
                match write_new(path, &key) {
                    Ok(()) => Sealer::from_text(&key),
                    // Another process was faster: its key counts.
                    Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                        Sealer::from_text(&std::fs::read_to_string(path).map_err(read)?)
                    }
                    Err(source) => Err(SealError::WriteKey { path: path.to_owned(), source }),
                }
            }
            Err(source) => Err(read(source)),
        }
    }

    /// Ids of the keys, the one that seals first.
    pub fn ids(&self) -> Vec<String> {
        self.ring().iter().map(|(id, _)| id.clone()).collect()
    }

    /// Id of the key that seals.
    pub fn current(&self) -> String {
        self.ring().first().map_or_else(String::new, |(id, _)| id.clone())
    }

    /// Encrypts a value for its place.
    pub fn seal(&self, place: Place<'_>, value: &[u8]) -> Result<String, SealError> {
        self.seal_with(&self.current(), place, value)
    }

    /// The same with another of the keys.
    pub fn seal_with(&self, id: &str, place: Place<'_>, value: &[u8]) -> Result<String, SealError> {
        let ring = self.ring();
        let known = ring.iter().find(|(known, _)| known == id);
        let (id, cipher) = known.ok_or(SealError::NoKey)?;
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)?;
        let payload = Payload { msg: value, aad: &place.aad() };
        let ciphertext = cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| SealError::Encrypt { place: place.to_string() })?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&ciphertext);
        Ok(format!("{SEALED_PREFIX}{VERSION}:{id}:{}", STANDARD.encode(bytes)))
    }

    /// Decrypts what [`Sealer::seal`] made for the same place.
    pub fn open(&self, place: Place<'_>, sealed: &str) -> Result<Vec<u8>, SealError> {
        let bad_form = || SealError::BadForm { place: place.to_string() };
        let rest = sealed.strip_prefix(SEALED_PREFIX).ok_or_else(bad_form)?;
        let rest = rest.strip_prefix(VERSION).and_then(|rest| rest.strip_prefix(':'));
        let (id, text) = rest.and_then(|rest| rest.split_once(':')).ok_or_else(bad_form)?;
        let bytes = STANDARD.decode(text).map_err(|_| bad_form())?;
        let (nonce, ciphertext) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(bad_form)?;
        let ring = self.ring();
        let known = ring.iter().find(|(known, _)| known == id).map(|(_, cipher)| cipher.clone());
        let cipher = known.or_else(|| self.learn(id)).ok_or_else(|| SealError::UnknownKey {
            place: place.to_string(),
            key_id: id.to_owned(),
        })?;
        let payload = Payload { msg: ciphertext, aad: &place.aad() };
        cipher
            .decrypt(&XNonce::from(*nonce), payload)
            .map_err(|_| SealError::DoesNotOpen { place: place.to_string() })
    }
}

/// Id of the key that a text was sealed with; none if it is not in a form this version knows.
pub fn key_of(sealed: &str) -> Option<&str> {
    let rest = sealed.strip_prefix(SEALED_PREFIX)?.strip_prefix(VERSION)?.strip_prefix(':')?;
    rest.split_once(':').map(|(id, _)| id)
}

/// How texts begin that are sealed with this key.
pub fn mark(key_id: &str) -> String {
    format!("{SEALED_PREFIX}{VERSION}:{key_id}:")
}

/// A new key in the form [`Sealer::from_text`] reads.
pub fn new_key() -> Result<String, SealError> {
    let mut key = [0; KEY_BYTES];
    getrandom::fill(&mut key)?;
    Ok(STANDARD.encode(key))
}

/// 64 hex digits, or 32 bytes in base64. Their lengths differ, so no text can mean both.
fn read_key(word: &str) -> Option<[u8; KEY_BYTES]> {
    if word.len() != 2 * KEY_BYTES || !word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return STANDARD.decode(word).ok()?.try_into().ok();
    }
    let mut key = [0; KEY_BYTES];
    for (byte, digits) in key.iter_mut().zip(word.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

/// Names a key without telling anything about it.
fn key_id(key: &[u8; KEY_BYTES]) -> String {
    let digest = Sha256::new().chain_update(b"devpocket key id ").chain_update(key).finalize();
    hex(&digest[..4])
}

/// Appears under its name only when it is complete: a process killed while writing must not leave
/// half a key that the next start refuses.
fn write_new(path: &Path, key: &str) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let draft = path.with_file_name(name);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&draft)?;
    writeln!(file, "{key}")?;
    file.sync_all()?;
    // A hard link, unlike a rename, does not replace a key that appeared meanwhile.
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    linked
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place { namespace: "team-a", name: "db", key: "password" };

    #[test]
    fn opens_only_where_it_was_sealed() {
        let sealer = Sealer::new([7; KEY_BYTES]);
        let sealed = sealer.seal(HERE, b"hunter2").unwrap();
        assert!(sealed.starts_with("sealed:v1:"), "{sealed}");
        assert!(!sealed.contains("hunter2"));
        assert_eq!(sealer.open(HERE, &sealed).unwrap(), b"hunter2");
        for place in [
            Place { namespace: "team-b", ..HERE },
            Place { name: "d", key: "bpassword", ..HERE },
            Place { key: "user", ..HERE },
        ] {
            let error = sealer.open(place, &sealed).unwrap_err();
            assert!(matches!(error, SealError::DoesNotOpen { .. }), "{error}");
        }
    }

    #[test]
    fn equal_values_do_not_look_equal() {
        let sealer = Sealer::new([7; KEY_BYTES]);
        assert_ne!(sealer.seal(HERE, b"x").unwrap(), sealer.seal(HERE, b"x").unwrap());
    }

    #[test]
    fn an_altered_value_does_not_open() {
        let sealer = Sealer::new([7; KEY_BYTES]);
        let sealed = sealer.seal(HERE, b"hunter2").unwrap();
        let (head, text) = sealed.rsplit_once(':').unwrap();
        let mut bytes = STANDARD.decode(text).unwrap();
        bytes[NONCE_BYTES] ^= 1;
        let altered = format!("{head}:{}", STANDARD.encode(bytes));
        assert!(matches!(sealer.open(HERE, &altered), Err(SealError::DoesNotOpen { .. })));
        for text in ["", "sealed:v2:aa:bb", "sealed:v1:aa", "sealed:v1:aa:AAAA", "aHVudGVyMg=="] {
            assert!(sealer.open(HERE, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_rotated_key_still_opens_what_it_sealed() {
        let (old, new) = (new_key().unwrap(), new_key().unwrap());
        let sealed = Sealer::from_text(&old).unwrap().seal(HERE, b"hunter2").unwrap();
        let both = Sealer::from_text(&format!("{new}\n{old}\n")).unwrap();
        assert_eq!(both.open(HERE, &sealed).unwrap(), b"hunter2");
        let fresh = both.seal(HERE, b"hunter2").unwrap();
        let only_new = Sealer::from_text(&new).unwrap();
        assert_eq!(only_new.open(HERE, &fresh).unwrap(), b"hunter2");
        assert!(matches!(only_new.open(HERE, &sealed), Err(SealError::UnknownKey { .. })));
    }

    #[test]
    fn a_key_is_the_same_in_hex_and_in_base64() {
        let sealed = Sealer::from_text(&"07".repeat(KEY_BYTES)).unwrap().seal(HERE, b"x").unwrap();
        let other = Sealer::from_text(&STANDARD.encode([7; KEY_BYTES])).unwrap();
        assert_eq!(other.open(HERE, &sealed).unwrap(), b"x");
        for wrong in ["", "07", &"zz".repeat(KEY_BYTES), &"+7".repeat(KEY_BYTES)] {
            assert!(Sealer::from_text(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_key_file_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sealing.key");
        let sealed = Sealer::from_file(&path).unwrap().seal(HERE, b"x").unwrap();
        assert_eq!(Sealer::from_file(&path).unwrap().open(HERE, &sealed).unwrap(), b"x");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(&path, "not a key").unwrap();
        assert!(matches!(Sealer::from_file(&path), Err(SealError::BadKey)));
    }
}
