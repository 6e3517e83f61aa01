//! The `#cloud-config` document, as cloud-init's own schema has it.
//!
//! cloud-init reads YAML 1.1, the writer here follows 1.2: a bare `on`, `2026-01-01` or `12:30` is
//! text to one and something else to the other. So no text of people stands in the document by
//! itself. It is in the contents of files (many lines, or base64 where they have anything but
//! printable ASCII), or is of a form that is text in both: an absolute path, a key with its type,
//! a name with dots that ends in letters.

use std::borrow::Cow;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, GzBuilder};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct CloudConfig {
    pub fqdn: String,
    pub manage_etc_hosts: &'static str,
    pub users: Vec<User>,
    pub disable_root: bool,
    pub ssh_pwauth: bool,
    pub write_files: Vec<File>,
    pub runcmd: Vec<Vec<&'static str>>,
}

/// What is put behind the document when there is a host key. It is not part of the digest.
#[derive(Serialize)]
pub(super) struct HostKeys<'a> {
    pub ssh_deletekeys: bool,
    pub ssh_keys: Keys<'a>,
}

#[derive(Serialize)]
pub(super) struct Keys<'a> {
    pub ed25519_private: &'a str,
    pub ed25519_public: &'a str,
}

#[derive(Serialize)]
pub(super) struct User {
    pub name: &'static str,
    pub gecos: &'static str,
    pub shell: &'static str,
    pub sudo: &'static str,
    pub lock_passwd: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh_authorized_keys: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct File {
    path: Cow<'static, str>,
    permissions: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding: Option<&'static str>,
    content: String,
}

impl File {
    pub fn new(
        path: impl Into<Cow<'static, str>>,
        permissions: &'static str,
        content: impl Into<String>,
    ) -> Self {
        let (path, content) = (path.into(), content.into());
        let plain = |b: u8| b == b'\n' || (b' '..=b'~').contains(&b);
        if content.bytes().all(plain) && content.ends_with('\n') {
            return Self { path, permissions, encoding: None, content };
        }
        Self { path, permissions, encoding: Some("b64"), content: STANDARD.encode(content) }
    }

    /// Compressed, if that is shorter. No time or name goes in, so the same content gives the same
    /// bytes.
    pub fn packed(
        path: impl Into<Cow<'static, str>>,
        permissions: &'static str,
        content: impl Into<String>,
    ) -> Self {
        let content = content.into();
        let mut packed = GzBuilder::new().write(Vec::new(), Compression::best());
        packed.write_all(content.as_bytes()).expect("memory takes every byte");
        let packed = STANDARD.encode(packed.finish().expect("memory takes every byte"));
        if packed.len() >= content.len() {
            return Self::new(path, permissions, content);
        }
        Self { path: path.into(), permissions, encoding: Some("gz+b64"), content: packed }
    }
}
