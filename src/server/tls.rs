//! TLS for a server on this computer: a certificate authority of its own, made on the first start.
//!
//! kubectl sends no token over plain HTTP, so a server without TLS cannot be used with it. Nobody
//! signs certificates for `127.0.0.1`, hence the authority. Only its key is kept; the server's own
//! certificate is made anew on each start.
//!
//! # Guarantees
//! - The authority can vouch for loopback only (name constraints), so that trusting it costs
//!   nothing should its key get out.
//! - Key and certificate are files of mode 0600, written whole or not at all.
//! - A client that trusted the authority before a restart trusts it after.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use devpocket_controllers::clock::Clock as _;
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, date_time_ymd,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

use crate::clock::SystemClock;
use crate::context::write_private;

/// Names the certificate is for.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Who the authority says it is; clients find it by this name and its key.
const AUTHORITY: &str = "DevPocket on this computer";
/// How long the authority lasts. Then `up --reset`, or deleting its folder, makes another.
const AUTHORITY_YEARS: i32 = 10;
/// How long the server's certificate lasts; each start makes a new one.
const CERTIFICATE_YEARS: i32 = 2;

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{path} cannot be used: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error("{path} is not a key of ours: {source}; delete its folder to have a new one made")]
    Key { path: PathBuf, source: rcgen::Error },
    #[error("the certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error("the certificate cannot be used: {0}")]
    Use(#[from] rustls::Error),
}

/// A certificate for loopback, and the authority clients have to trust for it.
#[derive(Clone)]
pub struct LocalTls {
    pub(super) acceptor: TlsAcceptor,
    authority: String,
}

impl std::fmt::Debug for LocalTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalTls").finish_non_exhaustive()
    }
}

impl LocalTls {
    /// Opens the authority kept in `folder`, or makes one there.
    pub fn open(folder: &Path) -> Result<LocalTls, TlsError> {
        crate::crypto::install_provider();
        // Certificates are judged by the machine's time, whatever a demonstration's clock says.
        let today = SystemClock::new().now().to_zoned(TimeZone::UTC).date();
        let key =
            kept(&folder.join("authority-key.pem"), || Ok(KeyPair::generate()?.serialize_pem()))?;
        let key = KeyPair::from_pem(&key)
            .map_err(|source| TlsError::Key { path: folder.join("authority-key.pem"), source })?;
        let parameters = authority(today);
        let authority =
            kept(&folder.join("authority.pem"), || Ok(parameters.self_signed(&key)?.pem()))?;
        let issuer = Issuer::new(parameters, key);
        let key = KeyPair::generate()?;
        let certificate = server(today)?.signed_by(&key, &issuer)?;
        let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )?;
        Ok(LocalTls { acceptor: TlsAcceptor::from(Arc::new(config)), authority })
    }

    /// The authority's certificate as PEM.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// A file of ours; made the first time.
fn kept(path: &Path, make: impl FnOnce() -> Result<String, TlsError>) -> Result<String, TlsError> {
    let failed = |source| TlsError::File { path: path.to_owned(), source };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = make()?;
            write_private(path, text.as_bytes()).map_err(failed)?;
            Ok(text)
        }
        read => read.map_err(failed),
    }
}

fn authority(today: Date) -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = name(AUTHORITY);
    parameters.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let mut v6 = [0; 16];
    v6[15] = 1;
    parameters.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".into()),
            GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8)),
            GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(v6, 128)),
        ],
        excluded_subtrees: Vec::new(),
    });
    lasting(&mut parameters, today, AUTHORITY_YEARS);
    parameters
}

fn server(today: Date) -> Result<CertificateParams, rcgen::Error> {
    let mut parameters = CertificateParams::new(NAMES.map(str::to_owned))?;
    parameters.distinguished_name = name("devpocket");
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    parameters.use_authority_key_identifier_extension = true;
    lasting(&mut parameters, today, CERTIFICATE_YEARS);
    Ok(parameters)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common);
    name
}

/// From yesterday, since clocks differ, for some years.
fn lasting(parameters: &mut CertificateParams, today: Date, years: i32) {
    let day = |date: Date| {
        let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
        date_time_ymd(date.year().into(), month, day)
    };
    parameters.not_before = day(today.saturating_sub(1.day()));
    parameters.not_after = day(today.saturating_add(years.years()));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_authority_is_made_once_and_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tls");
        let first = LocalTls::open(&path).unwrap();
        let again = LocalTls::open(&path).unwrap();
        assert_eq!(first.authority(), again.authority());
        for name in ["authority-key.pem", "authority.pem"] {
            let mode = fs::metadata(path.join(name)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_spoiled_key_is_named_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("authority-key.pem"), "nonsense").unwrap();
        let error = LocalTls::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("authority-key.pem") && error.contains("delete"), "{error}");
    }
}
