//! What `up` prints. It is its answer, so it goes to stdout; logs go to stderr.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

/// Width to which a line's text is padded, so that the times stand under each other.
const TEXT_WIDTH: usize = 58;

/// The terminal, or whatever stands in its place.
pub struct Screen {
    utf8: bool,
    colour: bool,
}

impl Screen {
    pub fn new() -> Screen {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
        let utf8 = locale.is_none_or(|locale| locale.to_ascii_lowercase().contains("utf"));
        let colour = io::stdout().is_terminal() && set("NO_COLOR").is_none();
        Screen { utf8, colour }
    }

    pub fn start(&self) -> Instant {
        start()
    }

    pub fn hello(&self) {
        self.print(&format!(
            "DevPocket {} on this computer. Contabo is simulated: nothing here costs money.",
            env!("CARGO_PKG_VERSION")
        ));
        let set: Vec<String> =
            std::env::vars().map(|(name, _)| name).filter(|n| n.starts_with("CONTABO_")).collect();
        if !set.is_empty() {
            self.note(&format!("{} set, and not read: `up` never does.", set.join(", ")));
        }
    }

    pub fn note(&self, text: &str) {
        self.print(&format!("  {text}"));
    }

    /// Asks before everything kept is deleted. Only on a terminal; the default is no.
    pub fn confirm_reset(&self, folder: &Path) -> bool {
        if !io::stdin().is_terminal() {
            self.print("Nobody can be asked here. To start over without a question:");
            self.print("  devpocket up --reset --yes");
            return false;
        }
        print!("Delete everything in {}? It cannot be brought back. [y/N] ", folder.display());
        let _ = io::stdout().flush();
        let mut answer = String::new();
        let _ = io::stdin().lock().read_line(&mut answer);
        matches!(answer.trim(), "y" | "Y" | "yes")
    }

    pub fn postgres(&self, started: Instant, major: u32, folder: &Path) {
        self.done(started, &format!("Postgres {major}"), &format!("data in {}", short(folder)));
    }

    pub fn devpocket(&self, started: Instant, api: SocketAddr, contabo: SocketAddr) {
        let text = format!("http://{api}  simulator on :{}", contabo.port());
        self.done(started, "DevPocket", &text);
    }

    /// A step that is done, with the time it took.
    pub fn done(&self, started: Instant, word: &str, text: &str) {
        let took = started.elapsed().as_secs_f64();
        let line = format!("{word:<12} {text}");
        self.print(&format!("  {} {line:<TEXT_WIDTH$} {took:>5.1} s", self.green(self.check())));
    }

    /// Something under way.
    pub fn under_way(&self, word: &str, text: &str) {
        let sign = if self.utf8 { "●" } else { ".." };
        self.print(&format!("  {sign} {word:<12} {text}"));
    }

    pub fn print(&self, line: &str) {
        // A reader that went away (`up | head`) must not end the work.
        let _ = writeln!(io::stdout(), "{line}");
    }

    pub fn stopping(&self) {
        self.print("Stopping: what was begun is finished first.");
    }

    pub fn stopped(&self, folder: &Path, ephemeral: bool) {
        match ephemeral {
            true => self.print("Stopped. Nothing is kept."),
            false => self.print(&format!("Stopped. Everything is kept in {}.", short(folder))),
        }
    }

    fn check(&self) -> &'static str {
        if self.utf8 { "✓" } else { "ok" }
    }

    fn green(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[32m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// The only use of real time here: how long a step took, for people.
#[allow(clippy::disallowed_methods)]
pub fn start() -> Instant {
    Instant::now()
}

/// A path as people write it.
fn short(path: &Path) -> String {
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    match home.and_then(|home| path.strip_prefix(home).ok().map(Path::to_owned)) {
        Some(rest) => format!("~/{}", rest.display()),
        None => path.display().to_string(),
    }
}
