//! Whose request it is: the client's address, as told by proxies that are ours and by nobody else.
//!
//! Anybody can send `X-Forwarded-For`, `Forwarded` or `X-Real-IP`. Only the first is read, only when
//! the connection comes from a configured proxy, and only from the right: each proxy appends who it
//! heard, so what stands left of the first address that is not ours was written by the client.

use std::net::IpAddr;

use axum::http::HeaderMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const FORWARDED_FOR: &str = "x-forwarded-for";
/// What is counted together of IPv6: a household or a machine has at least that much.
const V6_PREFIX: u8 = 64;

/// Where a request came from: in audits, in limits, and in logs. Never an address that the client
/// made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddress(pub IpAddr);

impl ClientAddress {
    /// What is counted together: an IPv4 address, or the /64 of an IPv6 address.
    pub fn network(self) -> IpNet {
        match self.0 {
            IpAddr::V4(address) => Ipv4Net::from(address).into(),
            IpAddr::V6(address) => {
                let net = Ipv6Net::new(address, V6_PREFIX).expect("64 is at most 128");
                net.trunc().into()
            }
        }
    }
}

impl std::fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The proxies that are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<IpNet>);

impl Proxies {
    /// Addresses and networks (`10.0.0.0/8`), by comma or white space.
    pub fn read(text: &str) -> Result<Proxies, String> {
        let words = text.split([',', ' ', '\t', '\n']).filter(|word| !word.is_empty());
        words.map(network).collect::<Result<Vec<IpNet>, String>>().map(Proxies)
    }

    /// A proxy on this computer.
    pub fn on_loopback() -> Proxies {
        Proxies::read("127.0.0.0/8 ::1").expect("both are networks")
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|net| net.contains(&address))
    }

    /// The client behind this connection.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let hops = lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(','));
        for hop in hops {
            if !self.has(client) {
                break;
            }
            // What one of our proxies could not name: the proxy itself is the last that is known.
            let Some(next) = address(hop) else { break };
            client = next;
        }
        ClientAddress(client)
    }
}

/// `192.0.2.7`, `192.0.2.7:443`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:443`.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    if let Some(rest) = hop.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':').or(port.is_empty().then_some(""))?;
        return is_port(port).then(|| host.parse().ok())?;
    }
    if let Ok(address) = hop.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (host, port) = hop.split_once(':')?;
    let host: std::net::Ipv4Addr = host.parse().ok()?;
    (!port.is_empty() && is_port(port)).then_some(IpAddr::V4(host))
}

fn is_port(text: &str) -> bool {
    text.is_empty() || (text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok())
}

fn network(word: &str) -> Result<IpNet, String> {
    if let Ok(address) = word.parse::<IpAddr>() {
        return Ok(address.to_canonical().into());
    }
    let net: IpNet = word.parse().map_err(|_| format!("{word:?} is no address or network"))?;
    if net.prefix_len() == 0 {
        return Err(format!("{word:?} is everybody: then anybody could say who they are"));
    }
    if net.trunc() != net {
        return Err(format!("{word:?} has bits beyond its prefix; the network is {}", net.trunc()));
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn client(proxies: &str, peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, line.parse().unwrap());
        }
        let proxies = Proxies::read(proxies).unwrap();
        proxies.client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn only_configured_proxies_are_believed() {
        for (proxies, peer, lines, expected) in [
            ("", "127.0.0.1", vec!["192.0.2.7"], "127.0.0.1"),
            ("10.0.0.0/8", "203.0.113.9", vec!["192.0.2.7"], "203.0.113.9"),
            ("10.0.0.0/8", "10.1.2.3", vec!["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", vec!["192.0.2.7"], "192.0.2.7"),
            ("10.0.0.0/8", "10.1.2.3", vec![], "10.1.2.3"),
            // What the client wrote itself stands on the left.
            ("10.0.0.0/8", "10.1.2.3", vec!["127.0.0.1, 10.9.9.9, 192.0.2.7"], "192.0.2.7"),
            ("10.0.0.0/8", "10.1.2.3", vec!["198.51.100.1", "192.0.2.7, 10.4.4.4"], "192.0.2.7"),
            ("10.0.0.0/8", "10.1.2.3", vec!["192.0.2.7, unknown"], "10.1.2.3"),
            ("10.0.0.0/8", "10.1.2.3", vec!["192.0.2.7,, 10.4.4.4"], "10.4.4.4"),
            ("10.0.0.0/8", "10.1.2.3", vec!["10.4.4.4, 10.5.5.5"], "10.4.4.4"),
            ("10.0.0.0/8 ::1", "::1", vec!["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::1", "::1", vec!["192.0.2.7:4711"], "192.0.2.7"),
        ] {
            assert_eq!(client(proxies, peer, &lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_household_of_ipv6_is_counted_as_one_and_ipv4_by_address() {
        let net = |text: &str| ClientAddress(text.parse().unwrap()).network().to_string();
        assert_eq!(net("2001:db8:1:2:3::4"), "2001:db8:1:2::/64");
        assert_eq!(net("192.0.2.7"), "192.0.2.7/32");
    }

    #[test]
    fn networks_that_would_believe_too_many_are_refused() {
        for wrong in ["0.0.0.0/0", "::/0", "10.0.0.1/8", "example.com", "10.0.0.0/33", "10.0.0"] {
            assert!(Proxies::read(wrong).is_err(), "{wrong}");
        }
        assert!(Proxies::read(" , ").unwrap().is_empty());
    }

    proptest! {
        /// Whatever the client sends, behind our proxy it is who the proxy heard.
        #[test]
        fn nothing_a_client_writes_changes_who_it_is(forged in "[ -~]{0,200}") {
            let line = format!("{forged}, 192.0.2.7");
            prop_assert_eq!(client("10.0.0.0/8", "10.1.2.3", &[&line]), "192.0.2.7");
            prop_assert_eq!(client("10.0.0.0/8", "10.1.2.3", &[&forged, "192.0.2.7"]), "192.0.2.7");
            prop_assert_eq!(client("10.0.0.0/8", "203.0.113.9", &[&line]), "203.0.113.9");
        }

        #[test]
        fn no_text_makes_the_parsers_fall_over(text in "\\PC*") {
            let _ = (Proxies::read(&text), address(&text));
        }

        #[test]
        fn every_address_is_read_back_with_and_without_a_port(bits: u128, port: u16, v6: bool) {
            let ip = match v6 {
                true => IpAddr::V6(bits.into()).to_canonical(),
                false => IpAddr::V4((bits as u32).into()),
            };
            let with_port = std::net::SocketAddr::new(ip, port).to_string();
            prop_assert_eq!(address(&ip.to_string()), Some(ip));
            prop_assert_eq!(address(&with_port), Some(ip));
        }
    }
}
