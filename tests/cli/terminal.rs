//! The program on a terminal, where it may ask.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};

use crate::world::World;

/// A terminal with the program in it, for questions.
pub struct Terminal {
    child: Child,
    shown: String,
}

impl Terminal {
    pub fn open(world: &World, command: &str) -> Terminal {
        let program = env!("CARGO_BIN_EXE_devpocket");
        let known = world.program(&[]);
        let mut script = Command::new("script");
        script.env_clear().current_dir(world.home.path());
        script.envs(known.get_envs().filter_map(|(name, value)| Some((name, value?))));
        script
            .args(["-qefc", &format!("{program} {command}"), "/dev/null"])
            .env("EDITOR", "sh editor.sh")
            .env("PATH", "/usr/bin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true);
        Terminal { child: script.spawn().unwrap(), shown: String::new() }
    }

    /// Reads until this is on the screen, once more than before.
    pub async fn until(&mut self, text: &str) {
        self.shown.clear();
        let out = self.child.stdout.as_mut().unwrap();
        let mut bytes = [0; 4096];
        while !self.shown.contains(text) {
            let read = tokio::time::timeout(Duration::from_secs(60), out.read(&mut bytes));
            let read = read.await.expect("nothing more is shown").unwrap();
            assert!(read > 0, "it ended without {text:?}:\n{}", self.shown);
            self.shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    pub async fn type_in(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().unwrap();
        input.write_all(text.as_bytes()).await.unwrap();
        input.flush().await.unwrap();
    }

    pub async fn end(mut self) -> i32 {
        self.child.wait().await.unwrap().code().unwrap_or(-1)
    }
}
