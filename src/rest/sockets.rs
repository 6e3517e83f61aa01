//! WebSockets that are open: at most so many of one user.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Sockets one user may have open at once, on each replica.
pub const SOCKETS_MAX: usize = 10;

/// How many each user has. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Sockets {
    open: Arc<Mutex<BTreeMap<String, usize>>>,
}

/// One of them; dropped, it counts no more.
#[derive(Debug)]
pub struct Socket {
    sockets: Sockets,
    user: String,
}

impl Sockets {
    /// Room for one more of this user, if there is.
    pub fn open(&self, user: &str) -> Option<Socket> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(user.to_owned()).or_default();
        if *count >= SOCKETS_MAX {
            return None;
        }
        *count += 1;
        Some(Socket { sockets: self.clone(), user: user.to_owned() })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let mut open = self.sockets.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_that_is_closed_makes_room() {
        let sockets = Sockets::default();
        let mut open: Vec<Socket> =
            (0..SOCKETS_MAX).map(|_| sockets.open("ann").unwrap()).collect();
        assert!(sockets.open("ann").is_none() && sockets.open("ben").is_some());
        open.pop();
        assert!(sockets.open("ann").is_some());
    }
}
