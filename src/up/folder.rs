//! The folder `up` keeps everything in: the database, the simulator's state, the keys.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::context::write_private;
use crate::embedded::PostgresUser;

/// What can be wrong with the folder.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("there is no home folder: set HOME, or name a folder with --data")]
    NoHome,
    #[error("another `devpocket up` is running on {0}")]
    Busy(PathBuf),
    #[error("{path} cannot be used: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} holds a simulated account already, and another one cannot take its place")]
    HasAccount(PathBuf),
    /// Deleting somebody else's folder by a mistyped --data would be unforgivable.
    #[error("{0} holds other things than DevPocket's and is not deleted")]
    NotOurs(PathBuf),
}

/// A folder that this process alone uses.
pub struct Folder {
    path: PathBuf,
    ephemeral: bool,
    // Held open: the lock goes with the process, also by kill -9.
    _lock: File,
}

impl Folder {
    /// Takes the folder for this process.
    pub fn take(path: PathBuf, ephemeral: bool) -> Result<Folder, FolderError> {
        let failed = |source| FolderError::Io { path: path.clone(), source };
        fs::create_dir_all(&path).map_err(failed)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join("lock"))
            .map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { path, ephemeral, _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(FolderError::Busy(path)),
            Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something was kept here before.
    pub fn is_used(path: &Path) -> bool {
        path.join("postgres").exists()
    }

    /// Deletes what was kept, and only that.
    pub fn clear(&self) -> Result<(), FolderError> {
        for entry in fs::read_dir(&self.path).map_err(|source| self.failed(source))? {
            let entry = entry.map_err(|source| self.failed(source))?;
            let name = entry.file_name();
            if !OURS.iter().any(|ours| name == *ours) {
                return Err(FolderError::NotOurs(self.path.clone()));
            }
        }
        for name in OURS.iter().filter(|name| **name != "lock") {
            let path = self.path.join(name);
            let removed =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            match removed {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => other.map_err(|source| self.failed(source))?,
            }
        }
        Ok(())
    }

    /// Keeps the picture that this folder's account begins with. An account that is here already is
    /// never replaced by another one.
    pub fn begin_twin(&self, file: &Path) -> Result<(), FolderError> {
        if self.path.join("simulator").exists() {
            return Err(FolderError::HasAccount(self.path.clone()));
        }
        let bytes = fs::read(file).map_err(|source| self.failed(source))?;
        write_private(&self.path.join(TWIN), &bytes).map_err(|source| self.failed(source))
    }

    /// A start on a picture that did not come to an account leaves nothing behind.
    pub fn forget_unused_twin(&self) {
        if !self.path.join("simulator").exists() {
            let _ = fs::remove_file(self.path.join(TWIN));
        }
    }

    /// Whether the account here began as a picture of a real one.
    pub fn is_twin(&self) -> bool {
        self.path.join(TWIN).exists()
    }

    /// A secret kept in a file of ours; made by `make` the first time.
    pub fn secret<E>(
        &self,
        name: &str,
        make: impl FnOnce() -> Result<String, E>,
    ) -> Result<String, SecretError<E>> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = make().map_err(SecretError::Make)?;
                write_private(&path, text.as_bytes())
                    .map_err(|source| SecretError::Folder(self.failed(source)))?;
                Ok(text)
            }
            Err(source) => Err(SecretError::Folder(self.failed(source))),
        }
    }

    /// How far the clock was moved ahead, kept so that contracts do not grow younger again.
    pub fn clock_offset(&self) -> Duration {
        let text = fs::read_to_string(self.path.join("clock")).unwrap_or_default();
        Duration::from_secs(text.trim().parse().unwrap_or(0))
    }

    /// Remembers how far the clock was moved.
    pub fn keep_clock_offset(path: &Path, offset: Duration) -> io::Result<()> {
        write_private(&path.join("clock"), offset.as_secs().to_string().as_bytes())
    }

    fn failed(&self, source: io::Error) -> FolderError {
        FolderError::Io { path: self.path.clone(), source }
    }
}

/// Everything that is ever put into the folder.
const OURS: [&str; 14] = [
    "lock",
    "disks",
    "postgres",
    "postgres-download",
    "simulator",
    "tls",
    "admin-token",
    "seal-key",
    "secret-key",
    "clock",
    super::mail::FOLDER,
    "clock.new",
    TWIN,
    "twin.yaml.new",
];
/// How often an ephemeral folder is tried to be removed, and the pause between two tries.
const REMOVALS: u32 = 20;
const REMOVE_AGAIN: Duration = Duration::from_millis(50);
/// The picture an account began with.
const TWIN: &str = "twin.yaml";

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.ephemeral {
            return;
        }
        // A simulated machine that was just switched off may still write a last word.
        for _ in 0..REMOVALS {
            match fs::remove_dir_all(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                _ => return,
            }
            std::thread::sleep(REMOVE_AGAIN);
        }
    }
}

/// A kept secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretError<E> {
    #[error(transparent)]
    Folder(FolderError),
    #[error("{0}")]
    Make(E),
}

/// Where things are kept when nobody says otherwise. As root not in root's home: the user that
/// Postgres runs as cannot enter it.
pub fn default_path() -> Result<PathBuf, FolderError> {
    if PostgresUser::needed().is_some() {
        return Ok("/var/lib/devpocket".into());
    }
    let set = |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    set("XDG_DATA_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map(|folder| folder.join("devpocket"))
        .ok_or(FolderError::NoHome)
}

/// A fresh folder for `--ephemeral`.
pub fn fresh_path() -> PathBuf {
    let name = uuid::Uuid::new_v4().simple().to_string();
    std::env::temp_dir().join(format!("devpocket-{}", &name[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_used_by_one_process_at_a_time() {
        let home = tempfile::tempdir().unwrap();
        let first = Folder::take(home.path().into(), false).unwrap();
        assert!(matches!(Folder::take(home.path().into(), false), Err(FolderError::Busy(_))));
        drop(first);
        Folder::take(home.path().into(), false).unwrap();
    }

    #[test]
    fn a_reset_deletes_only_what_is_ours() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::take(home.path().into(), false).unwrap();
        fs::create_dir(home.path().join("postgres")).unwrap();
        fs::write(home.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(folder.clear(), Err(FolderError::NotOurs(_))));
        assert!(home.path().join("postgres").exists());
        fs::remove_file(home.path().join("thesis.txt")).unwrap();
        folder.clear().unwrap();
        assert!(!home.path().join("postgres").exists());
    }

    #[test]
    fn a_secret_is_made_once_and_kept() {
        let home = tempfile::tempdir().unwrap();
        let folder = Folder::take(home.path().into(), false).unwrap();
        let made = folder.secret("seal-key", || Ok::<_, io::Error>("one".into())).unwrap();
        let kept = folder.secret("seal-key", || Ok::<_, io::Error>("two".into())).unwrap();
        assert_eq!((made.as_str(), kept.as_str()), ("one", "one"));
    }
}
