//! Fetching a Postgres, once, when this machine has none.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use postgresql_embedded::{PostgreSQL, Settings, VersionReq};

use super::discover::{self, Found};
use super::{COMMAND_TIMEOUT, EmbeddedError, OLDEST_MAJOR, prepare_folder};

/// Downloaded when there is no other.
const VERSION: &str = "=17";

/// Where a downloaded one is kept.
pub fn folder(data: &Path) -> PathBuf {
    data.join("postgres-download")
}

/// Fetches a Postgres with the crate's own downloader. Only its download is wanted here, so it is
/// shown a data folder that looks initialised.
pub async fn download(
    data: &Path,
    too_old: Option<u32>,
    announce: &(dyn Fn(&str) + Sync),
) -> Result<Found, EmbeddedError> {
    let folder = folder(data);
    let blank = folder.join("blank");
    prepare_folder(&folder, None)?;
    prepare_folder(&blank, None)?;
    fs::write(blank.join("postgresql.conf"), "")
        .map_err(|source| EmbeddedError::Folder { path: blank.clone(), source })?;
    let mut server = PostgreSQL::new(Settings {
        installation_dir: folder.clone(),
        version: VersionReq::parse(VERSION).map_err(|error| EmbeddedError::Setup(error.into()))?,
        data_dir: blank,
        password_file: folder.join("unused"),
        temporary: false,
        timeout: Some(COMMAND_TIMEOUT),
        ..Settings::default()
    });
    announce(&announcement(too_old, &server.settings().releases_url));
    let failed = |because| EmbeddedError::Download { because };
    let from = server.settings().releases_url.clone();
    let fetched = server.setup().await;
    fetched.map_err(|error| failed(format!("asking {from}: {}", reasons(&error))))?;
    let bin = server.settings().binary_dir();
    discover::inspect(&bin)
        .ok_or_else(|| failed(format!("what was downloaded to {} does not run", bin.display())))
}

fn announcement(too_old: Option<u32>, from: &str) -> String {
    let found = match too_old {
        Some(major) => format!("The newest Postgres on this machine is {major}, too old;"),
        None => "There is no Postgres on this machine;".to_owned(),
    };
    format!("{found} {OLDEST_MAJOR} or newer is needed. Downloading one from {from}, once.")
}

/// An error with what is behind it, each thing said once.
fn reasons(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = source.source();
    }
    text
}
