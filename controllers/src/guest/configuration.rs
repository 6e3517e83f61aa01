//! What a guest shall be like beyond what was installed: shell, keys, password, variables. Applied
//! over SSH, never by installing again. Pure.
//!
//! A Secret that is not there keeps back what is made from it, and nothing else: that a key is
//! taken off a machine waits for no password.

use std::collections::BTreeMap;
use std::sync::Arc;

use devpocket_specs::environment::{Environment, SecretKeyRef};
use devpocket_specs::guest::{ConfigurationFault, Configured, secret_references};
use devpocket_specs::plan::hex;
use devpocket_specs::render::{DEFAULT_SHELL, parameter_variable};
use devpocket_specs::secret::Secret;
use devpocket_specs::template::secret_parameters;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::GuestError;
use crate::runtime::Severity;

/// The machine or a value stands against it.
const NOT_CONFIGURED: &str = "NotConfigured";

/// All of it. What it says replaces what an earlier one said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Absolute path of the login shell. `None`: it is left as it is.
    pub shell: Option<String>,
    /// Public keys that sign in at the machine itself, in OpenSSH's one-line form.
    pub keys: Vec<String>,
    /// Environment variables by name. `None`: they are left as they are.
    pub variables: Option<BTreeMap<String, Value>>,
    pub password: Password,
}

/// A value, or one that only whoever has the sealing key can read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Plain(String),
    Sealed(Sealed),
}

/// What becomes of the user's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Password {
    /// It is left as it is.
    Kept,
    /// One that DevPocket set is taken away again.
    Locked,
    Set(Sealed),
}

/// A value of a Secret as the store holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    pub namespace: String,
    /// Of the Secret.
    pub name: String,
    pub key: String,
    /// Base64, or its sealed form.
    pub text: String,
}

impl std::fmt::Debug for Sealed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealed({}/{} {:?})", self.namespace, self.name, self.key)
    }
}

impl Configuration {
    /// Its sealed values.
    pub fn sealed(&self) -> impl Iterator<Item = &Sealed> {
        let variables = self.variables.iter().flat_map(|variables| variables.values());
        let variables = variables.filter_map(|value| match value {
            Value::Sealed(sealed) => Some(sealed),
            Value::Plain(_) => None,
        });
        let password = match &self.password {
            Password::Set(sealed) => Some(sealed),
            Password::Kept | Password::Locked => None,
        };
        variables.chain(password)
    }
}

/// What an environment wants its guest to be like, as far as it can be made so.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub configuration: Configuration,
    /// What is missing for the rest, each a sentence.
    pub missing: Vec<String>,
}

/// What the environment declares, with the values of these Secrets. The shell is left to the
/// installation until that is done.
pub(super) fn wanted(
    environment: &Environment,
    installed: bool,
    secret: impl Fn(&str) -> Option<Arc<Secret>>,
) -> Wanted {
    let spec = &environment.spec;
    let namespace = &environment.metadata.namespace;
    let sealed = |wanted: &SecretKeyRef| {
        let SecretKeyRef { name, key } = wanted;
        let text = secret(name)?.data.get(key)?.clone();
        let (namespace, name, key) = (namespace.clone(), name.clone(), key.clone());
        Some(Sealed { namespace, name, key, text })
    };
    let plain = spec.env.iter().filter(|variable| variable.value_from.is_none()).map(|variable| {
        let value = variable.value.clone().unwrap_or_default();
        Some((variable.name.clone(), Value::Plain(value)))
    });
    let from_secrets = spec.env.iter().filter_map(|variable| {
        let from = variable.value_from.as_ref()?;
        let value = sealed(&from.secret_key_ref).map(Value::Sealed);
        Some(value.map(|value| (variable.name.clone(), value)))
    });
    let parameters = secret_parameters(spec).filter_map(|(name, from)| {
        let name = parameter_variable(name)?;
        Some(sealed(&from).map(|value| (name, Value::Sealed(value))))
    });
    let configuration = Configuration {
        shell: installed
            .then(|| spec.user.shell.clone().unwrap_or_else(|| DEFAULT_SHELL.to_owned())),
        keys: if spec.user.direct_ssh { spec.user.keys.clone() } else { Vec::new() },
        variables: plain.chain(from_secrets).chain(parameters).collect(),
        password: match &spec.user.password_secret {
            None => Password::Locked,
            Some(from) => sealed(from).map_or(Password::Kept, Password::Set),
        },
    };
    let missing = secret_references(spec).into_iter();
    let missing = missing.filter_map(|(field, SecretKeyRef { name, key })| {
        let what = match secret(&name) {
            None => format!("there is no Secret \"{name}\" in namespace {namespace}"),
            Some(secret) if !secret.data.contains_key(&key) => {
                format!("the Secret \"{name}\" has no key \"{key}\"")
            }
            Some(_) => return None,
        };
        Some(format!("{what}, which {field} names"))
    });
    let missing = missing.collect();
    Wanted { configuration, missing }
}

impl Wanted {
    /// By what it is known whether all of it was sent. Of sealed values it covers the sealed text:
    /// one that is sealed anew counts as another one.
    pub fn digest(&self, declared: &str) -> String {
        let mut hash = Sha256::new();
        let mut add = |part: &str| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        };
        add(declared);
        for Sealed { name, key, text, .. } in self.configuration.sealed() {
            for part in [name, key, text] {
                add(part);
            }
        }
        self.missing.iter().for_each(|part| add(part));
        hex(&hash.finalize())
    }

    /// What stands against it after it was sent, if anything.
    pub fn fault(&self, sent: Result<(), GuestError>) -> Option<ConfigurationFault> {
        let missing = || {
            let missing = self.missing.join("; ");
            format!(
                "{missing}. Create it, or take the reference out of the environment; what is made \
                 from it stays on the machine as it is, everything else is applied"
            )
        };
        let (reason, message) = match (sent, self.missing.is_empty()) {
            (Err(error), _) => (NOT_CONFIGURED, error.to_string()),
            (Ok(()), false) => ("SecretMissing", missing()),
            (Ok(()), true) => return None,
        };
        Some(ConfigurationFault { reason: reason.to_owned(), message })
    }
}

/// What stands against it while a value does not open.
pub(super) fn shut(error: &GuestError) -> ConfigurationFault {
    let message = format!(
        "{error}. Write the Secret again, or have an admin bring its sealing key back; until then \
         nothing of it is changed on the machine, and lines of the installation that were not \
         kept yet wait there"
    );
    ConfigurationFault { reason: NOT_CONFIGURED.to_owned(), message }
}

/// Whether it would be sent again for nothing.
pub(super) fn is_done(known: &Configured, sent: &str, whole: bool) -> bool {
    let tried = known.sent == sent && known.whole == whole;
    // What the machine had against it is tried again; a Secret that comes makes another digest.
    tried && known.fault.as_ref().is_none_or(|fault| fault.reason == "SecretMissing")
}

/// Since when it is so.
pub(super) fn since(before: Option<&Configured>, next: &Configured) -> Timestamp {
    let same = before.filter(|known| (&known.sent, &known.fault) == (&next.sent, &next.fault));
    same.map_or(next.at, |known| known.at)
}

/// What of it is worth an event: what went wrong, that it is over, and that something that was
/// changed is on the machine. That a new machine gets what was declared is no news.
pub(super) fn news(
    before: Option<&Configured>,
    next: Option<&Configured>,
) -> Option<(Severity, &'static str, String)> {
    let next = next?;
    let fault = before.and_then(|before| before.fault.as_ref());
    match &next.fault {
        Some(now) if fault != Some(now) => {
            let text = format!("user and variables are not all on the machine: {}", now.message);
            Some((Severity::Warning, "GuestNotConfigured", text))
        }
        Some(_) => None,
        None => {
            let changed = before.is_some_and(|before| before.sent != next.sent);
            let text = "shell, keys, password and variables are on the machine as declared";
            (changed || fault.is_some()).then(|| (Severity::Normal, "GuestConfigured", text.into()))
        }
    }
}

/// Whether an environment's guest is given anything of the Secret of this name.
pub(crate) fn needs(environment: &Environment, name: &str) -> bool {
    secret_references(&environment.spec).iter().any(|(_, secret)| secret.name == name)
}

#[cfg(test)]
mod tests;
