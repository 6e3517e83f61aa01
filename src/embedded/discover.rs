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

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    Found(Found),
    /// None that could be used, and the newest of those that are too old.
    Nothing {
        too_old: Option<u32>,
    },
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiscoverError {
    #[error("{VARIABLE} is {folder}, which holds no Postgres (postgres, initdb and pg_ctl)")]
    Variable { folder: PathBuf },
    #[error(
        "{VARIABLE} is {folder}, which holds Postgres {major}; {OLDEST_MAJOR} or newer is needed"
    )]
    TooOld { folder: PathBuf, major: u32 },
    #[error(
        "the database was made by Postgres {made_by}, and {here}; install Postgres {made_by}, or \
         start over with --reset"
    )]
    OtherMajor { made_by: u32, here: String },
}

/// The Postgres to use: of version `made_by` when a data folder was made by that one, else the
/// newest. `downloads` is where an earlier start may have put one.
pub fn find(made_by: Option<u32>, downloads: &Path) -> Result<Search, DiscoverError> {
    let named = env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let found = match named {
        Some(folder) => match inspect(&folder) {
            Some(found) if found.major >= OLDEST_MAJOR => vec![found],
            Some(Found { major, .. }) => return Err(DiscoverError::TooOld { folder, major }),
            None => return Err(DiscoverError::Variable { folder }),
        },
        None => {
            let downloaded = fs::read_dir(downloads).into_iter().flatten().flatten();
            let mut folders = candidates();
            folders.extend(downloaded.map(|entry| entry.path().join("bin")));
            folders.iter().filter_map(|bin| inspect(bin)).collect()
        }
    };
    choose(found, made_by)
}

fn choose(found: Vec<Found>, made_by: Option<u32>) -> Result<Search, DiscoverError> {
    let newest = found.iter().max_by_key(|found| found.major);
    let usable = newest.filter(|found| found.major >= OLDEST_MAJOR);
    let Some(made_by) = made_by else {
        return Ok(match usable {
            Some(found) => Search::Found(found.clone()),
            None => Search::Nothing { too_old: newest.map(|found| found.major) },
        });
    };
    match (found.iter().find(|found| found.major == made_by), newest) {
        (Some(same), _) => Ok(Search::Found(same.clone())),
        // Another one could not read it; downloading one would not help.
        (None, Some(Found { major, .. })) => {
            let here = format!("only {major} is on this machine");
            Err(DiscoverError::OtherMajor { made_by, here })
        }
        (None, None) => {
            let here = "none is on this machine".to_owned();
            Err(DiscoverError::OtherMajor { made_by, here })
        }
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
        assert_eq!(choose(both(), None).unwrap(), Search::Found(found(17)));
        assert_eq!(choose(both(), Some(15)).unwrap(), Search::Found(found(15)));
        let refused = choose(vec![found(17)], Some(15)).unwrap_err().to_string();
        assert!(refused.contains("made by Postgres 15, and only 17"), "{refused}");
        let refused = choose(vec![], Some(15)).unwrap_err().to_string();
        assert!(refused.contains("install Postgres 15"), "{refused}");
    }

    #[test]
    fn old_versions_are_passed_over_and_named() {
        let nothing = Search::Nothing { too_old: Some(13) };
        assert_eq!(choose(vec![found(12), found(13)], None).unwrap(), nothing);
        assert_eq!(choose(vec![], None).unwrap(), Search::Nothing { too_old: None });
    }
}
