//! The scripts that are sent to machines, to `sudo -n /bin/sh -s -- devpocket-NAME`.
//!
//! A script comes with each call and is kept nowhere, so a machine installed long ago does what
//! this version means. Whatever a script runs must not read its input: that is the rest of the
//! script.

use devpocket_controllers::guest::{LOG_CHUNK, Question, Wanted};
use devpocket_specs::render::shell_quote;

/// The command of a script.
pub(super) fn command(name: &str) -> String {
    format!("sudo -n /bin/sh -s -- devpocket-{name}")
}

/// The same without becoming root.
pub(super) fn own_command(name: &str) -> String {
    format!("/bin/sh -s -- devpocket-{name}")
}

/// The machine makes a key of its own if it has none, and prints the public half.
pub(super) const OWN_KEY: &str = r#"set -eu
umask 077
key=/etc/ssh/devpocket_host_ed25519_key
if [ ! -s "$key" ]; then
  rm -f "$key.new" "$key.new.pub"
  ssh-keygen -q -t ed25519 -N '' -C devpocket -f "$key.new" </dev/null
  rm -f "$key.new.pub"
  sync
  mv -f "$key.new" "$key"
fi
ssh-keygen -y -f "$key" </dev/null
"#;

/// The certified key takes the place of the one the machine was installed with, which goes: its
/// files, and what cloud-init keeps of it as text.
const CERTIFY: &str = r#"set -eu
umask 022
key=/etc/ssh/devpocket_host_ed25519_key
conf=/etc/ssh/sshd_config.d/05-devpocket-identity.conf
mkdir -p /etc/ssh/sshd_config.d
printf '%s\n' "$CERTIFICATE" >"$key-cert.pub.new"
mv -f "$key-cert.pub.new" "$key-cert.pub"
printf 'HostKey %s\nHostCertificate %s-cert.pub\n' "$key" "$key" >"$conf.new"
mv -f "$conf.new" "$conf"
sshd=$(command -v sshd || echo /usr/sbin/sshd)
if ! "$sshd" -t </dev/null; then
  rm -f "$conf"
  echo 'sshd does not take the new key' >&2
  exit 1
fi
sync
systemctl reload ssh.service </dev/null 2>/dev/null ||
  systemctl reload sshd.service </dev/null 2>/dev/null ||
  kill -HUP "$(cat /run/sshd.pid)"
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
for file in /var/lib/cloud/instances/*/user-data.txt /var/lib/cloud/instances/*/user-data.txt.i \
  /var/lib/cloud/instances/*/cloud-config.txt /run/cloud-init/combined-cloud-config.json; do
  [ -f "$file" ] || continue
  sed -i '/BEGIN OPENSSH PRIVATE KEY/,/END OPENSSH PRIVATE KEY/d' "$file" || :
done
"#;

/// `None` for a certificate that cannot stand in a script.
pub(super) fn certify(certificate: &str) -> Option<String> {
    Some(format!("CERTIFICATE={}\n{CERTIFY}", shell_quote(certificate.trim())?))
}

/// Prints the sections that [`super::sections`] reads.
const LOOK: &str = r#"set -u
state=/var/lib/devpocket/progress.json
part=$(mktemp) || exit 1
trap 'rm -f "$part"' EXIT
section() {
  name=$1
  shift
  "$@" >"$part" 2>/dev/null </dev/null
  code=$?
  printf '== %s %s %s\n' "$name" "$code" "$(($(wc -c <"$part")))"
  cat "$part"
}
log() {
  size=$(($(wc -c <"$1" 2>/dev/null || echo 0)))
  from=$2
  [ "$size" -ge "$from" ] || from=0
  section "$1:$from" chunk "$1" "$from"
}
chunk() { tail -c "+$(($2 + 1))" "$1" | head -c "$MOST"; }
installs() {
  case $(cat "$state" 2>/dev/null) in
    *'"state":"running"'* | *'"state": "running"'*) ;;
    *) return 1 ;;
  esac
}
more() { timeout "$WAIT" tail -c "+$(($2 + 1))" -F "$1"; }
news=
"#;
const ASK_CLOUD_INIT: &str =
    "[ -n \"$news\" ] || section cloud-init cloud-init status --format json\n";
const PROGRESS: &str = "section progress cat \"$state\"\n";

/// The script and what stands behind its name: the logs, for machines that know it by its name.
pub(super) fn look(question: &Question) -> (String, String) {
    let Question { logs, wait, progress, cloud_init } = question;
    let mut script = format!("MOST={LOG_CHUNK}\nWAIT={}\n{LOOK}", wait.as_secs_f64());
    let mut arguments = String::new();
    let (mut follow, mut read) = (String::new(), String::new());
    for Wanted { path, from, seen } in logs {
        if let Some(quoted) = shell_quote(path) {
            follow.push_str(&format!("more {quoted} {seen} & "));
            read.push_str(&format!("log {quoted} {from}\n"));
            arguments.push_str(&format!(" {path}:{from}"));
        }
    }
    if !wait.is_zero() && !follow.is_empty() {
        // `tail` is told by the kernel, and ends with the one that reads from it or after its time.
        script.push_str(&format!(
            "if installs; then\n  \
             news=$({{ {follow}}} 2>/dev/null </dev/null | head -c 1 | tr -c x x)\nfi\n"
        ));
    }
    if *cloud_init {
        script.push_str(ASK_CLOUD_INIT);
    }
    if *progress {
        script.push_str(PROGRESS);
    }
    script.push_str(&read);
    (script, format!("look{arguments}"))
}

/// What runs [`SAMPLE`]: counters are everybody's to read, so root is not asked for, and the machine's
/// log does not get a line a minute.
pub(super) const SAMPLE_COMMAND: &str = "/bin/sh -s -- devpocket-sample";

/// Prints the sections of [`devpocket_specs::sample::read_reading`], with two programs started.
pub(super) const SAMPLE: &str = r#"set -u
LC_ALL=C
export LC_ALL
first() {
  IFS= read -r line <"$1" && printf '%s\n' "$line"
}
echo '== uptime'
first /proc/uptime
echo '== stat'
first /proc/stat
echo '== meminfo'
left=3
while [ "$left" -gt 0 ] && IFS= read -r line; do
  printf '%s\n' "$line"
  left=$((left - 1))
done </proc/meminfo
echo '== net'
cat /proc/net/dev </dev/null
echo '== df'
df -Pk / </dev/null || :
"#;

/// Puts what comes as base64 into a file, at once.
pub(super) fn copy(path: &str, mode: u32, base64: &str) -> Option<String> {
    let path = shell_quote(path)?;
    Some(format!(
        "set -eu\numask 077\nfile={path}\nmkdir -p \"$(dirname \"$file\")\"\n\
         base64 -d >\"$file.new\" <<'DEVPOCKET-END'\n{base64}\nDEVPOCKET-END\n\
         chmod {mode:o} \"$file.new\"\nmv -f \"$file.new\" \"$file\"\n"
    ))
}
