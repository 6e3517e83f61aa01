//! What ends `up`: Ctrl-C, SIGTERM, or the terminal being closed.

use std::fs;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::serve::{ServeError, Stop};

/// The bit of SIGHUP in the mask of ignored signals.
const HANGUP_BIT: u64 = 1;

/// Heard from the moment this is made.
pub struct Ending {
    stop: Stop,
    /// Absent under `nohup`, which means it.
    hangup: Option<Signal>,
}

impl Ending {
    pub fn listen() -> Result<Ending, ServeError> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let hangup = if ignores_hangup(&status) {
            None
        } else {
            Some(signal(SignalKind::hangup()).map_err(ServeError::Signals)?)
        };
        Ok(Ending { stop: Stop::listen()?, hangup })
    }

    /// Waits for the first of them.
    pub async fn asked(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(signal) => {
                    signal.recv().await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.stop.asked() => {}
            () = hangup => {}
        }
    }
}

/// Whether `/proc/self/status` says that SIGHUP is ignored.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask & HANGUP_BIT != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_told_from_a_terminal() {
        assert!(ignores_hangup("Name:\tx\nSigIgn:\t0000000000001001\n"));
        assert!(!ignores_hangup("Name:\tx\nSigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }
}
