//! `devpocket cp`: files to and from the machine, by SFTP through the server.

use std::path::{Path, PathBuf};

use clap::Args;
use devpocket_specs::object::Key;
use futures::future::BoxFuture;
use russh_sftp::client::SftpSession;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::ssh::attach;
use crate::cli::error::{Failure, Outcome, Report, exit};
use crate::cli::session::Session;

/// Bytes on the way at once.
const CHUNK: usize = 128 * 1024;
/// Folders within folders.
const DEPTH_MAX: usize = 64;

/// Copy files to the environment's machine, or from it
#[derive(Args, Debug)]
#[command(
    before_help = "Example:\n  devpocket cp notes.txt demo:work/",
    after_help = "ENV:PATH is a path on the machine; without a slash in front it begins at home."
)]
pub struct CpArgs {
    /// What is copied: FILE or ENV:PATH
    from: String,
    /// Where to: FILE or ENV:PATH
    to: String,
    /// Folders with everything in them
    #[arg(short, long)]
    recursive: bool,
}

/// One side of the copy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Side {
    Here(PathBuf),
    There { environment: String, path: String },
}

impl Side {
    /// `ENV:PATH`, where `ENV` has no slash; `./a:b` is a file here.
    fn read(word: &str) -> Side {
        match word.split_once(':') {
            Some((environment, path)) if !environment.contains('/') && !environment.is_empty() => {
                let path = if path.is_empty() { "." } else { path };
                Side::There { environment: environment.to_owned(), path: path.to_owned() }
            }
            _ => Side::Here(word.into()),
        }
    }
}

pub async fn run(session: &Session, args: CpArgs) -> Outcome {
    let (environment, copy) = match (Side::read(&args.from), Side::read(&args.to)) {
        (Side::Here(from), Side::There { environment, path }) => {
            (environment, Copy { up: true, here: from, there: path })
        }
        (Side::There { environment, path }, Side::Here(to)) => {
            (environment, Copy { up: false, here: to, there: path })
        }
        _ => {
            let message = "one side is a file here, the other ENV:PATH on a machine";
            let failure = Failure::usage(message).attempt("devpocket cp notes.txt demo:work/", "");
            return Err(failure.into());
        }
    };
    let key = session.environment(&environment);
    let attached = attach(session, &key, &[("subsystem", "sftp".to_owned())]).await?;
    let sftp = SftpSession::new(attached.into_stream()).await;
    let sftp = sftp.map_err(|error| failed(&key, "SFTP", &error, 0))?;
    let mut done = Done { files: 0, bytes: 0 };
    let copied = copy.run(&sftp, args.recursive, &mut done).await;
    let _ = sftp.close().await;
    match copied {
        Ok(()) => {
            let (files, bytes) = (done.files, done.bytes);
            let noun = if files == 1 { "file" } else { "files" };
            session.output.note(format!("{files} {noun} copied, {bytes} bytes"));
            Ok(exit::DONE)
        }
        Err((path, error)) => Err(failed(&key, &path, &*error, done.files)),
    }
}

fn failed(key: &Key, path: &str, error: &dyn std::fmt::Display, files: u64) -> Report {
    Failure::new("not-copied", format!("{path} was not copied"))
        .at(format!("env/{}", key.name))
        .because(once(&error.to_string()))
        .so_far(match files {
            1 => "1 file was copied whole".to_owned(),
            _ => format!("{files} files were copied whole"),
        })
        .into()
}

/// SFTP's status and its text are often the same words.
fn once(text: &str) -> String {
    match text.split_once(": ") {
        Some((status, rest)) if status.eq_ignore_ascii_case(rest) => status.to_owned(),
        _ => text.to_owned(),
    }
}

struct Copy {
    up: bool,
    here: PathBuf,
    there: String,
}

struct Done {
    files: u64,
    bytes: u64,
}

/// Which path, and why not.
type Fault = (String, Box<dyn std::error::Error + Send + Sync>);

fn fault<E: std::error::Error + Send + Sync + 'static>(
    path: impl std::fmt::Display,
) -> impl FnOnce(E) -> Fault {
    move |error| (path.to_string(), Box::new(error))
}

impl Copy {
    async fn run(self, sftp: &SftpSession, recursive: bool, done: &mut Done) -> Result<(), Fault> {
        let (here, mut there) = (self.here, self.there);
        if self.up {
            let name = here.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if there.ends_with('/') || is_folder(sftp, &there).await {
                there = format!("{}/{name}", there.trim_end_matches('/'));
            }
            return send(sftp, &here, &there, recursive, DEPTH_MAX, done).await;
        }
        let name = there.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let into_folder = here.as_os_str().as_encoded_bytes().ends_with(b"/");
        if into_folder && !recursive && !here.is_dir() {
            return Err(refuse(there, &format!("there is no folder {} here", here.display())));
        }
        let here = if here.is_dir() { here.join(name) } else { here };
        fetch(sftp, &there, &here, recursive, DEPTH_MAX, done).await
    }
}

async fn is_folder(sftp: &SftpSession, path: &str) -> bool {
    sftp.metadata(path.to_owned()).await.is_ok_and(|found| found.is_dir())
}

fn refuse(path: impl std::fmt::Display, why: &str) -> Fault {
    (path.to_string(), why.to_owned().into())
}

fn send<'a>(
    sftp: &'a SftpSession,
    here: &'a Path,
    there: &'a str,
    recursive: bool,
    depth: usize,
    done: &'a mut Done,
) -> BoxFuture<'a, Result<(), Fault>> {
    Box::pin(async move {
        let shown = here.display().to_string();
        let kind = tokio::fs::metadata(here).await.map_err(fault(&shown))?;
        if !kind.is_dir() {
            return send_file(sftp, here, there, done).await;
        }
        if !recursive || depth == 0 {
            return Err(refuse(shown, "it is a folder; -r copies folders"));
        }
        if !is_folder(sftp, there).await {
            sftp.create_dir(there.to_owned()).await.map_err(fault(there))?;
        }
        let mut entries = tokio::fs::read_dir(here).await.map_err(fault(&shown))?;
        while let Some(entry) = entries.next_entry().await.map_err(fault(&shown))? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let below = format!("{}/{name}", there.trim_end_matches('/'));
            send(sftp, &entry.path(), &below, recursive, depth - 1, done).await?;
        }
        Ok(())
    })
}

async fn send_file(
    sftp: &SftpSession,
    here: &Path,
    there: &str,
    done: &mut Done,
) -> Result<(), Fault> {
    let mut from = tokio::fs::File::open(here).await.map_err(fault(here.display()))?;
    let mut to = sftp.create(there.to_owned()).await.map_err(fault(there))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await.map_err(fault(here.display()))?;
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read]).await.map_err(fault(there))?;
        done.bytes += read as u64;
    }
    to.shutdown().await.map_err(fault(there))?;
    done.files += 1;
    Ok(())
}

fn fetch<'a>(
    sftp: &'a SftpSession,
    there: &'a str,
    here: &'a Path,
    recursive: bool,
    depth: usize,
    done: &'a mut Done,
) -> BoxFuture<'a, Result<(), Fault>> {
    Box::pin(async move {
        let kind = sftp.metadata(there.to_owned()).await.map_err(fault(there))?;
        if !kind.is_dir() {
            return fetch_file(sftp, there, here, done).await;
        }
        if !recursive || depth == 0 {
            return Err(refuse(there, "it is a folder; -r copies folders"));
        }
        tokio::fs::create_dir_all(here).await.map_err(fault(here.display()))?;
        for entry in sftp.read_dir(there.to_owned()).await.map_err(fault(there))? {
            let name = entry.file_name();
            // A name comes from the machine, and must not lead out of the folder here.
            if matches!(name.as_str(), "." | "..") || name.contains(['/', '\0']) {
                continue;
            }
            let below = format!("{}/{name}", there.trim_end_matches('/'));
            fetch(sftp, &below, &here.join(&name), recursive, depth - 1, done).await?;
        }
        Ok(())
    })
}

async fn fetch_file(
    sftp: &SftpSession,
    there: &str,
    here: &Path,
    done: &mut Done,
) -> Result<(), Fault> {
    let mut from = sftp.open(there.to_owned()).await.map_err(fault(there))?;
    let mut to = tokio::fs::File::create(here).await.map_err(fault(here.display()))?;
    let mut buffer = vec![0; CHUNK];
    loop {
        let read = from.read(&mut buffer).await.map_err(fault(there))?;
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read]).await.map_err(fault(here.display()))?;
        done.bytes += read as u64;
    }
    to.flush().await.map_err(fault(here.display()))?;
    done.files += 1;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_said_once() {
        assert_eq!(once("No such file: No such file"), "No such file");
        assert_eq!(once("Permission denied: /etc/shadow"), "Permission denied: /etc/shadow");
    }

    #[test]
    fn sides_are_told_apart() {
        let there = |environment: &str, path: &str| Side::There {
            environment: environment.into(),
            path: path.into(),
        };
        assert_eq!(Side::read("demo:a/b"), there("demo", "a/b"));
        assert_eq!(Side::read("demo:"), there("demo", "."));
        for here in ["file", "./a:b", "/x/y:z", ":x"] {
            assert_eq!(Side::read(here), Side::Here(here.into()), "{here}");
        }
    }
}
