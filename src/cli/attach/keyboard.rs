//! The terminal of whoever is typing: every key goes to the machine, sizes are told.

use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};
use terminal_size::{Height, Width, terminal_size};
use tokio::signal::unix::{SignalKind, signal};

/// A terminal in raw mode; as it was again when this is dropped.
pub struct Keyboard {
    before: Termios,
}

impl Keyboard {
    /// Takes the terminal over, if input is one.
    pub fn take() -> Option<Keyboard> {
        let stdin = std::io::stdin();
        if !stdin.is_terminal() {
            return None;
        }
        let before = tcgetattr(stdin.as_fd()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(stdin.as_fd(), OptionalActions::Now, &raw).ok()?;
        Some(Keyboard { before })
    }

    /// Columns and rows now.
    pub fn size() -> (u16, u16) {
        terminal_size().map_or((80, 24), |(Width(columns), Height(rows))| (columns, rows))
    }

    /// Each new size.
    pub fn sizes() -> impl futures::Stream<Item = (u16, u16)> + Unpin {
        let changes = signal(SignalKind::window_change()).ok();
        Box::pin(futures::stream::unfold(changes, async |changes| {
            let mut changes = changes?;
            changes.recv().await?;
            Some((Keyboard::size(), Some(changes)))
        }))
    }
}

impl Drop for Keyboard {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin().as_fd(), OptionalActions::Flush, &self.before);
    }
}

/// `~.` at the beginning of a line leaves a session that hangs, as with ssh.
#[derive(Clone, Copy, Debug)]
pub struct Escape {
    state: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Tilde,
    Within,
}

impl Default for Escape {
    fn default() -> Escape {
        Escape { state: At::LineStart }
    }
}

impl Escape {
    /// Whether the escape is complete with these keys.
    pub fn is_in(&mut self, typed: &[u8]) -> bool {
        for key in typed {
            self.state = match (self.state, key) {
                (At::Tilde, b'.') => return true,
                (_, b'\r' | b'\n') => At::LineStart,
                (At::LineStart, b'~') => At::Tilde,
                _ => At::Within,
            };
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escape_is_known_at_the_beginning_of_a_line_only() {
        for (typed, leaves) in [
            ("~.", true),
            ("ls\r~.", true),
            ("ls ~.", false),
            ("~ .", false),
            ("\r~~.", false),
            ("a\n~.", true),
        ] {
            let mut whole = Escape::default();
            assert_eq!(whole.is_in(typed.as_bytes()), leaves, "{typed:?}");
            let mut single = Escape::default();
            let any = typed.bytes().any(|key| single.is_in(&[key]));
            assert_eq!(any, leaves, "{typed:?} key by key");
        }
    }
}
