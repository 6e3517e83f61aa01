//! A picture as a file. A fault names the field; what is not a picture at all is not quoted, because
//! somebody may have named a file that holds secrets.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_yaml::Value;

use super::{KIND, Picture, VERSION, check};

/// Largest file that is read.
pub const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Faults told of one file; the rest is counted.
const FAULTS: usize = 10;

/// What stands above the picture, for whoever opens the file.
const HEAD: &str = "\
# An account at Contabo as `devpocket doctor --save` saw it, without anything that says whose it is:
# names, addresses, ids and customer are left out or made up; products, regions, states, dates,
# prices and counts are as they were. `devpocket up --twin FILE` starts a simulated Contabo on it.
# Contabo does not tell how long a term is: `months` is 1 until somebody who knows writes more.
";

/// Why a file is no picture, or could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} has more than {FILE_BYTES} bytes")]
    TooLarge { path: PathBuf },
    #[error("{path} holds no picture of an account")]
    Other { path: PathBuf, because: &'static str },
    #[error("{path} is no picture that can be started on")]
    Faults {
        path: PathBuf,
        /// Field and problem.
        faults: Vec<(String, String)>,
        /// Faults beyond those.
        more: usize,
    },
    #[error("{path} is there already and is not written over")]
    Exists { path: PathBuf },
    #[error("{path} cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
}

/// Reads and checks a file.
pub fn read(path: &Path) -> Result<Picture, PictureError> {
    let failed = |source| PictureError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(failed)?;
    file.take(FILE_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > FILE_BYTES {
        return Err(PictureError::TooLarge { path: path.to_owned() });
    }
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Picture, PictureError> {
    let other = |because| PictureError::Other { path: path.to_owned(), because };
    let value: Value = serde_yaml::from_str(text).map_err(|_| other("it is not YAML"))?;
    if value.get("kind").and_then(Value::as_str) != Some(KIND) {
        return Err(other("its first line would be: kind: ContaboAccount"));
    }
    let fault = |field: &str, problem: String| PictureError::Faults {
        path: path.to_owned(),
        faults: vec![(field.to_owned(), problem)],
        more: 0,
    };
    // Before its fields, which another version has others of.
    if value.get("version").and_then(Value::as_u64) != Some(u64::from(VERSION)) {
        return Err(fault("version", format!("is not {VERSION}, which this DevPocket knows")));
    }
    let document = serde_yaml::Deserializer::from_str(text);
    let picture: Picture = serde_path_to_error::deserialize(document).map_err(|error| {
        let field = error.path().to_string();
        let problem = error.inner().to_string();
        // The parser names the field itself where it can.
        let bare = problem.split_once(": ").filter(|(path, _)| field.starts_with(path));
        fault(&field, bare.map_or(problem.as_str(), |(_, bare)| bare).to_owned())
    })?;
    let mut faults = check::faults(&picture);
    if faults.is_empty() {
        return Ok(picture);
    }
    let more = faults.len().saturating_sub(FAULTS);
    faults.truncate(FAULTS);
    Err(PictureError::Faults { path: path.to_owned(), faults, more })
}

/// The file's content.
fn text(picture: &Picture) -> String {
    let body = serde_yaml::to_string(picture).unwrap_or_default();
    // Every machine apart, so that a person finds one.
    let body = body.replace("\n- product:", "\n\n- product:");
    format!("{HEAD}{body}")
}

/// Writes a new file, whole or not at all; one that is there is left alone.
pub fn write(picture: &Picture, path: &Path) -> Result<(), PictureError> {
    let failed = |source| PictureError::Write { path: path.to_owned(), source };
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    fs::write(&fresh, text(picture)).map_err(failed)?;
    // A link and not a rename: it fails where there is a file already.
    let linked = fs::hard_link(&fresh, path);
    let _ = fs::remove_file(&fresh);
    linked.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => PictureError::Exists { path: path.to_owned() },
        _ => failed(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "kind: ContaboAccount\nversion: 1\ntaken: 2026-11-25T20:00:00Z\nmachines:\n\
        - {product: V91, region: EU, status: running, created: 2026-03-02T08:00:00Z, \
        monthly: 5.50 EUR}\n";

    fn faults(text: &str) -> Vec<(String, String)> {
        match parse(Path::new("twin.yaml"), text) {
            Err(PictureError::Faults { faults, .. }) => faults,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_picture_is_read_as_it_was_written_and_an_old_file_is_kept() {
        let picture = parse(Path::new("x"), GOOD).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("twin.yaml");
        write(&picture, &path).unwrap();
        assert_eq!(read(&path).unwrap(), picture);
        assert!(matches!(write(&picture, &path), Err(PictureError::Exists { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn each_wrong_field_is_named() {
        for (from, to, field) in [
            ("V91", "web-server", "machines[0].product"),
            ("region: EU", "region: Mars", "machines[0].region"),
            ("running", "flying", "machines[0].status"),
            ("2026-03-02T08", "2027-03-02T08", "machines[0].created"),
            ("5.50 EUR", "cheap", "machines[0].monthly"),
            ("status: running, ", "", "machines[0]"),
            ("product: V91", "product: V91, owner: me", "machines[0]"),
            ("version: 1", "version: 2", "version"),
            ("2026-11-25T20:00:00Z", "yesterday", "taken"),
        ] {
            let faults = faults(&GOOD.replace(from, to));
            let named: Vec<&str> = faults.iter().map(|(field, _)| field.as_str()).collect();
            assert!(named.iter().any(|name| name.starts_with(field)), "{to}: {faults:?}");
        }
    }

    #[test]
    fn another_file_is_refused_and_not_quoted() {
        for text in ["", "CONTABO_PASSWORD=hunter2\n", "kind: Secret\nvalue: hunter2\n", "- [}"] {
            let refused = parse(Path::new("x"), text).unwrap_err();
            assert!(matches!(refused, PictureError::Other { .. }), "{text}: {refused:?}");
            assert!(!format!("{refused:?} {refused}").contains("hunter2"));
        }
    }
}
