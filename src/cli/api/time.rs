//! What time it is at the server.
//!
//! Ages and ends are counted from the server's records, so they are counted by the server's clock:
//! a laptop's may be wrong, and that of a simulated world may be a month ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use devpocket_controllers::clock::Clock as _;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, HeaderMap};

use crate::clock::SystemClock;

/// `Date` has whole seconds, and an answer takes a moment: less than this is no difference.
const NOISE: u64 = 2;

/// The own clock, corrected by what the server last said. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ServerTime {
    clock: SystemClock,
    /// Seconds the server is ahead.
    ahead: Arc<AtomicI64>,
}

impl ServerTime {
    /// As far as the server was asked yet; the own time before.
    pub fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        self.clock.now().saturating_add(ahead).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn learn(&self, headers: &HeaderMap) {
        let text = headers.get(DATE).and_then(|date| date.to_str().ok());
        let parser = jiff::fmt::rfc2822::DateTimeParser::new();
        let Some(there) = text.and_then(|text| parser.parse_timestamp(text).ok()) else { return };
        // `Date` leaves the part of a second away: upwards is nearer.
        let ahead = there.duration_since(self.clock.now());
        let ahead = ahead.as_secs() + i64::from(ahead.subsec_nanos() > 0);
        if ahead.abs_diff(self.ahead.load(Ordering::Relaxed)) >= NOISE {
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &'static str) -> ServerTime {
        let time = ServerTime::default();
        let mut headers = HeaderMap::new();
        headers.insert(DATE, text.parse().unwrap());
        time.learn(&headers);
        time
    }

    #[test]
    fn the_time_is_the_servers() {
        let time = said("Fri, 01 Jan 2100 12:00:00 GMT");
        let noon: Timestamp = "2100-01-01T12:00:00Z".parse().unwrap();
        assert!(time.clone().now().duration_since(noon).abs() < SignedDuration::from_mins(1));
    }

    #[test]
    fn what_is_no_time_changes_nothing() {
        let here = SystemClock::new().now();
        for text in ["", "yesterday"] {
            let now = said(text).now();
            assert!(now.duration_since(here) < SignedDuration::from_mins(1), "{text:?}");
        }
    }
}
