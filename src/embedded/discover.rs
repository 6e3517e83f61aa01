//! Which Postgres is on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The oldest version whose SQL and defaults are relied on.
pub const OLDEST_MAJOR: u32 = 14;
/// Names the folder with `postgres`, `initdb` and `pg_ctl`.
pub const VARIABLE: &str = "DEVPOCKET_POSTGRES_BIN";
/// Where distributions put their versions; `*` stands for one folder.
const FOLDERS: [&str; 5] = [
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
];

/// A usable Postgres.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The folder above `bin`.
    pub installation: PathBuf,
    pub bin: PathBuf,
    pub major: u32,
}

#[derive(Debug, thiserror::Error)]
pub enum DiscoverError {
    #[error(
        "{VARIABLE} is {folder}, which holds no postgres {OLDEST_MAJOR} or newer \
         (with initdb and pg_ctl beside it)"
    )]
    Variable { folder: PathBuf },
    #[error(
        "the database was made by Postgres {made_by}, and only {here} is on this machine; \
         install Postgres {made_by}, or start over with --reset"
    )]
    OtherMajor { made_by: u32, here: u32 },
}

/// The Postgres to use: of version `wanted` when a data folder was made by that one, else the
/// newest. `None` when there is none at all.
pub fn find(wanted: Option<u32>) -> Result<Option<Found>, DiscoverError> {
    let found = match env::var_os(VARIABLE).filter(|value| !value.is_empty()) {
        Some(folder) => {
            let folder = PathBuf::from(folder);
            let found = inspect(&folder).filter(|found| found.major >= OLDEST_MAJOR);
            vec![found.ok_or(DiscoverError::Variable { folder })?]
        }
        None => candidates().iter().filter_map(|bin| inspect(bin)).collect(),
    };
    choose(found, wanted)
}

fn choose(found: Vec<Found>, wanted: Option<u32>) -> Result<Option<Found>, DiscoverError> {
    let newest = found.iter().filter(|f| f.major >= OLDEST_MAJOR).max_by_key(|f| f.major);
    match (wanted, newest) {
        (None, newest) => Ok(newest.cloned()),
        (Some(_), None) => Ok(None),
        (Some(made_by), Some(newest)) => match found.iter().find(|f| f.major == made_by) {
            Some(same) => Ok(Some(same.clone())),
            None => Err(DiscoverError::OtherMajor { made_by, here: newest.major }),
        },
    }
}

/// The version a data folder was made by.
pub fn data_major(data_dir: &Path) -> Option<u32> {
    fs::read_to_string(data_dir.join("PG_VERSION")).ok()?.trim().parse().ok()
}

fn candidates() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = env::split_paths(&path).collect();
    for pattern in FOLDERS {
        folders.extend(expand(pattern));
    }
    folders
}

/// Folders that match a pattern with one `*`.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else { return vec![pattern.into()] };
    let before = Path::new(before);
    // `/usr/pgsql-*`: the star completes a name; `/usr/lib/postgresql/*`: it is the whole name.
    let (parent, prefix) = match pattern.split('*').next() {
        Some(text) if text.ends_with('/') => (before, String::new()),
        _ => (
            before.parent().unwrap_or(before),
            before.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        ),
    };
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path().join(after.trim_start_matches('/')))
        .collect()
}

/// What is in this folder, if a whole Postgres is. Links are followed to the real folder:
/// Postgres finds its libraries relative to itself.
pub fn inspect(bin: &Path) -> Option<Found> {
    let postgres = fs::canonicalize(bin.join("postgres")).ok()?;
    let bin = postgres.parent()?.to_owned();
    if !bin.join("initdb").is_file() || !bin.join("pg_ctl").is_file() {
        return None;
    }
    let output = Command::new(&postgres).arg("--version").output().ok()?;
    let major = major(&String::from_utf8_lossy(&output.stdout))?;
    Some(Found { installation: bin.parent()?.to_owned(), bin, major })
}

/// The major version in `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn major(text: &str) -> Option<u32> {
    let version =
        text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(major: u32) -> Found {
        Found { installation: "/i".into(), bin: "/i/bin".into(), major }
    }

    #[test]
    fn versions_are_read_as_distributions_print_them() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("nonsense"), None);
    }

    #[test]
    fn a_data_folder_is_only_given_to_the_version_that_made_it() {
        let both = || vec![found(15), found(17)];
        assert_eq!(choose(both(), None).unwrap().unwrap().major, 17);
        assert_eq!(choose(both(), Some(15)).unwrap().unwrap().major, 15);
        let refused = choose(vec![found(17)], Some(15)).unwrap_err().to_string();
        assert!(refused.contains("made by Postgres 15, and only 17"), "{refused}");
    }

    #[test]
    fn old_versions_are_passed_over() {
        assert_eq!(choose(vec![found(13)], None).unwrap(), None);
    }
}
