//! Whatever is sent to either port, the simulator answers, keeps its books, and goes on.

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;

use super::*;

/// Requests sent in one run.
const REQUESTS: u32 = 400;

/// Fields that mean something somewhere.
const FIELDS: &[&str] = &[
    "imageId",
    "productId",
    "period",
    "displayName",
    "userData",
    "sshKeys",
    "rootPassword",
    "addOns",
    "name",
    "value",
    "type",
    "color",
    "description",
    "cancelDate",
    "url",
    "osType",
    "version",
    "region",
    "backup",
    "by",
    "instance",
    "action",
    "on",
    "kind",
    "how",
    "times",
    "skip",
    "probability",
    "speed",
    "tokenSeconds",
    "listLag",
    "rateLimit",
    "date",
    "message",
    "periods",
    "defaultPageSize",
    "maxPageSize",
    "customImageMb",
    "outcome",
];
const API: &[&str] = &[
    "/v1/compute/instances",
    "/v1/compute/instances/{}",
    "/v1/compute/instances/{}/cancel",
    "/v1/compute/instances/{}/upgrade",
    "/v1/compute/instances/{}/actions/{}",
    "/v1/compute/instances/{}/snapshots",
    "/v1/compute/instances/{}/snapshots/{}",
    "/v1/compute/instances/{}/snapshots/{}/rollback",
    "/v1/compute/images",
    "/v1/compute/images/{}",
    "/v1/secrets",
    "/v1/secrets/{}",
    "/v1/tags",
    "/v1/tags/{}",
    "/v1/tags/{}/assignments/{}/{}",
    "/v1/private-networks",
    "/v1/private-networks/{}",
    "/v1/private-networks/{}/instances/{}",
    "/v1/compute/instances/audits?startDate={}",
    "/v1/compute/instances?page={}&size={}&instanceIds={}",
    "/v1/data-centers?page={}",
    "/{}",
    "/auth/realms/contabo/protocol/openid-connect/token",
];
const CONTROL: &[&str] = &[
    "/faults",
    "/faults/{}",
    "/panel",
    "/panel/purchase",
    "/settings",
    "/clock/advance",
    "/instances/{}",
    "/instances?match={}",
    "/calls?last={}",
    "/scenario",
    "/state",
    "/{}",
    "/tokens/revoke",
];
const METHODS: &[&str] = &["GET", "POST", "PATCH", "PUT", "DELETE"];

#[derive(Clone, Debug)]
struct Shot {
    control: bool,
    method: &'static str,
    path: String,
    body: Vec<u8>,
    request_id: String,
}

/// A piece of a path or of JSON that a client could get wrong.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("1".to_owned()),
        Just("0".to_owned()),
        Just("-1".to_owned()),
        Just("9223372036854775807".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("snap1".to_owned()),
        Just("%00%ff%".to_owned()),
        Just("..%2f..".to_owned()),
        Just(String::new()),
        "[a-z0-9%/._-]{0,12}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any::<String>().prop_map(Value::from),
        Just(json!("V91")),
        Just(json!("d64d5c6c-9dda-4e38-8174-0ee282474d8a")),
        Just(json!("create-instance")),
        Just(json!("P30D")),
        Just(json!("lose")),
        Just(json!("reset")),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(field(), inner, 0..4).prop_map(|map| json!(map)),
        ]
    })
}

fn field() -> impl Strategy<Value = String> {
    prop_oneof![8 => prop::sample::select(FIELDS).prop_map(str::to_owned), 1 => any::<String>()]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let object = prop::collection::btree_map(field(), value(), 0..6);
    prop_oneof![
        6 => object.prop_map(|map| json!(map).to_string().into_bytes()),
        1 => value().prop_map(|value| value.to_string().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..64),
        1 => Just(b"null".to_vec()),
        1 => Just(Vec::new()),
        1 => Just(br#"{"period":1,"displayName":"env"}"#.to_vec()),
    ]
}

fn shots() -> impl Strategy<Value = Shot> {
    let id = prop_oneof![
        6 => Just("04e0f898-37b4-48bc-a794-1a57abe6aa31".to_owned()),
        1 => "[ -~]{0,40}",
    ];
    let target = prop_oneof![
        3 => prop::sample::select(API).prop_map(|path| (false, path)),
        1 => prop::sample::select(CONTROL).prop_map(|path| (true, path)),
    ];
    let pieces = prop::collection::vec(piece(), 3);
    (target, prop::sample::select(METHODS), pieces, body(), id).prop_map(
        |((control, template), method, pieces, body, request_id)| {
            let path = pieces
                .iter()
                .fold(template.to_owned(), |path, piece| path.replacen("{}", piece, 1));
            Shot { control, method, path, body, request_id }
        },
    )
}

#[tokio::test]
async fn nothing_that_is_sent_stops_the_simulator_or_spoils_its_books() {
    let mut world = World::start().await;
    world.bought("env-a").await;
    let mut runner = TestRunner::new(Config::default());
    // Faults that were armed by chance may reset or delay what is sent; hanging is cut short.
    let http = reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    for number in 0..REQUESTS {
        let shot = shots().new_tree(&mut runner).unwrap().current();
        let base = match shot.control {
            true => world.simulator.control_url(),
            false => world.simulator.api_url(),
        };
        let Ok(url) = reqwest::Url::parse(&format!("{base}{}", shot.path)) else { continue };
        let method: Method = shot.method.parse().unwrap();
        let request = http.request(method, url).bearer_auth(&world.token).body(shot.body.clone());
        let sent = request.header("x-request-id", &shot.request_id).send().await;
        if let Ok(response) = sent {
            let status = response.status().as_u16();
            let is_json = response.bytes().await.is_ok();
            assert!(status != 500 || !shot.control || is_json, "{shot:?}");
        }
        if number % 20 == 19 {
            world.control.disarm_all().await.unwrap_or_else(|error| panic!("{error}: {shot:?}"));
            world.control.scenario(devpocket::simulator::control::Scenario::Normal).await.unwrap();
            world.sign_in().await;
        }
    }
    world.control.disarm_all().await.unwrap();
    let ledger = world.control.ledger().await.unwrap();
    assert_eq!(ledger.entries.iter().map(|entry| entry.cents).sum::<i64>(), ledger.total_cents);
    let model = world.simulator.inspect(|model| model.check()).await;
    assert_eq!(model, Some(Ok(())), "the account is one that can be");
    let paid: Vec<i64> = ledger.entries.iter().map(|entry| entry.instance_id).collect();
    for instance in world.control.instances().await.unwrap() {
        assert!(paid.contains(&instance.instance_id), "a machine that nobody paid");
    }
    let journal = world.control.journal().await.unwrap();
    devpocket::simulator::replay(&journal).unwrap();
}
