//! TLS with a certificate from files, which may be replaced while the server runs.
//!
//! # Guarantees
//! - The files are looked at every [`LOOK_EVERY`]; when what they hold is another certificate with its
//!   key, new connections get it. Connections that are open stay as they are.
//! - Files that are broken, half-written or do not belong together change nothing: the certificate
//!   in use stays, and the log says so once for each such content.
//!
//! # Caveats
//! A certificate that has run out is served all the same: clients say so better than a server that
//! stops.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Bytes of either file: a chain has a few thousand.
const FILE_BYTES: u64 = 1024 * 1024;

/// Where the certificate and its key are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and its authority, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM (PKCS#8, PKCS#1 or SEC1).
    pub key: PathBuf,
}

/// Why files are no certificate with its key. Never holds what is in them.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("{} cannot be read: {source}", .path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is larger than {FILE_BYTES} bytes", .0.display())]
    Large(PathBuf),
    #[error("{} holds no certificate in PEM", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} holds no private key in PEM that is not encrypted", .0.display())]
    NoKey(PathBuf),
    #[error("{} and {} do not go together: {source}", .files.certificate.display(), .files.key.display())]
    Mismatch {
        files: TlsFiles,
        #[source]
        source: rustls::Error,
    },
}

/// What a look at the files found.
#[derive(Debug)]
pub enum Look {
    Same,
    Replaced,
    /// The one in use stays.
    Broken(CertificateError),
}

#[derive(Debug)]
struct Current {
    key: RwLock<Arc<CertifiedKey>>,
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// The certificate in use. Clones share it.
#[derive(Clone)]
pub struct FileTls {
    files: TlsFiles,
    acceptor: TlsAcceptor,
    current: Arc<Current>,
    /// Digest of what was looked at last, good or not.
    seen: Arc<Mutex<[u8; 32]>>,
}

impl fmt::Debug for FileTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileTls").field("files", &self.files).finish_non_exhaustive()
    }
}

impl FileTls {
    /// Reads the files. A server does not start with ones that are broken.
    pub fn open(files: TlsFiles) -> Result<FileTls, CertificateError> {
        crate::crypto::install_provider();
        let content = Content::read(&files)?;
        let current = Arc::new(Current { key: RwLock::new(content.certified(&files)?) });
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let seen = Arc::new(Mutex::new(content.digest()));
        Ok(FileTls { files, acceptor: TlsAcceptor::from(Arc::new(config)), current, seen })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// Looks at the files once, and takes what is new and sound.
    pub fn look(&self) -> Look {
        let content = match Content::read(&self.files) {
            Ok(content) => content,
            Err(error) => return self.once(Sha256::digest(error.to_string()).into(), error),
        };
        let digest = content.digest();
        if *self.seen() == digest {
            return Look::Same;
        }
        match content.certified(&self.files) {
            Ok(key) => {
                *self.current.key.write().unwrap_or_else(PoisonError::into_inner) = key;
                *self.seen() = digest;
                Look::Replaced
            }
            Err(error) => self.once(digest, error),
        }
    }

    fn once(&self, digest: [u8; 32], error: CertificateError) -> Look {
        let known = std::mem::replace(&mut *self.seen(), digest) == digest;
        if known { Look::Same } else { Look::Broken(error) }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, [u8; 32]> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps looking until the server stops.
    pub(super) async fn follow(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let tls = self.clone();
            let Ok(look) = tokio::task::spawn_blocking(move || tls.look()).await else { continue };
            let file = self.files.certificate.display();
            match look {
                Look::Same => {}
                Look::Replaced => tracing::info!(%file, "the certificate was replaced"),
                Look::Broken(error) => {
                    metrics::counter!("devpocket_tls_reload_failures_total").increment(1);
                    tracing::error!(%error, "the new certificate is not used, the old one stays");
                }
            }
        }
    }
}

/// Both files as they are.
struct Content {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Content {
    fn read(files: &TlsFiles) -> Result<Content, CertificateError> {
        Ok(Content { certificate: read(&files.certificate)?, key: read(&files.key)? })
    }

    fn digest(&self) -> [u8; 32] {
        let length = (self.certificate.len() as u64).to_be_bytes();
        let digest = Sha256::new().chain_update(length).chain_update(&self.certificate);
        digest.chain_update(&self.key).finalize().into()
    }

    fn certified(&self, files: &TlsFiles) -> Result<Arc<CertifiedKey>, CertificateError> {
        let no_certificate = || CertificateError::NoCertificate(files.certificate.clone());
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| no_certificate())?;
        if chain.is_empty() {
            return Err(no_certificate());
        }
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| CertificateError::NoKey(files.key.clone()))?;
        let provider = ring::default_provider();
        let mismatch = |source| CertificateError::Mismatch { files: files.clone(), source };
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(mismatch)?;
        Ok(Arc::new(certified))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let failed = |source| CertificateError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > FILE_BYTES {
        return Err(CertificateError::Large(path.to_owned()));
    }
    fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let names = vec!["dev.example.com".to_owned()];
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn files(folder: &Path, (certificate, key): &(String, String)) -> TlsFiles {
        let files = TlsFiles { certificate: folder.join("tls.crt"), key: folder.join("tls.key") };
        fs::write(&files.certificate, certificate).unwrap();
        fs::write(&files.key, key).unwrap();
        files
    }

    fn used(tls: &FileTls) -> Vec<u8> {
        tls.current.key.read().unwrap().end_entity_cert().unwrap().to_vec()
    }

    #[test]
    fn a_new_pair_is_taken_and_a_broken_one_is_told_once_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (pair(), pair());
        let tls = FileTls::open(files(folder.path(), &old)).unwrap();
        let first = used(&tls);
        assert!(matches!(tls.look(), Look::Same));
        // As a renewal that writes one file after the other looks in between.
        for broken in [
            (new.0.clone(), old.1.clone()),
            (new.0.clone(), String::new()),
            (new.0[..200].to_owned(), new.1.clone()),
            (String::new(), new.1.clone()),
        ] {
            files(folder.path(), &broken);
            let Look::Broken(error) = tls.look() else { panic!("it was taken") };
            assert!(error.to_string().contains("tls."), "{error}");
            assert!(!error.to_string().contains("PRIVATE"), "{error}");
            assert!(matches!(tls.look(), Look::Same), "it is told once");
            assert_eq!(used(&tls), first);
        }
        fs::remove_file(folder.path().join("tls.key")).unwrap();
        assert!(matches!(tls.look(), Look::Broken(CertificateError::Read { .. })));
        files(folder.path(), &new);
        assert!(matches!(tls.look(), Look::Replaced));
        assert_ne!(used(&tls), first);
        files(folder.path(), &old);
        assert!(matches!(tls.look(), Look::Replaced), "back to what was there before");
        assert_eq!(used(&tls), first);
    }

    #[test]
    fn nothing_starts_with_files_that_are_broken() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (pair(), pair());
        let mixed = files(folder.path(), &(one.0, other.1));
        assert!(matches!(FileTls::open(mixed), Err(CertificateError::Mismatch { .. })));
        let missing =
            TlsFiles { certificate: folder.path().join("no.crt"), key: folder.path().join("no") };
        let error = FileTls::open(missing).unwrap_err().to_string();
        assert!(error.contains("no.crt"), "{error}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Whatever a half-done renewal leaves in the files: an error, or a pair that works.
        #[test]
        fn no_content_makes_the_reader_fall_over(
            cut in 0_usize..2_000, noise in prop::collection::vec(any::<u8>(), 0..100), in_key: bool,
        ) {
            let (certificate, key) = pair();
            let spoil = |text: &str| {
                let mut bytes = text.as_bytes()[..cut.min(text.len())].to_vec();
                bytes.extend_from_slice(&noise);
                bytes
            };
            let content = match in_key {
                true => Content { certificate: certificate.into_bytes(), key: spoil(&key) },
                false => Content { certificate: spoil(&certificate), key: key.into_bytes() },
            };
            let files = TlsFiles { certificate: "tls.crt".into(), key: "tls.key".into() };
            let _ = content.certified(&files);
        }
    }
}
