//! Every bound of the server, in one place.

use std::time::Duration;

/// Connections served at a time; more wait in the kernel's queue.
pub const CONNECTIONS: usize = 4096;
/// Header fields of a request.
pub const HEADERS: usize = 64;
/// Bytes of a request line and headers together.
pub const HEADER_BYTES: usize = 64 * 1024;
/// Bytes read ahead on a connection.
pub const READ_BYTES: usize = 128 * 1024;
/// How long a client may take to send its headers.
pub const HEADER_TIME: Duration = Duration::from_secs(15);
/// Bytes of a request body; etcd's limit for an object, which Kubernetes inherits, is 1.5 MiB.
pub const BODY_BYTES: usize = 1024 * 1024;
/// How long a client may take to send its body.
pub const BODY_TIME: Duration = Duration::from_secs(30);
/// How long requests under way may take to finish once the server stops.
pub const DRAIN: Duration = Duration::from_secs(10);
/// Pause after `accept` failed, which it does when the process has no file descriptor left.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Characters of a request id that a client chose.
pub const REQUEST_ID_CHARS: usize = 128;
/// How long one readiness probe may take.
pub const PROBE: Duration = Duration::from_secs(2);
