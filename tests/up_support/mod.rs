//! Runs `devpocket up` in a folder of its own, on ports of its own.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use devpocket::context::Contexts;
use devpocket::simulator::control::ControlClient;
use devpocket_specs::condition;
use devpocket_specs::environment::{Environment, conditions};
use tempfile::TempDir;
use tokio::time::Instant;

/// Longest wait for anything; generous, since test machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A folder for data and settings.
pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Home {
        let folder = tempfile::tempdir().unwrap();
        // As root, Postgres runs as somebody else, who has to get in.
        let open = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        Home { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> PathBuf {
        self.path().join("config.yaml")
    }

    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn has_database(&self) -> bool {
        self.data().join("postgres/data/PG_VERSION").exists()
    }

    pub fn postgres_runs(&self) -> bool {
        self.postmaster().is_some()
    }

    /// The first process of Postgres, while its file is there.
    pub fn postmaster(&self) -> Option<String> {
        let file = std::fs::read_to_string(self.data().join("postgres/data/postmaster.pid"));
        Some(file.ok()?.lines().next()?.trim().to_owned())
    }
}

/// A running `up`.
pub struct Up {
    child: Child,
    lines: Receiver<String>,
    seen: String,
    control: String,
    config: PathBuf,
}

impl Up {
    pub fn start(home: &Home) -> Up {
        let data = home.data().display().to_string();
        Up::start_with(home, &["--data", &data], &[])
    }

    pub fn start_with(home: &Home, flags: &[&str], variables: &[(&str, &str)]) -> Up {
        let ports = free_ports();
        let mut command = command(home, ports);
        command.args(flags).envs(variables.iter().copied());
        Up::spawn(home, command, ports)
    }

    /// Starts this command, which runs `up` on these ports.
    pub fn spawn(home: &Home, mut command: Command, ports: [u16; 3]) -> Up {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let control = format!("http://127.0.0.1:{}", ports[2]);
        Up { child, lines, seen: String::new(), control, config: home.config() }
    }

    /// Runs one that must refuse to start, and answers what it said.
    pub fn refused(home: &Home, flags: &[&str]) -> String {
        Up::refused_on(home, free_ports(), flags, &[])
    }

    /// The same on these ports, with these variables.
    pub fn refused_on(
        home: &Home,
        ports: [u16; 3],
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> String {
        let data = home.data().display().to_string();
        let output = command(home, ports)
            .args(["--data", &data])
            .args(flags)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        assert!(!output.status.success(), "it started");
        String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr)
    }

    /// Everything it printed so far.
    pub fn seen(&self) -> &str {
        &self.seen
    }

    /// The next line that holds this text.
    pub fn line_with(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let mut errors = String::new();
                let _ = self.child.kill();
                if let Some(mut stderr) = self.child.stderr.take() {
                    let _ = stderr.read_to_string(&mut errors);
                }
                panic!("no line with {text:?} came; it printed:\n{}\n{errors}", self.seen);
            };
            self.seen += &line;
            self.seen.push('\n');
            if line.contains(text) {
                return line;
            }
        }
    }

    pub fn control(&self) -> ControlClient {
        ControlClient::new(&self.control).unwrap()
    }

    /// The environment, as the API shows it to whoever has the file's token.
    pub async fn environment(&self, name: &str) -> Environment {
        let contexts = Contexts::load(&self.config).unwrap();
        let (_, context) = contexts.pick(None).unwrap();
        devpocket::crypto::install_provider();
        let path = "kube/apis/devpocket.dev/v1alpha1/namespaces/main/environments";
        let reply = reqwest::Client::new()
            .get(format!("{}/{path}/{name}", context.server))
            .bearer_auth(context.token.reveal())
            .send()
            .await
            .unwrap();
        assert_eq!(reply.status().as_u16(), 200);
        reply.json().await.unwrap()
    }

    pub async fn wait_ready(&self, name: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let environment = self.environment(name).await;
            if condition::is_true(&environment.status.conditions, conditions::READY) {
                return;
            }
            assert!(Instant::now() < deadline, "not ready: {environment:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Runs a line of shell as a person would in another terminal; answers what it printed.
    pub fn shell(&self, line: &str) -> (bool, String) {
        let output = Command::new("sh")
            .args(["-c", line])
            .env("DEVPOCKET_CONFIG", &self.config)
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (output.status.success(), text)
    }

    /// Ctrl-C; answers all it printed.
    pub fn interrupt(mut self) -> String {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let mut seen = std::mem::take(&mut self.seen);
        while let Ok(line) = self.lines.recv_timeout(Duration::from_secs(1)) {
            seen += &line;
            seen.push('\n');
        }
        assert!(status.success(), "it ended with {status}:\n{seen}");
        seen
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // A failed test leaves nothing running: an interrupt lets it stop its Postgres.
        if matches!(self.child.try_wait(), Ok(None)) {
            let pid = self.child.id().to_string();
            let _ = Command::new("kill").args(["-INT", &pid]).status();
            let _ = self.child.wait();
        }
    }
}

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_devpocket");

/// `up` on these ports, with settings of its own.
pub fn command(home: &Home, ports: [u16; 3]) -> Command {
    command_of(Path::new(PROGRAM), home, ports)
}

/// The same, started by another name.
pub fn command_of(program: &Path, home: &Home, [port, simulator, control]: [u16; 3]) -> Command {
    let mut command = Command::new(program);
    command
        .args(["up", "--port", &port.to_string()])
        .args(["--simulator-port", &simulator.to_string()])
        .args(["--control-port", &control.to_string()])
        .env("DEVPOCKET_CONFIG", home.config())
        .env("LANG", "C.UTF-8")
        .stdin(Stdio::null())
        .stderr(Stdio::piped());
    // What the tests themselves are told, `up` would say that it does not read.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CONTABO_") {
            command.env_remove(name);
        }
    }
    command
}

/// Ports nobody uses at the moment.
pub fn free_ports() -> [u16; 3] {
    // Held together, so that they differ.
    let listeners = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// A folder with programs that say they are this Postgres, and do nothing else.
pub fn fake_postgres(folder: &Path, version: &str) -> PathBuf {
    let bin = folder.join("fake-postgres/bin");
    std::fs::create_dir_all(&bin).unwrap();
    for program in ["postgres", "initdb", "pg_ctl"] {
        let path = bin.join(program);
        std::fs::write(&path, format!("#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n"))
            .unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    bin
}
