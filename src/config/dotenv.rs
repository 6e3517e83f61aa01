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
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut values = BTreeMap::new();
        for entry in entries {
            let (name, value) = entry.map_err(|error| match place(&text, &error) {
                Some((line, what)) => DotenvError {
                    path: format!("{}:{line}", path.display()).into(),
                    problem: format!(
                        "{what} is not NAME=value; a value with a space or a $ goes into \
                         'single quotes'"
                    ),
                },
                None => failed(format!("is not NAME=value: {}", kind(&error))),
            })?;
            values.insert(name, value);
        }
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

/// Line and name of what cannot be understood, without its value.
fn place(text: &str, error: &dotenvy::Error) -> Option<(usize, String)> {
    let dotenvy::Error::LineParse(quoted, _) = error else { return None };
    let quoted = quoted.trim();
    let ends = |line: &&str| !quoted.is_empty() && line.trim_end().ends_with(quoted);
    let (number, line) = (1..).zip(text.lines()).find(|(_, line)| ends(line))?;
    let name = line.split_once('=').map(|(name, _)| name.trim_start_matches("export ").trim());
    let plain = |name: &&str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    Some((number, name.filter(plain).filter(|n| !n.is_empty()).unwrap_or("the line").to_owned()))
}

fn kind(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::Io(error) => error.to_string(),
        dotenvy::Error::LineParse(_, at) => format!("a line cannot be understood at byte {at}"),
        _ => "a variable cannot be read".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::Dotenv;

    fn refused(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let error = Dotenv::load(Some(file.path())).unwrap_err().to_string();
        error.replace(&file.path().display().to_string(), ".env")
    }

    #[test]
    fn a_value_with_a_space_is_named_with_its_line_and_not_shown() {
        let text = "# a comment\nPORT=1\nDEVPOCKET_MONTHLY_BUDGET=30 hunter2\nHOST=127.0.0.1\n";
        let said = refused(text);
        let place = ".env:3: DEVPOCKET_MONTHLY_BUDGET is not NAME=value; a value with a space";
        assert!(said.starts_with(place), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }

    #[test]
    fn a_line_without_a_name_is_no_name() {
        let said = refused("PORT=1\njust some hunter2\n");
        assert!(said.contains("is not NAME=value") && !said.contains("hunter2"), "{said}");
    }
}
