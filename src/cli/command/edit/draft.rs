//! The file that is edited: private, and kept until what is in it stands in the record.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use devpocket_controllers::clock::Ids as _;
use devpocket_specs::object::Key;
use serde_json::Value;

use crate::cli::error::{Failure, Report};
use crate::clock::RandomIds;

/// Begins the line that tells of which revision the text is.
const REVISION: &str = "# Revision ";

pub struct Draft {
    folder: PathBuf,
    path: PathBuf,
}

impl Draft {
    /// A folder of its own, so that what an editor leaves beside the file is private too.
    pub fn new(key: &Key) -> io::Result<Draft> {
        let id = RandomIds.uid().simple().to_string();
        let folder = std::env::temp_dir().join(format!("devpocket-edit-{}", &id[..12]));
        DirBuilder::new().mode(0o700).create(&folder)?;
        let path = folder.join(format!("{}.yaml", key.name));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Draft { folder, path })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub fn write(&self, text: &str) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).truncate(true).open(&self.path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    }

    pub fn read(&self) -> io::Result<String> {
        fs::read_to_string(&self.path)
    }

    /// What is in it stands, or was not wanted.
    pub fn remove(self) {
        // A file left in the folder for temporary ones hurts nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }

    /// The report, with where the edit is and how it is taken up again.
    /// Where nothing was edited there is nothing to keep.
    pub fn kept(self, report: Report, pristine: &str, again: &str) -> Report {
        if self.read().is_ok_and(|text| body(&text) == pristine) {
            self.remove();
            return report.so_far("nothing was changed");
        }
        let mut report = report.so_far("nothing was changed");
        for failure in &mut report.failures {
            let so_far = failure.so_far.take().unwrap_or_default();
            failure.so_far = Some(format!("{so_far}; the edit is kept in {}", self.name()));
        }
        if let Some(last) = report.failures.pop() {
            let known = last.attempts.iter().any(|(command, _)| command.contains("--from"));
            let last = if known { last } else { last.attempt(again, "takes it up again") };
            report.failures.push(last);
        }
        report
    }
}

/// The text with its head: what it is about, and what is wrong with it so far.
pub fn headed(about: &str, revision: &str, remarks: &[String], body: &str) -> String {
    let mut text = format!(
        "# {about}\n{REVISION}{revision}. Save and close: the plan is shown and asked about before \
         anything is done.\n# Unchanged or empty: nothing is done. Lines that begin with # are not \
         read.\n"
    );
    for remark in remarks {
        for line in remark.lines() {
            text.push_str(format!("# {line}").trim_end());
            text.push('\n');
        }
    }
    if !remarks.is_empty() {
        text.push_str("#\n");
    }
    format!("{text}{body}")
}

/// The text without the lines that were put before it.
pub fn body(text: &str) -> &str {
    let mut rest = text;
    while rest.starts_with('#') {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest
}

/// The revision a kept text was begun at.
pub fn revision(text: &str) -> Option<&str> {
    let line = text.lines().find_map(|line| line.strip_prefix(REVISION))?;
    line.split('.').next()
}

/// The merge patch from one to the other; nothing where they say the same.
pub fn patch(before: &Value, after: &Value) -> Option<Value> {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut patch = serde_json::Map::new();
            for (name, value) in new {
                let old = old.get(name).unwrap_or(&Value::Null);
                if let Some(change) = self::patch(old, value) {
                    patch.insert(name.clone(), change);
                }
            }
            for (name, value) in old {
                if !new.contains_key(name) && !value.is_null() {
                    patch.insert(name.clone(), Value::Null);
                }
            }
            (!patch.is_empty()).then_some(Value::Object(patch))
        }
        _ if before == after => None,
        _ => Some(after.clone()),
    }
}

/// The text could not be kept or read: the one failure that may lose it, so it is shown.
pub fn unusable(path: &Path, error: &io::Error) -> Report {
    Failure::new("not-written", format!("{} cannot be used: {error}", path.display()))
        .so_far("nothing was changed")
        .into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_patch_holds_what_differs_and_nothing_else() {
        let before = json!({"spec": {"a": 1, "b": {"c": [1, 2], "d": 1}, "e": 1, "n": null}});
        let after = json!({"spec": {"a": 1, "b": {"c": [2], "d": 1}, "f": 1, "g": null}});
        let expected = json!({"spec": {"b": {"c": [2]}, "e": null, "f": 1}});
        assert_eq!(patch(&before, &after), Some(expected));
        assert_eq!(patch(&before, &before), None);
    }

    #[test]
    fn the_head_comes_off_and_comments_below_it_stay() {
        let text = headed("env/web", "42", &["wrong\n  here".to_owned()], "a: 1\n# mine\nb: 2\n");
        assert!(text.contains("# wrong\n#   here\n#\na: 1"), "{text}");
        assert_eq!(body(&text), "a: 1\n# mine\nb: 2\n");
        assert_eq!(revision(&text), Some("42"));
        assert_eq!(body("# only\n# comments"), "");
    }

    #[test]
    fn the_file_is_private_and_gone_when_it_is_done() {
        use std::os::unix::fs::PermissionsExt as _;
        let key = Key::cluster(devpocket_specs::kind::Kind::Template, "x");
        let draft = Draft::new(&key).unwrap();
        let path = draft.path().to_owned();
        draft.write("a: 1\n").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        draft.remove();
        assert!(!path.parent().unwrap().exists());
    }
}
