//! The person's editor.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::cli::error::{Failure, Report, exit};
use crate::cli::interrupt::Interrupt;
use crate::cli::session::Session;

/// Where its name is looked for, the first wins.
const VARIABLES: [&str; 2] = ["VISUAL", "EDITOR"];
/// What is on most systems.
const USUAL: &str = "vi";

/// A command for a shell, which may have arguments of its own: `code --wait`.
pub struct Editor(String);

impl Editor {
    pub fn find(session: &Session) -> Result<Editor, Report> {
        let set = |name: &&str| env::var(name).ok().filter(|value| !value.trim().is_empty());
        if let Some(command) = VARIABLES.iter().find_map(set) {
            return Ok(Editor(command));
        }
        // Nobody would see it, and it would wait forever.
        if session.output.can_ask() && is_there(USUAL) {
            return Ok(Editor(USUAL.to_owned()));
        }
        Err(Failure::new("no-editor", "no editor is named")
            .exit(exit::INVALID)
            .at("VISUAL, EDITOR")
            .because(format!("neither is set, and {USUAL} is not there or has no terminal"))
            .so_far("nothing was sent")
            .attempt("EDITOR=nano devpocket edit env/web", "")
            .into())
    }

    /// Opens the file and waits until the editor is done with it.
    pub async fn open(&self, path: &Path) -> Result<(), Failure> {
        let script = format!("{} \"$1\"", self.0);
        let ended = Command::new("sh").args(["-c", &script, "sh"]).arg(path).status().await;
        let why = match ended {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => format!("it ended with {status}"),
            Err(error) => error.to_string(),
        };
        let message = format!("the editor {:?} failed", self.0);
        Err(Failure::new("editor-failed", message).at("VISUAL, EDITOR").because(why))
    }
}

fn is_there(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Ctrl-C in an editor is the editor's. Outside of it, it ends the program, and says where the edit
/// is.
pub struct Guard {
    in_editor: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Guard {
    pub fn watch(kept: String) -> Guard {
        let in_editor = Arc::new(AtomicBool::new(false));
        let editing = in_editor.clone();
        let mut interrupt = Interrupt::listen();
        let task = tokio::spawn(async move {
            loop {
                interrupt.heard().await;
                if !editing.load(Ordering::SeqCst) {
                    eprintln!("\nNothing was changed. The edit is kept in {kept}");
                    std::process::exit(exit::INTERRUPTED.into());
                }
            }
        });
        Guard { in_editor, task }
    }

    pub async fn during<T>(&self, editing: impl Future<Output = T>) -> T {
        self.in_editor.store(true, Ordering::SeqCst);
        let ended = editing.await;
        // A Ctrl-C meant for the editor is heard a moment later.
        tokio::task::yield_now().await;
        self.in_editor.store(false, Ordering::SeqCst);
        ended
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.task.abort();
    }
}
