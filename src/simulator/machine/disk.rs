//! The machine's disk: paths as the machine sees them, wherever it is mounted.

use std::io;
use std::path::{Component, Path, PathBuf};

/// Files read from the disk are at most this long: keys, configuration, logs.
const READ_MAX: u64 = 4 * 1024 * 1024;

#[derive(Clone, Debug)]
pub(super) struct Disk {
    root: PathBuf,
}

impl Disk {
    pub fn new(root: PathBuf) -> Disk {
        Disk { root }
    }

    /// Whether the disk is the whole file system of this process.
    pub fn is_whole(&self) -> bool {
        self.root == Path::new("/")
    }

    /// Where a path of the machine is for this process. `..` does not lead out of it.
    pub fn at(&self, path: &str) -> PathBuf {
        let mut found = self.root.clone();
        for part in Path::new(path).components() {
            if let Component::Normal(name) = part {
                found.push(name);
            }
        }
        found
    }

    /// The text of a file. Where the disk is a folder of this computer, a link that leads out of
    /// it is no file of the machine.
    pub fn read(&self, path: &str) -> io::Result<String> {
        let place = self.at(path);
        if !self.is_whole() {
            let (real, root) = (place.canonicalize()?, self.root.canonicalize()?);
            if !real.starts_with(&root) {
                return Err(io::ErrorKind::NotFound.into());
            }
        }
        if std::fs::metadata(&place)?.len() > READ_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(String::from_utf8_lossy(&std::fs::read(place)?).into_owned())
    }

    /// Replaces a file at once, so that a reader never sees half of one.
    pub fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let place = self.at(path);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut draft = place.clone().into_os_string();
        draft.push(".new");
        std::fs::write(&draft, text)?;
        std::fs::rename(draft, place)
    }

    pub fn append(&self, path: &str, text: &str) -> io::Result<()> {
        let place = self.at(path);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(place)?;
        io::Write::write_all(&mut file, text.as_bytes())
    }

    /// Names in a folder, in order.
    pub fn list(&self, path: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.at(path)).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outside_of_a_disk_that_is_a_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret"), "host").unwrap();
        let root = folder.path().join("disk");
        std::fs::create_dir(&root).unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), root.join("link")).unwrap();
        std::fs::write(root.join("own"), "mine").unwrap();
        let disk = Disk::new(root);
        assert_eq!(disk.read("/own").unwrap(), "mine");
        assert_eq!(disk.read("/../../own").unwrap(), "mine");
        assert!(disk.read("/link").is_err());
        assert!(disk.read("/../secret").is_err());
    }
}
