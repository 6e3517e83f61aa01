//! The addresses of the computer this runs on, to recognise it among the account's machines.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// All of its addresses. Empty where the system does not tell them: then no machine is recognised,
/// which is said of none of them.
pub fn addresses() -> BTreeSet<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces.into_iter().map(|interface| interface.ip()).collect()
}
