//! Finds and reads the files.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::document::{Document, short_name};
use super::limits;
use super::parse::parse;
use super::place::{Fault, Source};

/// What was read.
#[derive(Debug, Default)]
pub struct Manifests {
    /// In the order of files and of documents in them.
    pub documents: Vec<Document>,
    /// Sorted by place.
    pub faults: Vec<Fault>,
    pub files: usize,
}

/// Why nothing could be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("there is no file or folder {0}")]
    Missing(PathBuf),
    #[error("{0} is an address; files are read from this computer only")]
    Address(PathBuf),
    #[error("{path} cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is not text in UTF-8")]
    NotText {
        path: PathBuf,
        /// Where the first byte stands that is none.
        line: usize,
        column: usize,
    },
    #[error("{path} has {bytes} bytes; a file has at most {max}", max = limits::FILE_BYTES)]
    TooLarge { path: PathBuf, bytes: u64 },
    #[error("the files have more than {} bytes together", limits::TOTAL_BYTES)]
    TooMuch,
    #[error("there are more than {} files", limits::FILES)]
    TooManyFiles,
    #[error("there are more than {} documents", limits::DOCUMENTS)]
    TooManyDocuments,
    #[error("{0} holds no file that ends in .yaml, .yml or .json")]
    Empty(PathBuf),
}

/// Reads files, folders (all files below them that end in `.yaml`, `.yml` or `.json`, by name) and
/// `-`, standard input. Objects that name no namespace are of `namespace`.
pub fn load(paths: &[PathBuf], namespace: &str) -> Result<Manifests, LoadError> {
    let mut manifests = Manifests::default();
    let mut total = 0;
    for path in files(paths)? {
        let source = Arc::new(read(&path, &mut total)?);
        manifests.files += 1;
        let (parsed, faults) = parse(&source);
        manifests.faults.extend(faults);
        for parsed in parsed {
            let read = Document::read(&source, parsed, namespace, &mut manifests.faults);
            manifests.documents.extend(read);
            if manifests.documents.len() > limits::DOCUMENTS {
                return Err(LoadError::TooManyDocuments);
            }
        }
    }
    twice(&mut manifests);
    manifests.faults.sort_by(|a, b| a.order().cmp(&b.order()));
    Ok(manifests)
}

/// One object in two documents: whichever came last would win silently.
fn twice(manifests: &mut Manifests) {
    let mut seen = std::collections::BTreeMap::new();
    for document in &manifests.documents {
        let first = seen.entry(document.key.clone()).or_insert_with(|| document.place(""));
        let here = document.place("");
        if *first != here {
            let name = short_name(&document.key);
            let message = format!("{name} is declared twice; first at {first}");
            let mut fault =
                Fault::new(document.place("metadata.name"), "duplicate-object", message);
            fault.object = Some(name);
            manifests.faults.push(fault);
        }
    }
}

fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>, LoadError> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            below(path, &mut files)?;
            if files.len() == before {
                return Err(LoadError::Empty(path.clone()));
            }
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

/// Links are not followed: a link to a folder above would never end.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let failed = |source| LoadError::Read { path: folder.to_owned(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?.path());
    }
    entries.sort();
    for path in entries {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let kind = fs::symlink_metadata(&path)
            .map_err(|source| LoadError::Read { path: path.clone(), source })?;
        if hidden {
            continue;
        }
        if kind.is_dir() {
            below(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json") {
            files.push(path);
            if files.len() > limits::FILES {
                return Err(LoadError::TooManyFiles);
            }
        }
    }
    Ok(())
}

fn read(path: &Path, total: &mut u64) -> Result<Source, LoadError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound if path.to_string_lossy().contains("://") => {
            LoadError::Address(path.to_owned())
        }
        io::ErrorKind::NotFound => LoadError::Missing(path.to_owned()),
        _ => LoadError::Read { path: path.to_owned(), source },
    };
    let (name, bytes) = if path == Path::new("-") {
        ("standard input".to_owned(), bounded(io::stdin().lock()).map_err(failed)?)
    } else {
        let file = fs::File::open(path).map_err(failed)?;
        (path.display().to_string(), bounded(file).map_err(failed)?)
    };
    let size = bytes.len() as u64;
    if size > limits::FILE_BYTES {
        let size = fs::metadata(path).map_or(size, |file| file.len());
        return Err(LoadError::TooLarge { path: path.to_owned(), bytes: size });
    }
    *total += size;
    if *total > limits::TOTAL_BYTES {
        return Err(LoadError::TooMuch);
    }
    let text = String::from_utf8(bytes).map_err(|error| not_text(path, &error))?;
    let text = text.strip_prefix('\u{feff}').map_or_else(|| text.clone(), str::to_owned);
    Ok(Source { name, text })
}

/// Where it stops being text.
fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> LoadError {
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let text = String::from_utf8_lossy(good);
    let line = text.matches('\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    LoadError::NotText { path: path.to_owned(), line, column }
}

fn bounded(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(limits::FILE_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn environment(name: &str) -> String {
        format!(
            "apiVersion: devpocket.dev/v1alpha1\nkind: Environment\nmetadata: {{name: {name}}}\n\
             spec: {{size: vps-10-nvme}}\n"
        )
    }

    #[test]
    fn a_folder_is_read_by_name_and_to_the_bottom() {
        let (b, a, c) = (environment("b"), environment("a"), environment("c"));
        let folder = folder(&[
            ("b.yaml", &b),
            ("a/x.yml", &a),
            ("notes.txt", "x"),
            ("c.json", &c),
            (".git/x.yaml", "?"),
        ]);
        let read = load(&[folder.path().to_owned()], "team").unwrap();
        let names: Vec<String> = read.documents.iter().map(|d| d.key.to_string()).collect();
        assert_eq!(names, ["environment/team/a", "environment/team/b", "environment/team/c"]);
        assert!(read.faults.is_empty(), "{:?}", read.faults);
        assert_eq!(read.files, 3);
    }

    #[test]
    fn one_object_in_two_files_is_a_fault() {
        let a = environment("a");
        let folder = folder(&[("a.yaml", &a), ("b.yaml", &a)]);
        let read = load(&[folder.path().to_owned()], "team").unwrap();
        assert_eq!(read.faults.len(), 1);
        assert!(read.faults[0].cause.message.contains("a.yaml:1:1"), "{:?}", read.faults[0].cause);
    }

    #[test]
    fn all_faults_of_all_files_are_found_at_once() {
        let good = environment("a");
        let folder = folder(&[
            ("1.yaml", "kind: Environment\n"),
            (
                "2.yaml",
                "apiVersion: devpocket.dev/v1alpha1\nkind: Enviroment\nmetadata: {name: x}\n",
            ),
            ("3.yaml", "a: [\n"),
            ("4.yaml", &good),
        ]);
        let read = load(&[folder.path().to_owned()], "team").unwrap();
        let messages: Vec<&str> = read.faults.iter().map(|f| f.cause.message.as_str()).collect();
        assert_eq!(messages.len(), 3, "{messages:?}");
        assert_eq!(read.faults[1].cause.nearest.as_deref(), Some("Environment"));
        assert_eq!(read.documents.len(), 1);
    }

    #[test]
    fn a_list_is_taken_apart() {
        let folder = folder(&[(
            "list.yaml",
            "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Namespace\n  metadata:\n    name: a\n    nmae: b\n",
        )]);
        let read = load(&[folder.path().to_owned()], "team").unwrap();
        assert_eq!(read.documents[0].key.name, "a");
        assert_eq!(read.documents[0].place("metadata.nmae").position.line, 8);
    }
}
