//! Contexts: which servers this person talks to, and with which token. `devpocket up` writes one
//! named `local`; `devpocket login` writes others. One file, readable by its owner only.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use serde::{Deserialize, Serialize};

use crate::contabo::Sensitive;

/// Names the file.
pub const VARIABLE: &str = "DEVPOCKET_CONFIG";
/// The context `devpocket up` writes.
pub const LOCAL: &str = "local";
/// The namespace commands use when none is named.
pub const DEFAULT_NAMESPACE: &str = "main";

/// One server and how to sign in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Base address, such as `http://127.0.0.1:8000`.
    pub server: String,
    pub token: Sensitive,
    /// Leads to the next token when this one has run out; of those who signed in with a password,
    /// not of API tokens.
    pub refresh: Option<Sensitive>,
    pub namespace: String,
    /// Certificates to trust for `https` beside those of the system, as PEM.
    pub authority: Option<String>,
}

/// All contexts, and which one is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contexts {
    pub current: Option<String>,
    pub contexts: BTreeMap<String, Context>,
    /// Where the simulator that `devpocket up` started is steered.
    pub simulator: Option<String>,
}

/// The file as it is written.
#[derive(Serialize, Deserialize, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct File {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current_context: Option<String>,
    #[serde(default)]
    contexts: BTreeMap<String, Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    simulator: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    server: String,
    token: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    #[serde(default = "default_namespace")]
    namespace: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    certificate_authority: Option<String>,
}

fn default_namespace() -> String {
    DEFAULT_NAMESPACE.into()
}

#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    #[error("there is no folder for settings: set HOME, or {VARIABLE} to a file")]
    NoFolder,
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} holds a token and can be read by others; run: chmod 600 {path}")]
    Open { path: PathBuf },
    // The parser's text may quote the file, which holds tokens.
    #[error("{path} is not a contexts file{}", at(.line))]
    Format { path: PathBuf, line: Option<usize> },
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
}

fn at(line: &Option<usize>) -> String {
    line.map_or_else(String::new, |line| format!(" (line {line})"))
}

/// Where the file is: `DEVPOCKET_CONFIG`, or `devpocket/config.yaml` in the settings folder.
pub fn path() -> Result<PathBuf, ContextError> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(file) = set(VARIABLE) {
        return Ok(file);
    }
    let folder = set("XDG_CONFIG_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".config")))
        .ok_or(ContextError::NoFolder)?;
    Ok(folder.join("devpocket").join("config.yaml"))
}

impl Contexts {
    /// Reads the file; there being none is no error.
    pub fn load(path: &Path) -> Result<Contexts, ContextError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Contexts::default()),
            Err(source) => return Err(ContextError::Read { path: path.to_owned(), source }),
        };
        let open = fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
        if open {
            return Err(ContextError::Open { path: path.to_owned() });
        }
        let file: File = serde_yaml::from_str(&text).map_err(|error| ContextError::Format {
            path: path.to_owned(),
            line: error.location().map(|at| at.line()),
        })?;
        let contexts = file.contexts.into_iter().map(|(name, entry)| {
            let token = Sensitive::new(entry.token);
            let context = Context {
                server: entry.server,
                token,
                refresh: entry.refresh_token.map(Sensitive::new),
                namespace: entry.namespace,
                authority: entry.certificate_authority,
            };
            (name, context)
        });
        Ok(Contexts {
            current: file.current_context,
            contexts: contexts.collect(),
            simulator: file.simulator,
        })
    }

    /// Writes the file, private, by renaming: a reader sees the old file or the new one.
    pub fn save(&self, path: &Path) -> Result<(), ContextError> {
        let file = File {
            current_context: self.current.clone(),
            contexts: self
                .contexts
                .iter()
                .map(|(name, context)| {
                    let entry = Entry {
                        server: context.server.clone(),
                        token: context.token.reveal().to_owned(),
                        refresh_token: context.refresh.as_ref().map(|t| t.reveal().to_owned()),
                        namespace: context.namespace.clone(),
                        certificate_authority: context.authority.clone(),
                    };
                    (name.clone(), entry)
                })
                .collect(),
            simulator: self.simulator.clone(),
        };
        let text = serde_yaml::to_string(&file).expect("a map of texts is always YAML");
        write_private(path, text.as_bytes())
            .map_err(|source| ContextError::Write { path: path.to_owned(), source })
    }

    /// The context of this name, or the current one.
    pub fn pick(&self, name: Option<&str>) -> Option<(&str, &Context)> {
        let name = name.or(self.current.as_deref())?;
        self.contexts.get_key_value(name).map(|(name, context)| (name.as_str(), context))
    }
}

/// Writes a file that only its owner can read, whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let _ = fs::remove_file(&fresh);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Contexts {
        let context = Context {
            server: "http://127.0.0.1:8000".into(),
            token: Sensitive::new("t0ken"),
            refresh: Some(Sensitive::new("r3fresh")),
            namespace: "main".into(),
            authority: Some("-----BEGIN CERTIFICATE-----\n".into()),
        };
        Contexts {
            current: Some("local".into()),
            contexts: [("local".into(), context)].into(),
            simulator: Some("http://127.0.0.1:8002".into()),
        }
    }

    #[test]
    fn what_is_saved_is_loaded_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devpocket/config.yaml");
        sample().save(&path).unwrap();
        assert_eq!(Contexts::load(&path).unwrap(), sample());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_file_others_can_read_is_refused_with_the_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        sample().save(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let error = Contexts::load(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }

    #[test]
    fn a_broken_file_is_named_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.yaml");
        write_private(&path, b"contexts:\n  a: {server: x, token: t0ken, oops: 1}\n").unwrap();
        let error = Contexts::load(&path).unwrap_err().to_string();
        assert!(error.contains("line") && !error.contains("t0ken"), "{error}");
    }
}
