//! Cloud-init user-data: what a machine does on its first boot.
//!
//! # Guarantees
//! - The same input gives the same bytes, and their digest names them: it is part of an order and
//!   of an approval, and a call is refused when the digest is another one than was approved.
//! - No secret is rendered. A value that comes from a secret is [`Variable::Secret`], which has no
//!   value to render; [`Rendered::omitted`] names those for the guest to set later, over a
//!   verified connection. User-data stays readable on the machine and at the provider.
//! - No text of people can become YAML or shell: the document is serialised, the plan is JSON, and
//!   the file of variables is quoted by one function ([`shell_quote`]). What is bash is what the
//!   template says is bash.
//! - The result is at most [`MAX_USER_DATA_BYTES`].
//!
//! The display name is left out on purpose: it can change at any time, and then what was approved
//! and what would be rendered would differ in nothing that matters.
//!
//! # What happens on the machine
//! The user `dev` is made (locked password, `sudo` without one), root and passwords are shut out of
//! SSH, certificates of the bridge's authority are trusted. A service (`devpocket-install`) runs
//! the installer, a constant program, over a plan, which is data ([`plan`]): the steps every machine
//! gets (clock, packages, user, firewall, security updates), then the template's. It says how far
//! it is in [`PROGRESS_PATH`](crate::install) and goes on after a reboot. The commands cloud-init
//! runs wait for it and leave its failure to that file, so that what cloud-init calls an error is
//! cloud-init's own.
//!
//! # Caveats
//! Variables are set by `/etc/profile.d`, so by login shells that read it; zsh and fish are made to.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

mod cloud_config;
mod files;
mod library;
mod plan;
mod quote;

pub use library::{DEFAULT_TIMEOUT, DEFAULT_TRIES, LIBRARY, ShippedStep, shipped_step};
pub use plan::{PlannedStep, planned_steps};
pub use quote::{is_variable_name, shell_quote};

use cloud_config::{CloudConfig, File, HostKeys, Keys, User};

use crate::template::{TemplateStep, ToolCheck};

/// The largest user-data that is sent. Contabo documents no limit; another client of its API keeps
/// to this one.
pub const MAX_USER_DATA_BYTES: usize = 32 * 1024;

/// The longest public key that is accepted, in bytes. RSA keys of 16384 bits have 2.8 kB.
pub const MAX_KEY_BYTES: usize = 8 * 1024;

/// The comment of keys DevPocket puts into `authorized_keys`: by it they are known and taken out
/// again. Lines with another one are the user's own.
pub const OUR_KEYS: &str = "devpocket";

/// The user on every machine.
pub const USER: &str = "dev";

/// The shell a user gets that chose none.
pub const DEFAULT_SHELL: &str = "/bin/bash";

pub use crate::install::{INSTALL_LOG_PATH, PROGRESS_PATH};

/// Where the installer's plan is on the machine.
pub const PLAN_PATH: &str = "/usr/local/lib/devpocket/plan.json";

/// Where the public key of the authority is that signs the bridge's certificates.
pub const USER_CA_PATH: &str = "/etc/ssh/devpocket_user_ca.pub";

const INSTALL_PATH: &str = "/usr/local/lib/devpocket/install";
const PRELUDE_PATH: &str = "/usr/local/lib/devpocket/prelude.sh";
const UNIT_PATH: &str = "/etc/systemd/system/devpocket-install.service";
const FACTS_PATH: &str = "/etc/devpocket/environment.json";
const VARIABLES_PATH: &str = "/etc/profile.d/devpocket.sh";
const SSHD_PATH: &str = "/etc/ssh/sshd_config.d/10-devpocket.conf";
const SSHD: &str = "# By DevPocket: people sign in as dev, with a key.\n\
    PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n";

/// The installer.
const INSTALL: &str = include_str!("machine/install.py");
/// What the steps share: goes before each, under `set -euo pipefail`.
pub const PRELUDE: &str = include_str!("machine/prelude.sh");
const UNIT: &str = include_str!("machine/devpocket-install.service");

/// What the steps' variables for parameters begin with.
pub const PARAMETER_PREFIX: &str = "DEVPOCKET_PARAMETER_";

/// Room kept for a host key in user-data that is rendered without one, so that what was planned can
/// also be sent.
const HOST_KEY_BYTES: usize = 768;

/// Types of public keys that OpenSSH writes.
const KEY_TYPES: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// All that user-data depends on.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RenderInput {
    /// Namespace of the environment, a DNS label.
    pub namespace: String,
    /// `metadata.name` of the environment, a DNS label; the machine's host name.
    pub name: String,
    /// Absolute path of the login shell; [`DEFAULT_SHELL`] if empty.
    pub shell: String,
    /// Public keys that may sign in directly, in OpenSSH's one-line form. Comments are dropped.
    pub authorized_keys: Vec<String>,
    /// Environment variables of the user, by name.
    pub variables: BTreeMap<String, Variable>,
    /// The template, if there is one.
    pub template: Option<TemplateUse>,
    /// Name of the image, to be noted on the machine.
    pub image: String,
    /// Packages of the distribution, each a name or `name=version`.
    pub packages: Vec<String>,
    /// Steps of the template, in order.
    pub steps: Vec<TemplateStep>,
    /// TCP ports open to everybody, beside SSH's.
    pub ports: Vec<u16>,
    /// How tools are asked for their versions.
    pub checks: Vec<ToolCheck>,
    /// Public key of the authority whose certificates sign in as `dev`, in OpenSSH's one-line form.
    pub user_ca: Option<String>,
    /// The key the machine shows at first contact. The one secret in user-data, good for that one
    /// contact; it is left out of [`Rendered::digest`].
    pub host_key: Option<HostKey>,
}

/// A host key for the first contact.
#[derive(Clone, PartialEq, Eq)]
pub struct HostKey {
    /// OpenSSH's private key format, Ed25519.
    pub private: String,
    /// OpenSSH's one-line form.
    pub public: String,
}

impl std::fmt::Debug for HostKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HostKey").field("public", &self.public).finish_non_exhaustive()
    }
}

impl RenderInput {
    /// What is installed, in two words: `python@3`, or the image's name.
    #[must_use]
    pub fn software(&self) -> String {
        match &self.template {
            Some(template) => format!("{}@{}", template.name, template.version),
            None => self.image.clone(),
        }
    }
}

/// The value of an environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Variable {
    Plain(String),
    /// It comes from a secret, and is never rendered.
    Secret,
}

/// Which template is rendered, and with what.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TemplateUse {
    pub name: String,
    pub version: String,
    /// Values by name; the steps find each in the variable [`parameter_variable`] names.
    pub parameters: BTreeMap<String, Value>,
}

/// User-data, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub user_data: String,
    /// SHA-256 in lower-case hex of `user_data` without the host key, which is made anew for each
    /// installation: what was approved stays the same.
    pub digest: String,
    /// Variables that were left out because they come from secrets, in order.
    pub omitted: Vec<String>,
}

/// Why nothing was rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    #[error("user-data would be {bytes} bytes; at most {MAX_USER_DATA_BYTES} are sent")]
    TooLarge { bytes: usize },
    #[error("{name:?} is not a DNS label, so it cannot be a host name")]
    Name { name: String },
    #[error("{shell:?} is not an absolute path of letters, digits, -, _, . and /")]
    Shell { shell: String },
    /// The key itself is not shown: it might be a private one.
    #[error("key {index} is not a public key in OpenSSH's one-line form")]
    Key { index: usize },
    #[error("{name:?} is not a name an environment variable can have")]
    VariableName { name: String },
    #[error("step {step:?} cannot be rendered: {found}")]
    Step { step: String, found: String },
    #[error("two steps have the name {step:?}; every step has one of its own")]
    StepTwice { step: String },
    #[error("the key of the user authority is not a public key in OpenSSH's one-line form")]
    UserCa,
    #[error("the host key is not an Ed25519 key in OpenSSH's form")]
    HostKey,
    #[error("{name:?} is not a name a parameter can have, or is one twice but for spelling")]
    ParameterName { name: String },
    #[error("{package:?} is not a name of a package")]
    Package { package: String },
    #[error("step {step:?} names no program: what it runs begins with {found:?}")]
    Program { step: String, found: String },
    #[error("{place} contains a NUL character")]
    Nul { place: String },
    #[error("user-data could not be written: {0}")]
    Yaml(String),
}

/// Renders user-data.
///
/// # Errors
/// The first thing in `input` that cannot be rendered safely, or a result that is too large.
pub fn render(input: &RenderInput) -> Result<Rendered, RenderError> {
    check_packages(input)?;
    let (variables, omitted) = files::variables(input)?;
    let config = CloudConfig {
        fqdn: fqdn(input)?,
        manage_etc_hosts: "localhost",
        users: vec![User {
            name: USER,
            gecos: "DevPocket",
            shell: DEFAULT_SHELL,
            sudo: "ALL=(ALL) NOPASSWD:ALL",
            lock_passwd: true,
            ssh_authorized_keys: keys(input)?,
        }],
        disable_root: true,
        ssh_pwauth: false,
        write_files: write_files(input, variables)?,
        // A failed installation is told by the progress file: `|| :` keeps it out of cloud-init's
        // own state.
        runcmd: vec![
            vec!["systemctl", "daemon-reload"],
            vec!["systemctl", "enable", "devpocket-install.service"],
            vec!["sh", "-c", "systemctl start devpocket-install.service || :"],
        ],
    };
    let yaml = serde_yaml::to_string(&config).map_err(|e| RenderError::Yaml(e.to_string()))?;
    let mut user_data = format!("#cloud-config\n{yaml}");
    let digest = hex_digest(user_data.as_bytes());
    let bytes = match &input.host_key {
        Some(key) => {
            user_data.push_str(&host_keys(key)?);
            user_data.len()
        }
        None => user_data.len() + HOST_KEY_BYTES,
    };
    if bytes > MAX_USER_DATA_BYTES {
        return Err(RenderError::TooLarge { bytes });
    }
    Ok(Rendered { user_data, digest, omitted })
}

fn write_files(input: &RenderInput, variables: String) -> Result<Vec<File>, RenderError> {
    let (plan, steps) = plan::plan(input)?;
    let mut sshd = SSHD.to_owned();
    let mut all = vec![
        File::new(PROGRESS_PATH, "0644", files::first_progress(&hex_digest(plan.as_bytes()))),
        File::new(FACTS_PATH, "0644", files::facts(input)),
        File::packed(VARIABLES_PATH, "0644", variables),
        File::packed(INSTALL_PATH, "0755", INSTALL),
        File::packed(PRELUDE_PATH, "0644", PRELUDE),
        File::packed(UNIT_PATH, "0644", UNIT),
        File::packed(PLAN_PATH, "0644", plan),
    ];
    all.extend(steps);
    if let Some(line) = &input.user_ca {
        let key = public_key(line).ok_or(RenderError::UserCa)?;
        sshd.push_str(&format!("TrustedUserCAKeys {USER_CA_PATH}\n"));
        all.push(File::new(USER_CA_PATH, "0644", format!("{key}\n")));
    }
    all.push(File::new(SSHD_PATH, "0644", sshd));
    Ok(all)
}

/// The members of the document that make the machine show this key and no other.
fn host_keys(key: &HostKey) -> Result<String, RenderError> {
    let public = public_key(&key.public).filter(|key| key.starts_with("ssh-ed25519 "));
    let line = |line: &str| line.bytes().all(|b| (b' '..=b'~').contains(&b));
    let private = key.private.trim_end();
    let openssh = private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        && private.ends_with("\n-----END OPENSSH PRIVATE KEY-----")
        && private.lines().all(line);
    let (Some(public), true) = (public, openssh) else { return Err(RenderError::HostKey) };
    let keys = HostKeys {
        ssh_deletekeys: true,
        ssh_keys: Keys { ed25519_private: &format!("{private}\n"), ed25519_public: &public },
    };
    serde_yaml::to_string(&keys).map_err(|e| RenderError::Yaml(e.to_string()))
}

fn hex_digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The variable in which the steps of a template find a parameter: `node-version` is in
/// `DEVPOCKET_PARAMETER_NODE_VERSION`. `None` for names that make no variable.
#[must_use]
pub fn parameter_variable(name: &str) -> Option<String> {
    let upper = name.to_ascii_uppercase().replace('-', "_");
    is_variable_name(&upper).then(|| format!("{PARAMETER_PREFIX}{upper}"))
}

fn check_packages(input: &RenderInput) -> Result<(), RenderError> {
    for package in &input.packages {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.:~=_".contains(&b);
        // A leading dash would be an option of the package manager.
        let first = package.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !first || !package.bytes().all(allowed) {
            return Err(RenderError::Package { package: package.clone() });
        }
    }
    Ok(())
}

/// cloud-init takes the part before the first dot as host name.
fn fqdn(input: &RenderInput) -> Result<String, RenderError> {
    let label = |name: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        (1..=63).contains(&name.len())
            && name.bytes().all(allowed)
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    for name in [&input.name, &input.namespace] {
        if !label(name) {
            return Err(RenderError::Name { name: name.clone() });
        }
    }
    Ok(format!("{}.{}.devpocket.internal", input.name, input.namespace))
}

fn shell(input: &RenderInput) -> Result<String, RenderError> {
    if input.shell.is_empty() {
        return Ok(DEFAULT_SHELL.to_owned());
    }
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    if !input.shell.starts_with('/') || !input.shell.bytes().all(allowed) {
        return Err(RenderError::Shell { shell: input.shell.clone() });
    }
    Ok(input.shell.clone())
}

fn keys(input: &RenderInput) -> Result<Vec<String>, RenderError> {
    let key =
        |(index, line): (usize, &String)| authorized_key(line).ok_or(RenderError::Key { index });
    input.authorized_keys.iter().enumerate().map(key).collect()
}

/// A line of `authorized_keys`, with [`OUR_KEYS`] behind it. `None` if it is no public key.
#[must_use]
pub fn authorized_key(line: &str) -> Option<String> {
    public_key(line).map(|key| format!("{key} {OUR_KEYS}"))
}

/// Type and key only: options before them could run commands, comments name people.
fn public_key(line: &str) -> Option<String> {
    let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
    let (kind, key) = (words.next()?, words.next()?);
    let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
    let one_line = line.len() <= MAX_KEY_BYTES && !line.trim_end().contains(['\n', '\r']);
    if !one_line || !KEY_TYPES.contains(&kind) || !key.trim_end().bytes().all(base64) {
        return None;
    }
    Some(format!("{kind} {}", key.trim_end()))
}

#[cfg(test)]
mod tests;
