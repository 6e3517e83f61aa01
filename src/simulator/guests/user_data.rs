//! What a `#cloud-config` asks of a machine's first boot, as far as a simulated one does it.

use std::collections::BTreeMap;
use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

use super::super::machine::InstallStep;

/// The first line cloud-init knows its own kind by.
const HEADER: &str = "#cloud-config";
/// How the paths of host keys begin.
const HOST_KEYS: &str = "/etc/ssh/ssh_host_";
/// How long a step takes on the real one, in milliseconds, where nothing says so.
const STEP_MILLIS: u64 = 30_000;
/// How long an installation of known percentages takes on the real one, in milliseconds.
const WHOLE_MILLIS: u64 = 8 * 60_000;
/// The longest file that a compressed one may become.
const UNPACKED_MAX: u64 = 4 * 1024 * 1024;
/// Steps of user-data that names none.
const USUAL_STEPS: [&str; 3] = ["user", "packages", "configuration"];

/// A machine as its user-data describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct UserData {
    pub hostname: Option<String>,
    /// The first user; who may sign in.
    pub user: Option<String>,
    pub shell: Option<String>,
    pub authorized_keys: Vec<String>,
    pub files: Vec<File>,
    pub steps: Vec<InstallStep>,
    /// What the check asks for.
    pub tools: Vec<String>,
    /// Where the plan is; without one the steps are made up.
    pub plan: Option<String>,
    /// All of it, as it was sent.
    pub text: String,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub path: String,
    pub mode: u32,
    pub content: Vec<u8>,
}

#[derive(Deserialize)]
struct Document {
    fqdn: Option<String>,
    hostname: Option<String>,
    #[serde(default)]
    users: Vec<Value>,
    #[serde(default)]
    write_files: Vec<WriteFile>,
    #[serde(default)]
    ssh_keys: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct WriteFile {
    path: String,
    #[serde(default)]
    permissions: Option<Value>,
    #[serde(default)]
    encoding: Option<String>,
    #[serde(default)]
    content: String,
}

impl UserData {
    /// Reads it. As cloud-init does, what is not understood is left out.
    pub fn read(text: &str) -> UserData {
        UserData { text: text.to_owned(), ..UserData::understood(text) }
    }

    /// As if whoever made it had made another machine: with no host keys of theirs.
    pub fn forget_host_keys(&mut self) {
        self.files.retain(|file| !file.path.starts_with(HOST_KEYS));
        if let Ok(mut document) = serde_yaml::from_str::<serde_yaml::Mapping>(&self.text)
            && document.remove("ssh_keys").is_some()
            && let Ok(text) = serde_yaml::to_string(&document)
        {
            self.text = format!("{HEADER}\n{text}");
        }
    }

    fn understood(text: &str) -> UserData {
        if !text.starts_with(HEADER) {
            return UserData::default();
        }
        let document: Document = match serde_yaml::from_str(text) {
            Ok(document) => document,
            Err(error) => {
                tracing::warn!(%error, "user-data is not understood");
                return UserData::default();
            }
        };
        let name = document.hostname.as_ref().or(document.fqdn.as_ref());
        let user = document.users.iter().find(|user| user["name"].is_string());
        let text = |field: &str| user.and_then(|user| user[field].as_str()).map(str::to_owned);
        let keys = user.and_then(|user| user["ssh_authorized_keys"].as_array());
        let keys = keys.into_iter().flatten().filter_map(|key| key.as_str().map(str::to_owned));
        let mut files: Vec<File> = document.write_files.iter().filter_map(file).collect();
        files.extend(document.ssh_keys.into_iter().filter_map(host_key));
        let plan = files.iter().find_map(plan);
        UserData {
            hostname: name.map(|name| name.split('.').next().unwrap_or(name).to_owned()),
            user: text("name"),
            shell: text("shell"),
            authorized_keys: keys.collect(),
            steps: spread(match &plan {
                Some((_, plan)) => planned(&plan.steps),
                None => scripted(&files),
            }),
            tools: plan.iter().flat_map(|(_, plan)| plan.tools()).collect(),
            plan: plan.map(|(path, _)| path),
            files,
            text: String::new(),
        }
    }
}

fn file(wanted: &WriteFile) -> Option<File> {
    let plain = || {
        let text: String = wanted.content.split_whitespace().collect();
        STANDARD.decode(text).ok()
    };
    let content = match wanted.encoding.as_deref() {
        None | Some("text/plain") => Some(wanted.content.clone().into_bytes()),
        Some("b64" | "base64") => plain(),
        Some("gz+b64" | "gz+base64" | "gzip+b64" | "gzip+base64") => plain().and_then(unpacked),
        Some(_) => None,
    };
    let Some(content) = content else {
        let encoding = wanted.encoding.as_deref().unwrap_or_default();
        tracing::warn!(path = wanted.path, encoding, "the content of a file is not understood");
        return None;
    };
    let mode = wanted.permissions.as_ref().and_then(|mode| match mode {
        Value::String(text) => u32::from_str_radix(text.trim_start_matches("0o"), 8).ok(),
        other => other.as_u64().and_then(|mode| u32::try_from(mode).ok()),
    });
    let path = wanted.path.clone();
    Some(File { path, mode: mode.unwrap_or(0o644) & 0o777, content })
}

/// `ed25519_private` becomes `/etc/ssh/ssh_host_ed25519_key`.
fn host_key((name, content): (String, String)) -> Option<File> {
    let (kind, part) = name.rsplit_once('_')?;
    let (end, mode) = match part {
        "private" => ("", 0o600),
        "public" => (".pub", 0o644),
        "certificate" => ("-cert.pub", 0o644),
        _ => return None,
    };
    let path = format!("{HOST_KEYS}{kind}_key{end}");
    Some(File { path, mode, content: content.into_bytes() })
}

fn unpacked(packed: Vec<u8>) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let read = GzDecoder::new(packed.as_slice()).take(UNPACKED_MAX + 1).read_to_end(&mut content);
    (read.is_ok() && content.len() as u64 <= UNPACKED_MAX).then_some(content)
}

/// What an installer goes by: a JSON document with a list of named `steps`.
struct Plan {
    steps: Vec<Value>,
    checks: Vec<Value>,
}

impl Plan {
    fn tools(&self) -> impl Iterator<Item = String> {
        self.checks.iter().filter_map(|check| check["tool"].as_str().map(str::to_owned))
    }
}

/// The file's path and the plan it holds, if it is one.
fn plan(file: &File) -> Option<(String, Plan)> {
    let plan: Value = serde_json::from_slice(&file.content).ok()?;
    let steps = plan["steps"].as_array()?.clone();
    let checks = plan["checks"].as_array().cloned().unwrap_or_default();
    let named = steps.iter().all(|step| step["name"].is_string());
    named.then(|| (file.path.clone(), Plan { steps, checks }))
}

/// Percents where a step does not say its own: by how long the ones before take.
fn spread(named: Vec<(String, Option<u32>, u64)>) -> Vec<InstallStep> {
    let all: u64 = named.iter().map(|(_, _, millis)| millis).sum::<u64>().max(1);
    let mut gone = 0;
    let steps = named.into_iter().map(|(name, percent, millis)| {
        let spread = u32::try_from(gone * 100 / all).unwrap_or(99);
        gone += millis;
        InstallStep { name, percent: percent.unwrap_or(spread), millis }
    });
    steps.collect()
}

/// How long each takes: what it says itself, or its part of the whole by its percentage.
fn planned(steps: &[Value]) -> Vec<(String, Option<u32>, u64)> {
    let begins = |step: Option<&Value>| step.map_or(Some(100), |step| step["percent"].as_u64());
    let place = |(index, step): (usize, &Value)| {
        let percent = step["percent"].as_u64();
        let part = begins(steps.get(index + 1)).zip(percent);
        let part = part.map(|(end, start)| end.saturating_sub(start) * WHOLE_MILLIS / 100);
        let own = step["seconds"].as_u64().map(|seconds| seconds.saturating_mul(1000));
        let name = step["name"].as_str().unwrap_or_default().to_owned();
        let percent = percent.and_then(|percent| u32::try_from(percent).ok());
        (name, percent, own.or(part).unwrap_or(STEP_MILLIS))
    };
    steps.iter().enumerate().map(place).collect()
}

/// Without a plan: the steps a script reports, by the objects it reports them with.
fn scripted(files: &[File]) -> Vec<(String, Option<u32>, u64)> {
    let mut found = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&file.content);
        let marks = text.match_indices(r#"{"step":""#).filter_map(|(at, mark)| {
            let rest = text.get(at + mark.len()..)?;
            let (name, rest) = rest.split_once('"')?;
            rest.starts_with(r#","state":"running""#).then(|| name.to_owned())
        });
        found.extend(marks.filter(|name| name != "start").map(|name| (name, None, STEP_MILLIS)));
    }
    if found.is_empty() {
        found.extend(USUAL_STEPS.map(|name| (name.to_owned(), None, STEP_MILLIS)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r##"#cloud-config
fqdn: demo.team-a.devpocket.internal
users:
- name: dev
  shell: /bin/bash
  ssh_authorized_keys: [ssh-ed25519 AAAA]
ssh_keys:
  ed25519_private: "PRIVATE\n"
write_files:
- path: /etc/devpocket/plan.json
  permissions: "0600"
  encoding: b64
  content: eyJzdGVwcyI6W3sibmFtZSI6InRvb2xzIiwic2Vjb25kcyI6MTB9LHsibmFtZSI6ImRvY2tlciIsInNlY29uZHMiOjMwfV19
runcmd:
- [/bin/sh, /x]
"##;

    #[test]
    fn what_matters_of_user_data_is_read() {
        let read = UserData::read(TEXT);
        assert_eq!(read.hostname.as_deref(), Some("demo"));
        assert_eq!((read.user.as_deref(), read.shell.as_deref()), (Some("dev"), Some("/bin/bash")));
        assert_eq!(read.authorized_keys, ["ssh-ed25519 AAAA"]);
        assert_eq!(
            (read.files[0].path.as_str(), read.files[0].mode),
            ("/etc/devpocket/plan.json", 0o600)
        );
        let key = read.files.iter().find(|file| file.path == "/etc/ssh/ssh_host_ed25519_key");
        assert_eq!(
            key.map(|key| (key.mode, key.content.as_slice())),
            Some((0o600, &b"PRIVATE\n"[..]))
        );
        let steps: Vec<_> =
            read.steps.iter().map(|s| (s.name.as_str(), s.percent, s.millis)).collect();
        assert_eq!(steps, [("tools", 0, 10_000), ("docker", 25, 30_000)]);
        assert_eq!(read.plan.as_deref(), Some("/etc/devpocket/plan.json"));
    }

    #[test]
    fn a_packed_plan_is_followed_as_it_stands() {
        // {"steps":[{"name":"clock","percent":2},{"name":"node","percent":40}],
        //  "checks":[{"tool":"node","run":["node"]}]}
        let packed = "H4sIAAAAAAACA6tWKi5JLShWsoquVspLzE1VslJKzslPzlbSUSpILUpOzStRsjKq1YFL5uWnpCLLmRjUxuooJWekJmdDDCnJz89BqCsqzQOKQnixtbG1AEGxRsFvAAAA";
        let text = format!(
            "#cloud-config\nwrite_files:\n- path: /p\n  encoding: gz+b64\n  content: {packed}\n"
        );
        let read = UserData::read(&text);
        let steps: Vec<_> =
            read.steps.iter().map(|s| (s.name.as_str(), s.percent, s.millis)).collect();
        assert_eq!(steps, [("clock", 2, 182_400), ("node", 40, 288_000)]);
        assert_eq!(read.tools, ["node"]);
    }

    #[test]
    fn what_is_no_cloud_config_asks_for_nothing() {
        for text in ["", "#!/bin/sh\n", "#cloud-config\n: : :\n- x", "users: []"] {
            assert_eq!(UserData::read(text).user, None, "{text:?}");
        }
    }
}
