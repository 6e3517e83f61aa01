//! TLS with a certificate from files, which may be replaced while the server runs.
//!
//! # Guarantees
//! - The files are looked at every [`LOOK_EVERY`]; when what they hold is another certificate with its
//!   key, new connections get it. Connections that are open stay as they are.
//! - Files that are broken, half-written or do not belong together change nothing, and neither does a
//!   certificate that has run out while the one in use has not: that one stays, and the log says so once
//!   for each such content.
//! - A certificate that has run out, or soon will ([`ENDS_SOON`]), is told at the start and every
//!   [`TELL_EVERY`] in the log, at all times in `devpocket_tls_certificate_end_seconds`, and in
//!   `/health`, where `devpocket status` reads it.
//!
//! # Caveats
//! A certificate that has run out is served all the same: clients say so better than a server that
//! stops. It is judged by the machine's time, whatever a demonstration's clock says.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use devpocket_controllers::clock::Clock as _;
use jiff::{SignedDuration, Timestamp};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::clock::SystemClock;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How often a certificate that has run out, or soon will, is told in the log.
pub const TELL_EVERY: Duration = Duration::from_secs(60 * 60);
/// What soon is: those who renew by a program do it earlier.
pub const ENDS_SOON: SignedDuration = SignedDuration::from_hours(7 * 24);
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
    #[error("{} holds a certificate whose dates cannot be read", .0.display())]
    NoDates(PathBuf),
    #[error("{} ran out at {end}, and the one in use has not", .path.display())]
    RanOut { path: PathBuf, end: Timestamp },
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

/// A certificate with its key, and when it runs out.
#[derive(Clone, Debug)]
struct Pair {
    key: Arc<CertifiedKey>,
    end: Timestamp,
}

#[derive(Debug)]
struct Current {
    pair: RwLock<Pair>,
}

impl Current {
    fn pair(&self) -> Pair {
        self.pair.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.pair().key)
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
        let current = Arc::new(Current { pair: RwLock::new(content.certified(&files)?) });
        let mut config =
            ServerConfig::builder().with_no_client_auth().with_cert_resolver(current.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let seen = Arc::new(Mutex::new(content.digest()));
        Ok(FileTls { files, acceptor: TlsAcceptor::from(Arc::new(config)), current, seen })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// What is wrong with the time of the certificate in use, if anything is.
    pub fn doubt(&self, now: Timestamp) -> Option<String> {
        let (end, file) = (self.current.pair().end, self.files.certificate.display());
        if end <= now {
            return Some(format!("the certificate in {file} ran out at {end}: clients refuse it"));
        }
        (end.duration_since(now) <= ENDS_SOON).then(|| {
            format!("the certificate in {file} runs out at {end}, and no newer one is there")
        })
    }

    /// Says in the log what is wrong with its time, and whether anything is.
    fn tell(&self, now: Timestamp) -> bool {
        let end = self.current.pair().end;
        metrics::gauge!("devpocket_tls_certificate_end_seconds").set(end.as_second() as f64);
        let Some(doubt) = self.doubt(now) else { return false };
        match end <= now {
            true => tracing::error!("{doubt}"),
            false => tracing::warn!("{doubt}"),
        }
        true
    }

    /// Looks at the files once, and takes what is new and sound.
    pub fn look(&self, now: Timestamp) -> Look {
        let content = match Content::read(&self.files) {
            Ok(content) => content,
            Err(error) => return self.once(Sha256::digest(error.to_string()).into(), error),
        };
        let digest = content.digest();
        if *self.seen() == digest {
            return Look::Same;
        }
        match content.certified(&self.files) {
            Ok(pair) if pair.end <= now && self.current.pair().end > now => {
                let path = self.files.certificate.clone();
                self.once(digest, CertificateError::RanOut { path, end: pair.end })
            }
            Ok(pair) => {
                *self.current.pair.write().unwrap_or_else(PoisonError::into_inner) = pair;
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
        let clock = SystemClock::new();
        let mut told = self.tell(clock.now()).then(|| clock.now());
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let (tls, now) = (self.clone(), clock.now());
            let looked = tokio::task::spawn_blocking(move || tls.look(now)).await;
            let Ok(look) = looked else { continue };
            let file = self.files.certificate.display();
            match look {
                Look::Same => {}
                Look::Replaced => tracing::info!(%file, "the certificate was replaced"),
                Look::Broken(error) => {
                    metrics::counter!("devpocket_tls_reload_failures_total").increment(1);
                    tracing::error!(%error, "the new certificate is not used, the old one stays");
                }
            }
            let lately = |at: Timestamp| now.duration_since(at).unsigned_abs() < TELL_EVERY;
            if !told.is_some_and(lately) {
                told = self.tell(now).then_some(now);
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

    fn certified(&self, files: &TlsFiles) -> Result<Pair, CertificateError> {
        let no_certificate = || CertificateError::NoCertificate(files.certificate.clone());
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| no_certificate())?;
        let first = chain.first().ok_or_else(no_certificate)?;
        let end = end(first).ok_or_else(|| CertificateError::NoDates(files.certificate.clone()))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .map_err(|_| CertificateError::NoKey(files.key.clone()))?;
        let provider = ring::default_provider();
        let mismatch = |source| CertificateError::Mismatch { files: files.clone(), source };
        let certified = CertifiedKey::from_der(chain, key, &provider).map_err(mismatch)?;
        Ok(Pair { key: Arc::new(certified), end })
    }
}

/// When a certificate runs out.
fn end(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    Timestamp::from_second(read.validity().not_after.timestamp()).ok()
}

fn read(path: &Path) -> Result<Vec<u8>, CertificateError> {
    let failed = |source| CertificateError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > FILE_BYTES {
        return Err(CertificateError::Large(path.to_owned()));
    }
    fs::read(path).map_err(failed)
}

#[cfg(test)]
mod tests;
