//! What to type next, so that it works as pasted.

use std::env;
use std::path::{Path, PathBuf};

use devpocket_specs::environment::Environment;

use super::args::UpArgs;
use super::screen::Screen;
use crate::context::{self, Contexts};

/// Says what to type next: about the environment, or how to make one when there is none.
pub fn show(screen: &Screen, args: &UpArgs, contexts: &Contexts, one: Option<&Environment>) {
    let program = program(contexts);
    let about: Vec<(String, &str)> = match one {
        Some(environment) => {
            let name = &environment.metadata.name;
            vec![
                (format!("ssh {name}"), "a shell on its machine"),
                ("get env".to_owned(), "what there is"),
                (format!("simulator panel stop {name}"), "someone stops it: it returns"),
                (format!("explain env/{name}"), "why it is as it is"),
            ]
        }
        None => vec![
            ("sizes".to_owned(), "what can be ordered"),
            ("create web --size vps-10-nvme --region EU".to_owned(), "a new environment"),
            ("get env".to_owned(), "what there is"),
        ],
    };
    let commands: Vec<(String, String)> = about
        .into_iter()
        .map(|(words, remark)| (format!("{program} {words}"), remark.to_owned()))
        .collect();
    screen.prose("In another terminal, as it stands:");
    screen.commands(&commands);
    screen.prose(&match (args.ephemeral, &args.data) {
        (true, _) => "Ctrl-C stops everything; nothing is kept.".to_owned(),
        (false, None) => {
            "Ctrl-C stops everything and keeps it; `up --reset` starts over.".to_owned()
        }
        (false, Some(_)) => {
            "Ctrl-C stops everything and keeps it; the same with --reset starts over.".to_owned()
        }
    });
}

/// The program as the shell finds it, with the flag that leads here if the person is used to
/// talking to another server.
fn program(contexts: &Contexts) -> String {
    let own = env::current_exe().ok();
    let own = own.as_deref().unwrap_or(Path::new("devpocket"));
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let here = env::current_dir().unwrap_or_default();
    let program = called(own, &folders, &here);
    match contexts.current.as_deref() {
        Some(context::LOCAL) | None => program,
        Some(_) => format!("{program} --context {}", context::LOCAL),
    }
}

/// `devpocket` when that is what the shell finds, else the path from here.
fn called(own: &Path, folders: &[PathBuf], here: &Path) -> String {
    let found = folders.iter().map(|folder| folder.join("devpocket")).find(|file| file.is_file());
    if found.and_then(|file| file.canonicalize().ok()).is_some_and(|file| file == own) {
        return "devpocket".into();
    }
    match own.strip_prefix(here) {
        // A bare name would be looked for on PATH.
        Ok(relative) if relative.parent() == Some(Path::new("")) => {
            quoted(&Path::new(".").join(relative))
        }
        Ok(relative) => quoted(relative),
        Err(_) => quoted(own),
    }
}

/// As a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+~@%:,=".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_program_is_named_as_the_shell_finds_it() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (bin, other) = (home.join("bin"), home.join("other"));
        let own = home.join("my target/release/devpocket");
        for file in [&own, &other.join("devpocket")] {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
        }
        fs::create_dir_all(&bin).unwrap();
        std::os::unix::fs::symlink(&own, bin.join("devpocket")).unwrap();
        let away = Path::new("/");
        assert_eq!(called(&own, std::slice::from_ref(&bin), away), "devpocket");
        assert_eq!(called(&own, &[], &home), "'my target/release/devpocket'");
        assert_eq!(called(&own, &[], own.parent().unwrap()), "./devpocket");
        // Another one comes first on PATH: its name would start that one.
        assert!(called(&own, &[other, bin], away).ends_with("release/devpocket'"));
    }
}
