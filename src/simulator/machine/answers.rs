//! What a simulated machine answers in place of programs it does not have.
//!
//! A machine without a sandbox runs nothing. So that it can still be installed, identified and
//! looked at, it recognises the scripts a management server sends to `sudo -n /bin/sh -s -- NAME`
//! by their name, and does what they are for.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{Isolation, Machine, counters, install, trust};

const OWN_HOST_KEY: &str = "/etc/ssh/devpocket_host_ed25519_key";
const OWN_CONFIG: &str = "/etc/ssh/sshd_config.d/05-devpocket-identity.conf";
/// Bytes of a log that are answered at once.
const LOG_CHUNK: usize = 128 * 1024;

type Answer = (String, u32);

/// What is answered whether there is a sandbox or not: the installation itself is not real, and what
/// a sandbox shows of memory, disks and processors is this computer's.
pub(super) fn stands_in(machine: &Machine, command: &str) -> Option<Answer> {
    if command.contains("/usr/local/lib/devpocket/install check") {
        return Some((checked(machine), 0));
    }
    if command.ends_with("/bin/sh -s -- devpocket-sample") {
        return Some((counters::told(machine), 0));
    }
    if command.contains("systemctl restart devpocket-install") {
        let _ = machine.disk.write(install::RESUME, "");
        return Some((String::new(), 0));
    }
    None
}

/// What a machine without a sandbox answers beside its built-in commands.
pub(super) fn answer(machine: &Machine, command: &str, input: &str) -> Option<Answer> {
    debug_assert!(matches!(machine.boot.isolation, Isolation::BuiltIn(_)));
    if command.starts_with("cloud-init status") {
        return Some((machine.disk.read(install::STATUS).unwrap_or_default(), 0));
    }
    let (_, words) = command.split_once("/bin/sh -s -- devpocket-")?;
    let mut words = words.split_whitespace();
    let answered = match words.next()? {
        "host-key" => host_key(machine),
        "certify" => certify(machine, input),
        "look" => Ok(look(machine, &words.collect::<Vec<_>>())),
        "configure" => Ok(String::new()),
        other => Err(format!("{other}: not known to the simulated machine")),
    };
    Some(match answered {
        Ok(text) => (text, 0),
        Err(why) => (format!("{why}\n"), 1),
    })
}

/// The check of whatever the installation was about: all of it is there.
fn checked(machine: &Machine) -> String {
    let tools: serde_json::Map<String, Value> = machine
        .boot
        .tools
        .iter()
        .map(|tool| (tool.clone(), json!({"ok": true, "version": "simulated"})))
        .collect();
    format!("{}\n", json!({"version": 1, "tools": tools}))
}

fn host_key(machine: &Machine) -> Result<String, String> {
    let public = || machine.disk.read(&format!("{OWN_HOST_KEY}.pub")).ok();
    if let Some(public) = public() {
        return Ok(public);
    }
    trust::new_host_key(&machine.disk, OWN_HOST_KEY).map_err(|error| error.to_string())?;
    public().ok_or_else(|| "the key was not kept".to_owned())
}

/// Takes the certified key in place of the one it was installed with.
fn certify(machine: &Machine, input: &str) -> Result<String, String> {
    let quoted =
        |line: &str| Some(line.strip_prefix("CERTIFICATE='")?.strip_suffix('\'')?.to_owned());
    let certificate = input.lines().find_map(quoted).ok_or("no certificate was sent")?;
    let disk = &machine.disk;
    let kept = disk
        .write(&format!("{OWN_HOST_KEY}-cert.pub"), &format!("{certificate}\n"))
        .and_then(|()| {
            let lines =
                format!("HostKey {OWN_HOST_KEY}\nHostCertificate {OWN_HOST_KEY}-cert.pub\n");
            disk.write(OWN_CONFIG, &lines)
        });
    kept.map_err(|error| error.to_string())?;
    for name in [trust::HOST_KEY.to_owned(), format!("{}.pub", trust::HOST_KEY)] {
        let _ = std::fs::remove_file(disk.at(&name));
    }
    Ok(String::new())
}

/// Sections of `== NAME CODE BYTES`, each followed by its bytes. The arguments are logs, each with
/// the offset from which it is wanted.
fn look(machine: &Machine, logs: &[&str]) -> String {
    let mut text = String::new();
    let mut section = |name: &str, found: Option<&str>| {
        let (code, body) = found.map_or((1, ""), |body| (0, body));
        let _ = write!(text, "== {name} {code} {}\n{body}", body.len());
    };
    section("cloud-init", machine.disk.read(install::STATUS).ok().as_deref());
    section("progress", machine.disk.read(install::PROGRESS).ok().as_deref());
    for log in logs {
        let Some((path, offset)) = log.rsplit_once(':') else { continue };
        let whole = machine.disk.read(path).unwrap_or_default();
        let from = offset.parse().ok().filter(|from| *from <= whole.len()).unwrap_or(0);
        let rest = whole.get(from..).unwrap_or_default();
        let end = (0..=rest.len().min(LOG_CHUNK)).rev().find(|end| rest.is_char_boundary(*end));
        section(&format!("{path}:{from}"), Some(&rest[..end.unwrap_or(0)]));
    }
    text
}
