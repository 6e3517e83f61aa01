//! `.env`: read into a map, never into the process's environment, so that children and other
//! threads see nothing of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The values of a `.env` file.
#[derive(Clone, Debug, Default)]
pub struct Dotenv {
    pub values: BTreeMap<String, String>,
    /// Where they came from, for messages.
    pub path: Option<PathBuf>,
    lines: BTreeMap<String, usize>,
}

#[derive(Debug, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct DotenvError {
    pub path: PathBuf,
    pub problem: String,
}

impl Dotenv {
    /// Reads `path`, which must exist, or `.env` in the working folder if there is one.
    pub fn load(path: Option<&Path>) -> Result<Dotenv, DotenvError> {
        let (path, required) = match path {
            Some(path) => (path, true),
            None => (Path::new(".env"), false),
        };
        if !required && !path.exists() {
            return Ok(Dotenv::default());
        }
        // The parser's own errors quote the line, which may hold a secret: only its place is told.
        let failed = |problem: String| DotenvError { path: path.to_owned(), problem };
        let entries = dotenvy::from_path_iter(path)
            .map_err(|error| failed(format!("cannot be read: {}", kind(&error))))?;
        let mut values = BTreeMap::new();
        for entry in entries {
            let (name, value) =
                entry.map_err(|error| failed(format!("is not NAME=value: {}", kind(&error))))?;
            values.insert(name, value);
        }
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Ok(Dotenv { values, path: Some(path.to_owned()), lines: lines(&text) })
    }

    /// `FILE:LINE` of a variable.
    pub fn place(&self, name: &str) -> String {
        let path = self.path.as_deref().unwrap_or(Path::new(".env")).display();
        match self.lines.get(name) {
            Some(line) => format!("{path}:{line}"),
            None => path.to_string(),
        }
    }
}

/// Which line sets which variable. The last one counts, as it does for the values.
fn lines(text: &str) -> BTreeMap<String, usize> {
    let name = |line: &str| {
        let (name, _) = line.trim_start().split_once('=')?;
        Some(name.trim_start_matches("export ").trim().to_owned())
    };
    let numbered = text.lines().zip(1..);
    numbered.filter_map(|(line, number)| Some((name(line)?, number))).collect()
}

fn kind(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::Io(error) => error.to_string(),
        dotenvy::Error::LineParse(_, at) => format!("a line cannot be understood at byte {at}"),
        _ => "a variable cannot be read".into(),
    }
}
