//! Ctrl-C, heard once and for the whole of a loop.
//!
//! `tokio::signal::ctrl_c()` made anew in each turn of a loop is deaf between two turns, and then
//! the program can no longer be stopped at all, because the signal's default is switched off.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens from its creation on.
pub struct Interrupt(Option<Signal>);

impl Interrupt {
    pub fn listen() -> Interrupt {
        // Where it cannot be listened for, Ctrl-C ends the process as ever.
        Interrupt(signal(SignalKind::interrupt()).ok())
    }

    /// Ready once somebody pressed Ctrl-C since the creation.
    pub async fn heard(&mut self) {
        match &mut self.0 {
            Some(signal) => {
                signal.recv().await;
            }
            None => std::future::pending().await,
        }
    }
}
