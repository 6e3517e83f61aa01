//! Running the Postgres children, and only them, as somebody else when we are root.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::EmbeddedError;
use super::discover::Found;

/// The traditional "nobody", for machines without a `postgres` user.
const NOBODY: u32 = 65_534;
/// The programs the crate calls; `pg_ctl` finds `postgres` beside itself.
const PROGRAMS: [&str; 2] = ["initdb", "pg_ctl"];

/// Who the Postgres children run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostgresUser {
    pub uid: u32,
    pub gid: u32,
}

impl PostgresUser {
    /// Somebody else if we are root, nobody else otherwise.
    pub fn needed() -> Option<PostgresUser> {
        let is_root = fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
        is_root.then(|| {
            let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
            lookup(&passwd).unwrap_or(PostgresUser { uid: NOBODY, gid: NOBODY })
        })
    }
}

/// The user `postgres` in `/etc/passwd`.
fn lookup(passwd: &str) -> Option<PostgresUser> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        match fields.as_slice() {
            ["postgres", _, uid, gid, ..] => {
                Some(PostgresUser { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
            }
            _ => None,
        }
    })
}

/// Becomes `program` as this user. Returns only when that fails.
pub fn run_as(user: PostgresUser, program: &Path, arguments: &[String]) -> io::Error {
    Command::new(program)
        .args(arguments)
        // The working folder may be one the user cannot enter, which Postgres complains about.
        .current_dir("/")
        .uid(user.uid)
        .gid(user.gid)
        .exec()
}

/// A folder that looks like an installation and whose programs change user first.
pub fn shims(
    home: &Path,
    found: &Found,
    user: PostgresUser,
    program: &Path,
) -> Result<PathBuf, EmbeddedError> {
    let installation = home.join("shims");
    let bin = installation.join("bin");
    let write = || {
        fs::create_dir_all(&bin)?;
        for name in PROGRAMS {
            let script = format!(
                "#!/bin/sh\nexec {} run-as --uid {} --gid {} -- {} \"$@\"\n",
                quoted(program),
                user.uid,
                user.gid,
                quoted(&found.bin.join(name)),
            );
            let path = bin.join(name);
            fs::write(&path, script)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    };
    write().map_err(|source| EmbeddedError::Folder { path: bin.clone(), source })?;
    Ok(installation)
}

/// A path in single quotes for `sh`.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.to_string_lossy().replace('\'', r"'\''"))
}

/// Writes a file that only its user can read.
pub fn write_private(path: &Path, text: &str, user: Option<PostgresUser>) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    if let Some(user) = user {
        chown(path, Some(user.uid), Some(user.gid))?;
    }
    Ok(())
}

/// Whether somebody without rights of their own can enter every folder above.
pub fn check_reachable(home: &Path) -> Result<(), EmbeddedError> {
    let absolute = fs::canonicalize(home)
        .map_err(|source| EmbeddedError::Folder { path: home.to_owned(), source })?;
    for folder in absolute.ancestors().skip(1) {
        let enterable =
            fs::metadata(folder).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0);
        if !enterable {
            return Err(EmbeddedError::Unreachable { folder: folder.to_owned() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_postgres_user_is_found_in_passwd() {
        let passwd = "root:x:0:0::/root:/bin/bash\npostgres:x:101:104::/var/lib:/bin/bash\n";
        assert_eq!(lookup(passwd), Some(PostgresUser { uid: 101, gid: 104 }));
        assert_eq!(lookup("root:x:0:0::/root:/bin/bash\n"), None);
    }

    #[test]
    fn a_path_with_quotes_cannot_leave_its_quotes() {
        assert_eq!(quoted(Path::new("/a'b; rm")), r"'/a'\''b; rm'");
    }
}
