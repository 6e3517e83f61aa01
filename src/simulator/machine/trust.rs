//! What the SSH server of a machine goes by, read from its disk as sshd reads it: host keys,
//! trusted certificate authorities, authorized keys.

use std::io;
use std::time::Duration;

use russh::keys::ssh_key::{LineEnding, private::Ed25519Keypair};
use russh::keys::{Certificate, HashAlg, PrivateKey, PublicKey};
use russh::server::Config;
use russh::{MethodKind, MethodSet};

use super::disk::Disk;

const CONFIG_FOLDER: &str = "/etc/ssh/sshd_config.d";
/// The key the machine has if nothing else is configured.
pub(super) const HOST_KEY: &str = "/etc/ssh/ssh_host_ed25519_key";
/// How long a refused sign-in takes, whatever it was.
const REJECTION: Duration = Duration::from_millis(50);
/// A silent client is asked whether it is there, and given up after three times.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// The values of a keyword in the server's configuration, in the order of its files.
fn configured(disk: &Disk, keyword: &str) -> Vec<String> {
    let mut found = Vec::new();
    for name in disk.list(CONFIG_FOLDER) {
        if !name.ends_with(".conf") {
            continue;
        }
        for line in disk.read(&format!("{CONFIG_FOLDER}/{name}")).unwrap_or_default().lines() {
            let mut words = line.split_whitespace();
            if words.next().is_some_and(|word| word.eq_ignore_ascii_case(keyword)) {
                found.extend(words.next().map(|word| word.trim_matches('"').to_owned()));
            }
        }
    }
    found
}

/// A machine whose user-data brings no host key makes one at its first boot.
pub(super) fn ensure_host_key(disk: &Disk) -> io::Result<()> {
    if disk.at(HOST_KEY).exists() || configured(disk, "HostKey").iter().any(|k| disk.at(k).exists())
    {
        return Ok(());
    }
    new_host_key(disk, HOST_KEY)
}

/// Makes a host key.
pub(super) fn new_host_key(disk: &Disk, name: &str) -> io::Result<()> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    disk.write(name, &text)?;
    disk.write(&format!("{name}.pub"), &key.public_key().to_openssh().map_err(io::Error::other)?)
}

/// The configuration of the next connection.
pub(super) fn server(disk: &Disk) -> Result<Config, russh::Error> {
    let mut names = configured(disk, "HostKey");
    if names.is_empty() {
        names.push(HOST_KEY.to_owned());
    }
    let read = |name: &String| {
        let text = disk.read(name).ok()?;
        PrivateKey::from_openssh(text).ok()
    };
    let keys: Vec<PrivateKey> = names.iter().filter_map(read).collect();
    if keys.is_empty() {
        // As sshd does: without a host key it serves nobody.
        return Err(russh::Error::NoCommonAlgo {
            kind: russh::AlgorithmKind::Key,
            ours: Vec::new(),
            theirs: Vec::new(),
        });
    }
    let certificate = |name: &String| Certificate::from_openssh(disk.read(name).ok()?.trim()).ok();
    Ok(Config {
        methods: MethodSet::from(&[MethodKind::PublicKey][..]),
        auth_rejection_time: REJECTION,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys,
        certificates: configured(disk, "HostCertificate").iter().filter_map(certificate).collect(),
        inactivity_timeout: None,
        keepalive_interval: Some(KEEPALIVE),
        nodelay: true,
        ..Config::default()
    })
}

/// Whether the key's owner may sign in.
pub(super) fn is_authorized(disk: &Disk, user: &str, key: &PublicKey) -> bool {
    let text = disk.read(&format!("/home/{user}/.ssh/authorized_keys")).unwrap_or_default();
    let keys = text.lines().filter_map(|line| PublicKey::from_openssh(line.trim()).ok());
    keys.into_iter().any(|known| known.key_data() == key.key_data())
}

/// Why a certificate does not open the machine, if so. Its signature was checked, and its time by
/// this computer's clock; the machine's is off by `clock` seconds.
pub(super) fn certificate_fault(
    disk: &Disk,
    user: &str,
    certificate: &Certificate,
    clock: i64,
) -> Option<String> {
    let now = super::install::now().as_second().saturating_add(clock).max(0).unsigned_abs();
    if !(certificate.valid_after()..certificate.valid_before()).contains(&now) {
        return Some("it is not valid at the time of this machine's clock".to_owned());
    }
    let authorities: Vec<PublicKey> = configured(disk, "TrustedUserCAKeys")
        .iter()
        .flat_map(|name| {
            let text = disk.read(name).unwrap_or_default();
            text.lines().filter_map(|line| PublicKey::from_openssh(line).ok()).collect::<Vec<_>>()
        })
        .collect();
    let print = |key: &PublicKey| key.fingerprint(HashAlg::Sha256);
    let prints: Vec<_> = authorities.iter().map(print).collect();
    let signer = certificate.signature_key().fingerprint(HashAlg::Sha256);
    if !prints.contains(&signer) {
        return Some("it is signed by nobody this machine trusts".to_owned());
    }
    if !certificate.cert_type().is_user() {
        return Some("it is a host's certificate".to_owned());
    }
    if !certificate.valid_principals().iter().any(|name| name == user) {
        return Some(format!("it is not for {user}"));
    }
    if let Some((name, _)) = certificate.critical_options().iter().next() {
        return Some(format!("it has the critical option {name}, which is not known here"));
    }
    None
}
