//! Where the disks are: one folder for each installation of each machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::user_data::UserData;
use super::{container, layout};

/// Prefix of disks that are on their way out.
const GONE: &str = "gone-";
/// How often a disk is tried to be removed while its machine is still about to end, and the pause
/// between two tries.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
pub(super) struct Disks {
    folder: PathBuf,
    /// Whether they go with the simulator.
    temporary: bool,
    /// Whether they are disks of systems that boot.
    boot: bool,
}

impl Disks {
    /// In this folder; without one they go with the simulator.
    pub fn in_folder(folder: Option<&Path>, boot: bool) -> io::Result<Disks> {
        let temporary = folder.is_none();
        let folder = match folder {
            Some(folder) => folder.to_owned(),
            None => private_folder()?,
        };
        fs::create_dir_all(&folder)?;
        let disks = Disks { folder: folder.canonicalize()?, temporary, boot };
        for left in fs::read_dir(&disks.folder)?.flatten() {
            if left.file_name().to_string_lossy().starts_with(GONE) {
                fs::remove_dir_all(left.path())?;
            }
        }
        Ok(disks)
    }

    pub fn of(&self, id: i64, generation: u32) -> PathBuf {
        self.folder.join(id.to_string()).join(generation.to_string())
    }

    /// A disk for this installation, and none of an earlier one.
    pub fn install(&self, id: i64, generation: u32, name: &str, data: &UserData) -> io::Result<()> {
        let place = self.of(id, generation);
        if place.exists() {
            return Ok(());
        }
        let all = self.folder.join(id.to_string());
        self.discard(&all)?;
        fs::create_dir_all(&all)?;
        self.make(&place, name, data)
    }

    fn make(&self, place: &Path, name: &str, data: &UserData) -> io::Result<()> {
        match self.boot {
            true => container::make(place, name, data),
            false => layout::make(place, name, data),
        }
    }

    /// An empty one in its place.
    pub fn replace(&self, id: i64, generation: u32, name: &str, data: &UserData) -> io::Result<()> {
        let place = self.of(id, generation);
        self.discard(&place)?;
        self.make(&place, name, data)
    }

    /// Takes it away at once. What was on it goes a moment later: a machine that was just switched
    /// off may write until it has ended.
    fn discard(&self, place: &Path) -> io::Result<()> {
        if !place.exists() {
            return Ok(());
        }
        let gone = self.folder.join(format!("{GONE}{:016x}", number()?));
        fs::rename(place, &gone)?;
        tokio::spawn(async move {
            for _ in 0..TRIES {
                match tokio::fs::remove_dir_all(&gone).await {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => {}
                    _ => return,
                }
                tokio::time::sleep(PAUSE).await;
            }
            tracing::warn!(disk = %gone.display(), "a simulated disk stays until the next start");
        });
        Ok(())
    }

    /// The simulator ends.
    pub fn end(&self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// A new folder that only this user enters.
pub(super) fn private_folder() -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    let name = format!("devpocket-guests-{:016x}", number()?);
    let path: PathBuf = Path::new(&std::env::temp_dir()).join(name);
    fs::DirBuilder::new().mode(0o700).create(&path)?;
    Ok(path)
}

fn number() -> io::Result<u64> {
    let mut number = [0; 8];
    getrandom::fill(&mut number).map_err(io::Error::other)?;
    Ok(u64::from_le_bytes(number))
}
