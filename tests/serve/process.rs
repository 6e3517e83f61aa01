//! The program as a child process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

/// Longest wait for anything: a bound against hanging, generous because test machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks at something that is waited for.
pub const LOOK: Duration = Duration::from_millis(100);

/// Waits until `look` has an answer.
pub async fn eventually<T>(what: &str, look: impl AsyncFnMut() -> Option<T>) -> T {
    within(PATIENCE, what, look).await
}

/// The same with another bound.
pub async fn within<T>(
    patience: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = look().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not come about: {what}");
        tokio::time::sleep(LOOK).await;
    }
}

/// How a call ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Variables of a call; nothing else is in its environment but where programs are.
pub type Variables = BTreeMap<String, String>;

fn command(folder: &Path, variables: &Variables, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devpocket"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", folder)
        .env("LANG", "C.UTF-8")
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a call that is expected to end by itself.
pub async fn call(folder: &Path, variables: &Variables, arguments: &[&str]) -> Ended {
    let mut child = command(folder, variables, arguments).spawn().unwrap();
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let deadline = Instant::now() + PATIENCE;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if Instant::now() >= deadline {
            let _ = child.kill();
            panic!("{arguments:?} does not end; it said:\n{}", err.join().unwrap());
        }
        tokio::time::sleep(LOOK).await;
    };
    Ended { code: status.code().unwrap_or(-1), out: out.join().unwrap(), err: err.join().unwrap() }
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        let _ = pipe.expect("the pipe was asked for").read_to_string(&mut text);
        text
    })
}

/// A running `serve`.
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    pub fn start(folder: &Path, variables: &Variables, arguments: &[&str]) -> Process {
        let mut child = command(folder, variables, arguments).spawn().unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let sink = said.clone();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        Process { child, said }
    }

    /// Everything it logged so far.
    pub fn log(&self) -> Vec<String> {
        self.said.lock().unwrap().clone()
    }

    /// The lines that are JSON.
    pub fn entries(&self) -> Vec<Value> {
        self.log().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The first log entry with this text, waited for.
    pub async fn entry(&mut self, text: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let has = |entry: &Value| entry["message"].as_str().is_some_and(|m| m.contains(text));
            if let Some(entry) = self.entries().into_iter().find(has) {
                return entry;
            }
            let ended = self.child.try_wait().unwrap();
            let over = ended.is_some() || Instant::now() >= deadline;
            assert!(!over, "no {text:?} in the log ({ended:?}):\n{}", self.log().join("\n"));
            tokio::time::sleep(LOOK).await;
        }
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; answers how it ended.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.signal("-TERM");
        self.end().await
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    pub async fn end(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the process ends", async || child.try_wait().unwrap()).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(60);
            eprintln!("the process said last:\n{}", log[from..].join("\n"));
        }
    }
}
