//! What stands between the network and the handlers, as configured.

use super::address::Proxies;
use super::certificate::FileTls;
use super::limiter::Limiter;

/// Settings of the edge. The default is a server on loopback: no proxy, no limits, no name.
#[derive(Default)]
pub struct Edge {
    /// Whose word about the client's address is taken.
    pub proxies: Proxies,
    /// None: nobody is limited.
    pub limiter: Option<Limiter>,
    /// Whether browsers reach this server by https only, and may be told to keep to that.
    pub https: bool,
    /// The certificate this server speaks TLS with, if it is one from files.
    pub certificate: Option<FileTls>,
    /// Where people reach this server, without a slash at the end.
    pub public_url: Option<String>,
}
