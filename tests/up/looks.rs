//! How it looks: on a terminal (tmux is one), and where there is none.

use std::process::{Command, Output};
use std::time::Duration;

use crate::support::{Home, PATIENCE, PROGRAM, Up, free_ports};

/// A terminal of a size, in a tmux of its own.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Runs the line in a terminal of this many columns, which stays open afterwards.
    fn run(name: &str, columns: u16, line: &str) -> Terminal {
        let terminal = Terminal { socket: format!("devpocket-{name}-{}", std::process::id()) };
        let columns = columns.to_string();
        // Ctrl-C goes to the shell, too, which must outlive it.
        let line = format!("trap : INT; {line}; echo ended with $?; exec sleep 600");
        let started =
            terminal.tmux(&["new-session", "-d", "-x", &columns, "-y", "50", "sh", "-c", &line]);
        assert!(started.status.success(), "{started:?}");
        terminal
    }

    fn tmux(&self, words: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket, "-f", "/dev/null"]).args(words).env("LANG", "C.UTF-8");
        command.output().expect("tmux is installed (its package is called tmux)")
    }

    fn keys(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", "0"], keys].concat());
    }

    /// What stands there, lines that the terminal broke joined again.
    fn screen(&self) -> String {
        let output = self.tmux(&["capture-pane", "-p", "-J", "-t", "0"]);
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The screen once it shows this.
    fn screen_with(&self, text: &str) -> String {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(tokio::time::Instant::now() < deadline, "no {text:?} in:\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn line(home: &Home, flags: &str) -> String {
    let [port, simulator, control] = free_ports();
    format!(
        "DEVPOCKET_CONFIG='{}' LANG=C.UTF-8 '{PROGRAM}' up --port {port} --simulator-port \
         {simulator} --control-port {control} --data '{}' {flags}",
        home.config().display(),
        home.data().display(),
    )
}

#[test]
fn on_a_terminal_the_demo_is_one_line_that_is_redrawn() {
    let home = Home::new();
    let terminal = Terminal::run("wide", 100, &line(&home, ""));
    let live = terminal.screen_with(" %  ");
    assert!(live.contains("env/demo  █") && live.contains('░'), "{live}");
    let screen = terminal.screen_with("Ctrl-C stops everything");
    for text in ["  ✓ Postgres", "  ✓ ordered      env/demo  1 × vps-10-nvme in EU (simulated"]
    {
        assert!(screen.contains(text), "{screen}");
    }
    assert!(screen.contains("  ✓ ready        env/demo after "), "{screen}");
    assert!(screen.contains("(on Contabo about 10 min)"), "{screen}");
    assert!(!screen.contains('█') && !screen.contains(" %"), "a live line stayed:\n{screen}");
    let ends: Vec<usize> = screen
        .lines()
        .filter(|line| line.starts_with("  ✓") && line.ends_with(" s"))
        .map(|line| line.chars().count())
        .collect();
    assert!(ends.len() >= 3 && ends.iter().all(|end| *end == ends[0]), "{ends:?}\n{screen}");
    terminal.keys(&["C-c"]);
    let screen = terminal.screen_with("ended with 0");
    assert!(screen.contains("Everything is kept in"), "{screen}");
}

#[test]
fn on_a_narrow_terminal_nothing_wraps() {
    let home = Home::new();
    let terminal = Terminal::run("narrow", 50, &line(&home, ""));
    let screen = terminal.screen_with("In another terminal");
    let above = screen.split("In another terminal").next().unwrap();
    for line in above.lines() {
        assert!(line.chars().count() <= 50, "{line:?} is wrapped\n{screen}");
    }
    assert!(above.contains("✓ ready        env/demo after"), "{screen}");
    terminal.keys(&["C-c"]);
    terminal.screen_with("ended with 0");
}

#[test]
fn a_reset_asks_and_the_answer_counts() {
    let home = Home::new();
    let mut up = Up::start(&home);
    up.line_with("In another terminal");
    up.interrupt();
    let made = |home: &Home| std::fs::read_to_string(home.data().join("admin-token")).unwrap();
    let first = made(&home);

    let terminal = Terminal::run("no", 100, &line(&home, "--reset"));
    terminal.screen_with("Delete everything in");
    terminal.keys(&["Enter"]);
    let screen = terminal.screen_with("ended with 4");
    assert!(screen.contains("nothing was deleted"), "{screen}");
    assert_eq!(made(&home), first);

    let terminal = Terminal::run("yes", 100, &line(&home, "--reset"));
    terminal.screen_with("cannot be brought back. [y/N]");
    terminal.keys(&["y", "Enter"]);
    terminal.screen_with("In another terminal");
    assert_ne!(made(&home), first);
    terminal.keys(&["C-c"]);
    terminal.screen_with("ended with 0");
}

#[test]
fn without_a_terminal_and_without_utf_8_every_line_still_reads() {
    let home = Home::new();
    let mut up = Up::start_with(&home, &["--ephemeral"], &[("LC_ALL", "C")]);
    up.line_with("In another terminal");
    let output = up.interrupt();
    assert!(output.is_ascii(), "{output}");
    for word in ["ok Postgres", "ok DevPocket", "ok ordered", "ok ready"] {
        // Behind the time of day.
        let at = output.lines().filter_map(|line| line.find(word)).next();
        assert_eq!(at, Some(10), "{word}: {output}");
    }
}
