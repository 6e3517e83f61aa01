//! Who a request is from, whatever it says about itself.

use devpocket::server::limiter::{Rules, WINDOW};

use super::world::{Setup, World};

/// Everything a client can try in order to look like somebody else.
const FORGED: [(&str, &str); 4] = [
    ("x-real-ip", "198.51.100.1"),
    ("forwarded", "for=198.51.100.1;proto=https"),
    ("cf-connecting-ip", "198.51.100.1"),
    ("true-client-ip", "198.51.100.1"),
];

async fn audited(proxies: &'static str, forwarded: &[&str]) -> String {
    let world = World::start(Setup { proxies, ..Setup::default() }).await;
    let mut headers = FORGED.to_vec();
    headers.extend(forwarded.iter().map(|line| ("x-forwarded-for", *line)));
    let made = world.create("team-a", &headers).await;
    assert_eq!(made.code, 201, "{made:?}");
    let address = world.store.journal().last().unwrap().actor.address.clone();
    world.stop().await;
    address.expect("an audit says from where")
}

#[tokio::test]
async fn the_audit_has_the_address_that_a_proxy_of_ours_heard() {
    assert_eq!(audited("", &["203.0.113.7"]).await, "127.0.0.1", "nobody is believed");
    assert_eq!(audited("10.0.0.0/8", &["203.0.113.7"]).await, "127.0.0.1", "not this proxy");
    let behind = "127.0.0.0/8, 10.0.0.0/8";
    for (lines, expected) in [
        (vec!["203.0.113.7"], "203.0.113.7"),
        (vec!["198.51.100.1, 203.0.113.7, 10.0.0.4"], "203.0.113.7"),
        (vec!["198.51.100.1", "203.0.113.7"], "203.0.113.7"),
        (vec!["127.0.0.1, 203.0.113.7"], "203.0.113.7"),
        (vec!["2001:db8::7"], "2001:db8::7"),
        (vec!["203.0.113.7, not-an-address"], "127.0.0.1"),
        (vec![], "127.0.0.1"),
    ] {
        assert_eq!(audited(behind, &lines).await, expected, "{lines:?}");
    }
}

#[tokio::test]
async fn limits_count_clients_behind_a_proxy_apart_and_ipv6_by_network() {
    let rules = Some(Rules::new(WINDOW, 5, 2, 100));
    let world = World::start(Setup { rules, proxies: "127.0.0.1", ..Setup::default() }).await;
    let ask = async |client: &str| {
        let request = world.request(reqwest::Method::GET, "/kube/version");
        super::world::answer(request.header("x-forwarded-for", client)).await.code
    };
    for client in ["203.0.113.7", "203.0.113.8", "2001:db8:0:1::1"] {
        assert_eq!((ask(client).await, ask(client).await, ask(client).await), (401, 401, 429));
    }
    assert_eq!(ask("2001:db8:0:1:ffff::2").await, 429, "the same household");
    assert_eq!(ask("2001:db8:0:2::1").await, 401, "another one");
    // What a client writes in front of what the proxy appends buys no budget.
    assert_eq!(ask("198.51.100.77, 203.0.113.7").await, 429);
    world.stop().await;
}
