//! A new machine's disk, as a folder: what an image brings, and what user-data adds at the first
//! boot.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use super::user_data::UserData;

/// Folders of the disk. Beside them a sandbox has the programs of this computer.
pub(super) const FOLDERS: [&str; 7] = ["etc", "home", "root", "var", "opt", "srv", "usr/local"];
/// Places in those folders that a sandbox mounts something on.
const MOUNTED_ON: [&str; 2] = ["etc/alternatives", "etc/ssl"];
/// Who may sign in where user-data names nobody.
pub(super) const USER: &str = "dev";
/// The id of the one user in the sandbox.
pub(super) const USER_ID: u32 = 1000;

/// Root is the same user in a nested namespace: root to look at, and with power over nothing.
const SUDO: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
  case $1 in
    -u | -g | -U | -h | -p) [ $# -ge 2 ] && shift; shift ;;
    --) shift; break ;;
    -*) shift ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || set -- /bin/sh
if unshare --map-root-user true 2>/dev/null; then exec unshare --map-root-user -- "$@"; fi
exec "$@"
"#;
const SYSTEMCTL: &str = r#"#!/bin/sh
case "$*" in
  *restart*devpocket-install*) : >/var/lib/devpocket/resume ;;
  *is-active*) echo active ;;
esac
exit 0
"#;
const CLOUD_INIT: &str = "#!/bin/sh\ncat /var/lib/cloud/status.json\n";
const USERMOD: &str = r#"#!/bin/sh
case $1 in
  -s | --shell)
    sed "s|^\($3:.*:\)[^:]*$|\1$2|" /etc/passwd >/etc/passwd.new && mv -f /etc/passwd.new /etc/passwd ;;
  -p) rm -f /etc/simulated-shadow ;;
esac
"#;
/// Nothing here asks for a password; what was set can be looked at.
const CHPASSWD: &str = "#!/bin/sh\numask 077\ncat >/etc/simulated-shadow\n";
const SSHD: &str = "#!/bin/sh\nexit 0\n";
const PROFILE: &str = r#"export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
PS1='\u@\h:\w\$ '
for file in /etc/profile.d/*.sh; do [ -r "$file" ] && . "$file"; done
unset file
"#;
const NSSWITCH: &str = "passwd: files\ngroup: files\nhosts: files dns\n";

/// Lays out a disk in an empty place. A half-made one is made anew: it gets its name last.
pub(super) fn make(place: &Path, name: &str, data: &UserData) -> io::Result<()> {
    let draft = place.with_extension("new");
    if draft.exists() {
        fs::remove_dir_all(&draft)?;
    }
    for folder in FOLDERS.iter().chain(&MOUNTED_ON) {
        fs::create_dir_all(draft.join(folder))?;
    }
    image(&draft, name, data)?;
    for file in &data.files {
        let Some(path) = inside(&draft, &file.path) else {
            tracing::warn!(path = file.path, "a simulated disk has no place for this file");
            continue;
        };
        write(&path, &file.content, file.mode)?;
    }
    fs::rename(draft, place)
}

fn image(root: &Path, name: &str, data: &UserData) -> io::Result<()> {
    let user = data.user.as_deref().unwrap_or(USER);
    let host = data.hostname.as_deref().unwrap_or(name);
    let shell = data.shell.as_deref().unwrap_or("/bin/bash");
    let home = root.join("home").join(user);
    fs::create_dir_all(home.join(".ssh"))?;
    fs::set_permissions(home.join(".ssh"), fs::Permissions::from_mode(0o700))?;
    let keys: String = data.authorized_keys.iter().map(|key| format!("{key}\n")).collect();
    write(&home.join(".ssh/authorized_keys"), keys.as_bytes(), 0o600)?;
    let id = USER_ID;
    for (path, text) in [
        (
            "etc/passwd",
            format!(
                "root:x:0:0:root:/root:/bin/bash\n{user}:x:{id}:{id}:DevPocket:/home/{user}:{shell}\n\
                 nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
            ),
        ),
        ("etc/group", format!("root:x:0:\nsudo:x:27:{user}\n{user}:x:{id}:\nnogroup:x:65534:\n")),
        ("etc/hostname", format!("{host}\n")),
        ("etc/hosts", format!("127.0.0.1 localhost\n127.0.1.1 {host}\n")),
        ("etc/profile", PROFILE.to_owned()),
        ("etc/bash.bashrc", "PS1='\\u@\\h:\\w\\$ '\n".to_owned()),
        ("etc/nsswitch.conf", NSSWITCH.to_owned()),
        ("etc/os-release", "NAME=\"Simulated machine\"\nID=debian\nVERSION_ID=\"13\"\n".to_owned()),
    ] {
        write(&root.join(path), text.as_bytes(), 0o644)?;
    }
    for (name, text) in [
        ("sudo", SUDO),
        ("systemctl", SYSTEMCTL),
        ("cloud-init", CLOUD_INIT),
        ("usermod", USERMOD),
        ("chpasswd", CHPASSWD),
        ("sshd", SSHD),
    ] {
        write(&root.join("usr/local/bin").join(name), text.as_bytes(), 0o755)?;
    }
    Ok(())
}

/// The place of a path of the machine on a disk that nobody has worked on yet: so there are no
/// links to follow, and `..` is refused.
fn inside(root: &Path, path: &str) -> Option<PathBuf> {
    let rest = Path::new(path).strip_prefix("/").ok()?;
    let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
    let known = FOLDERS.iter().any(|folder| rest.starts_with(folder) && rest != Path::new(folder));
    (plain && known).then(|| root.join(rest))
}

fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(test)]
mod tests {
    use super::super::user_data::File;
    use super::*;

    #[test]
    fn no_file_of_user_data_lands_outside_of_its_disk() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("disk");
        let file = |path: &str| File { path: path.into(), mode: 0o644, content: b"x".to_vec() };
        let files = ["/etc/ok", "/etc/../../escaped", "relative", "/proc/x", "/usr/bin/ls", "/etc"];
        let data =
            UserData { files: files.iter().map(|p| file(p)).collect(), ..UserData::default() };
        make(&place, "vmi1", &data).unwrap();
        assert_eq!(fs::read(place.join("etc/ok")).unwrap(), b"x");
        assert!(!folder.path().join("escaped").exists());
        assert!(!place.join("usr/bin").exists() && !place.join("proc").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
