//! Cloud-init user-data: what a machine does on its first boot.
//!
//! # Guarantees
//! - The same input gives the same bytes, and their digest names them: it is part of an order and
//!   of an approval, and a call is refused when the digest is another one than was approved.
//! - No secret is rendered. A value that comes from a secret is [`Variable::Secret`], which has no
//!   value to render; [`Rendered::omitted`] names those for the guest to set later, over a
//!   verified connection. User-data stays readable on the machine and at the provider.
//! - No text of people can become YAML or shell: the document is serialised, files are quoted by
//!   one function ([`shell_quote`]).
//! - The result is at most [`MAX_USER_DATA_BYTES`].
//!
//! The display name is left out on purpose: it can change at any time, and then what was approved
//! and what would be rendered would differ in nothing that matters.
//!
//! # What happens on the machine
//! The user `dev` is made (locked password, `sudo` without one), root and passwords are shut out of
//! SSH. `/var/lib/devpocket/progress.json` says `start` from the beginning on, then the name of
//! each step (`user`, `packages`, those of the template) with `running`, `failed` or `done`, a
//! percentage and a time; it ends with `done`. What the steps print is in
//! `/var/log/devpocket-install.log`.
//!
//! # Caveats
//! Variables are set by `/etc/profile.d`, so by login shells that read it (bash, dash, ksh).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sha2::{Digest, Sha256};

mod cloud_config;
mod quote;
mod script;

pub use quote::{is_variable_name, shell_quote};
pub use script::parameter_variable;

use cloud_config::{CloudConfig, File, User};

/// The largest user-data that is sent. Contabo documents no limit; another client of its API keeps
/// to this one.
pub const MAX_USER_DATA_BYTES: usize = 32 * 1024;

/// The longest public key that is accepted, in bytes. RSA keys of 16384 bits have 2.8 kB.
pub const MAX_KEY_BYTES: usize = 8 * 1024;

/// The user on every machine.
pub const USER: &str = "dev";

/// The shell a user gets that chose none.
pub const DEFAULT_SHELL: &str = "/bin/bash";

pub use crate::install::{INSTALL_LOG_PATH, PROGRESS_PATH};

const INSTALL_PATH: &str = "/usr/local/lib/devpocket/install";
const FACTS_PATH: &str = "/etc/devpocket/environment.json";
const VARIABLES_PATH: &str = "/etc/profile.d/devpocket.sh";
const SSHD_PATH: &str = "/etc/ssh/sshd_config.d/10-devpocket.conf";
const SSHD: &str = "# By DevPocket: people sign in as dev, with a key.\n\
    PermitRootLogin no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n";

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
    /// Commands run as root, in order.
    pub steps: Vec<Step>,
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

/// A step of an installation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Shown in progress.
    pub name: String,
    /// Program and arguments; never a shell line.
    pub run: Vec<String>,
}

/// User-data, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    pub user_data: String,
    /// SHA-256 of `user_data`, in lower-case hex.
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
    check(input)?;
    let (variables, omitted) = script::variables(input)?;
    let config = CloudConfig {
        fqdn: fqdn(input)?,
        manage_etc_hosts: "localhost",
        users: vec![User {
            name: USER,
            gecos: "DevPocket",
            shell: shell(input)?,
            sudo: "ALL=(ALL) NOPASSWD:ALL",
            lock_passwd: true,
            ssh_authorized_keys: keys(input)?,
        }],
        disable_root: true,
        ssh_pwauth: false,
        write_files: vec![
            File::new(PROGRESS_PATH, "0644", script::first_progress()),
            File::new(SSHD_PATH, "0644", SSHD.to_owned()),
            File::new(FACTS_PATH, "0644", script::facts(input)),
            File::new(VARIABLES_PATH, "0644", variables),
            File::new(INSTALL_PATH, "0700", script::install(input)?),
        ],
        runcmd: vec![vec!["/bin/sh", INSTALL_PATH]],
    };
    let yaml = serde_yaml::to_string(&config).map_err(|e| RenderError::Yaml(e.to_string()))?;
    let user_data = format!("#cloud-config\n{yaml}");
    if user_data.len() > MAX_USER_DATA_BYTES {
        return Err(RenderError::TooLarge { bytes: user_data.len() });
    }
    let digest = Sha256::digest(user_data.as_bytes());
    let digest = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Rendered { user_data, digest, omitted })
}

fn check(input: &RenderInput) -> Result<(), RenderError> {
    for package in &input.packages {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-.:~=_".contains(&b);
        // A leading dash would be an option of the package manager.
        let first = package.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !first || !package.bytes().all(allowed) {
            return Err(RenderError::Package { package: package.clone() });
        }
    }
    for Step { name, run } in &input.steps {
        let found = run.first().cloned().unwrap_or_default();
        // `env` would take these for an option or for a variable.
        if found.is_empty() || found.starts_with('-') || found.contains('=') {
            return Err(RenderError::Program { step: name.clone(), found });
        }
    }
    let mut variables = BTreeSet::new();
    for name in input.template.iter().flat_map(|t| t.parameters.keys()) {
        if !parameter_variable(name).is_some_and(|variable| variables.insert(variable)) {
            return Err(RenderError::ParameterName { name: name.clone() });
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

/// Type and key only: options before them could run commands, comments name people.
fn keys(input: &RenderInput) -> Result<Vec<String>, RenderError> {
    let key = |(index, line): (usize, &String)| {
        let invalid = || RenderError::Key { index };
        let mut words = line.split([' ', '\t']).filter(|word| !word.is_empty());
        let (kind, key) = (words.next().ok_or_else(invalid)?, words.next().ok_or_else(invalid)?);
        let base64 = |b: u8| b.is_ascii_alphanumeric() || b"+/=".contains(&b);
        let one_line = line.len() <= MAX_KEY_BYTES && !line.trim_end().contains(['\n', '\r']);
        if !one_line || !KEY_TYPES.contains(&kind) || !key.trim_end().bytes().all(base64) {
            return Err(invalid());
        }
        Ok(format!("{kind} {}", key.trim_end()))
    };
    input.authorized_keys.iter().enumerate().map(key).collect()
}

#[cfg(test)]
mod tests;
