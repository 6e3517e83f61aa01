//! SFTP on the machine's files.

use std::collections::BTreeMap;
use std::fs::{self, File as HostFile, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use russh::Channel;
use russh::server::Msg;
use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode,
};

use super::Machine;

/// Files and folders one client may have open.
const HANDLES_MAX: usize = 128;
/// Bytes answered to one read.
const READ_MAX: u32 = 256 * 1024;
/// Names answered at once.
const NAMES_MAX: usize = 256;

pub(super) async fn serve(channel: Channel<Msg>, machine: &Machine) {
    let home = machine.disk.at(&format!("/home/{}", machine.boot.user));
    let files = Files { home, open: BTreeMap::new(), last: 0 };
    russh_sftp::server::run(channel.into_stream(), files).await;
}

struct Files {
    home: PathBuf,
    open: BTreeMap<String, Open>,
    last: u64,
}

enum Open {
    File(HostFile),
    Folder(Vec<File>),
}

fn refused(error: &io::Error) -> StatusCode {
    match error.kind() {
        io::ErrorKind::NotFound => StatusCode::NoSuchFile,
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            StatusCode::PermissionDenied
        }
        _ => StatusCode::Failure,
    }
}

fn done(id: u32, result: io::Result<()>) -> Result<Status, StatusCode> {
    result.map_err(|error| refused(&error))?;
    Ok(Status {
        id,
        status_code: StatusCode::Ok,
        error_message: "Ok".to_owned(),
        language_tag: "en".to_owned(),
    })
}

impl Files {
    /// Relative paths begin at home.
    fn at(&self, path: &str) -> PathBuf {
        self.home.join(path)
    }

    fn keep(&mut self, id: u32, open: Open) -> Result<Handle, StatusCode> {
        if self.open.len() >= HANDLES_MAX {
            return Err(StatusCode::Failure);
        }
        self.last += 1;
        let handle = self.last.to_string();
        self.open.insert(handle.clone(), open);
        Ok(Handle { id, handle })
    }

    fn file(&self, handle: &str) -> Result<&HostFile, StatusCode> {
        match self.open.get(handle) {
            Some(Open::File(file)) => Ok(file),
            _ => Err(StatusCode::Failure),
        }
    }
}

/// Sets what a client may set of a file.
fn set(file: &HostFile, attrs: &FileAttributes) -> io::Result<()> {
    if let Some(size) = attrs.size {
        file.set_len(size)?;
    }
    if let Some(mode) = attrs.permissions {
        file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))?;
    }
    if let Some(seconds) = attrs.mtime {
        file.set_modified(UNIX_EPOCH + Duration::from_secs(u64::from(seconds)))?;
    }
    Ok(())
}

fn named(id: u32, path: PathBuf) -> Name {
    Name { id, files: vec![File::dummy(path.to_string_lossy())] }
}

impl russh_sftp::server::Handler for Files {
    type Error = StatusCode;

    fn unimplemented(&self) -> StatusCode {
        StatusCode::OpUnsupported
    }

    async fn open(
        &mut self,
        id: u32,
        filename: String,
        flags: OpenFlags,
        attrs: FileAttributes,
    ) -> Result<Handle, StatusCode> {
        let options: OpenOptions = flags.into();
        let file = options.open(self.at(&filename)).map_err(|error| refused(&error))?;
        if flags.contains(OpenFlags::CREATE)
            && let Some(mode) = attrs.permissions
        {
            let _ = file.set_permissions(fs::Permissions::from_mode(mode & 0o7777));
        }
        self.keep(id, Open::File(file))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusCode> {
        self.open.remove(&handle).ok_or(StatusCode::Failure)?;
        done(id, Ok(()))
    }

    async fn read(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        len: u32,
    ) -> Result<Data, StatusCode> {
        let mut data = vec![0; len.min(READ_MAX) as usize];
        let read =
            self.file(&handle)?.read_at(&mut data, offset).map_err(|error| refused(&error))?;
        if read == 0 {
            return Err(StatusCode::Eof);
        }
        data.truncate(read);
        Ok(Data { id, data })
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        data: Vec<u8>,
    ) -> Result<Status, StatusCode> {
        done(id, self.file(&handle)?.write_all_at(&data, offset))
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let found = fs::symlink_metadata(self.at(&path)).map_err(|error| refused(&error))?;
        Ok(Attrs { id, attrs: (&found).into() })
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusCode> {
        let found = fs::metadata(self.at(&path)).map_err(|error| refused(&error))?;
        Ok(Attrs { id, attrs: (&found).into() })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusCode> {
        let found = self.file(&handle)?.metadata().map_err(|error| refused(&error))?;
        Ok(Attrs { id, attrs: (&found).into() })
    }

    async fn setstat(
        &mut self,
        id: u32,
        path: String,
        attrs: FileAttributes,
    ) -> Result<Status, StatusCode> {
        let path = self.at(&path);
        let opened = match attrs.size {
            Some(_) => OpenOptions::new().write(true).open(path),
            None => HostFile::open(path),
        };
        done(id, opened.and_then(|file| set(&file, &attrs)))
    }

    async fn fsetstat(
        &mut self,
        id: u32,
        handle: String,
        attrs: FileAttributes,
    ) -> Result<Status, StatusCode> {
        done(id, set(self.file(&handle)?, &attrs))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusCode> {
        let entries = fs::read_dir(self.at(&path)).map_err(|error| refused(&error))?;
        let mut names = Vec::new();
        for entry in entries.flatten() {
            let attrs = entry.metadata().map(|found| FileAttributes::from(&found));
            names.push(File::new(
                entry.file_name().to_string_lossy(),
                attrs.unwrap_or_else(|_| FileAttributes::empty()),
            ));
        }
        self.keep(id, Open::Folder(names))
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusCode> {
        let Some(Open::Folder(names)) = self.open.get_mut(&handle) else {
            return Err(StatusCode::Failure);
        };
        if names.is_empty() {
            return Err(StatusCode::Eof);
        }
        let rest = names.split_off(names.len().min(NAMES_MAX));
        Ok(Name { id, files: std::mem::replace(names, rest) })
    }

    async fn remove(&mut self, id: u32, filename: String) -> Result<Status, StatusCode> {
        done(id, fs::remove_file(self.at(&filename)))
    }

    async fn mkdir(
        &mut self,
        id: u32,
        path: String,
        _attrs: FileAttributes,
    ) -> Result<Status, StatusCode> {
        done(id, fs::create_dir(self.at(&path)))
    }

    async fn rmdir(&mut self, id: u32, path: String) -> Result<Status, StatusCode> {
        done(id, fs::remove_dir(self.at(&path)))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        let path = self.at(&path);
        Ok(named(id, path.canonicalize().unwrap_or(path)))
    }

    async fn rename(
        &mut self,
        id: u32,
        oldpath: String,
        newpath: String,
    ) -> Result<Status, StatusCode> {
        let new = self.at(&newpath);
        // The protocol's rename replaces nothing.
        if fs::symlink_metadata(&new).is_ok() {
            return Err(StatusCode::Failure);
        }
        done(id, fs::rename(self.at(&oldpath), new))
    }

    async fn readlink(&mut self, id: u32, path: String) -> Result<Name, StatusCode> {
        let target = fs::read_link(self.at(&path)).map_err(|error| refused(&error))?;
        Ok(named(id, target))
    }

    async fn symlink(
        &mut self,
        id: u32,
        linkpath: String,
        targetpath: String,
    ) -> Result<Status, StatusCode> {
        // OpenSSH's client sends the two the other way round, and everybody follows it.
        done(id, std::os::unix::fs::symlink(linkpath, self.at(&targetpath)))
    }
}
