//! DevPocket's client in front of a server that answers anything: truncated, mistyped, oversized,
//! reordered. It never falls over, never takes a short list for a whole one, and never reports a
//! mutation as refused or unsent when it may have happened.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use devpocket::clock::{RandomIds, SystemClock};
use devpocket::contabo::{ContaboClient, ContaboConfig, Credentials, READ_TIMEOUT, Sensitive};
use devpocket_controllers::cloud::{AuditLog, AuditQuery, Call, Cloud, CloudError, Priority};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, TestRunner};

use super::client::wanted;
use super::*;

/// Replies tried.
const REPLIES: usize = 300;
/// Refusals: with these, nothing happened.
const REFUSALS: [u16; 8] = [400, 401, 402, 403, 404, 405, 415, 422];

type Answer = Arc<Mutex<(u16, Vec<u8>)>>;

async fn answer(State(answer): State<Answer>) -> Response {
    let (status, body) = answer.lock().unwrap().clone();
    (StatusCode::from_u16(status).unwrap(), body).into_response()
}

struct Rig {
    answer: Answer,
    client: ContaboClient,
    clock: SystemClock,
}

impl Rig {
    async fn start() -> Rig {
        let answer = Answer::default();
        let token = r#"{"access_token":"a.b.c","expires_in":300}"#;
        let router = Router::new()
            .route("/token", axum::routing::post(move || async move { token }))
            .fallback(self::answer)
            .with_state(answer.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let clock = SystemClock::new();
        let config = ContaboConfig {
            api_url: format!("http://{address}"),
            auth_url: format!("http://{address}/token"),
            credentials: Credentials {
                client_id: CLIENT_ID.to_owned(),
                client_secret: Sensitive::new(CLIENT_SECRET),
                username: API_USER.to_owned(),
                password: Sensitive::new(API_PASSWORD),
            },
            simulated: true,
            patience: READ_TIMEOUT,
        };
        let client =
            ContaboClient::new(config, Arc::new(clock.clone()), Arc::new(RandomIds)).unwrap();
        Rig { answer, client, clock }
    }

    /// What is answered from now on.
    fn will_answer(&self, status: u16, body: Vec<u8>) {
        *self.answer.lock().unwrap() = (status, body);
    }

    /// The client, once its limiter has forgotten a 429.
    fn rested(&self) -> &ContaboClient {
        self.clock.advance(Duration::from_secs(61));
        &self.client
    }
}

fn call() -> Call {
    Call {
        request_id: Uuid::new_v4(),
        trace_id: "devpocket-test".to_owned(),
        priority: Priority::Person,
        timeout: Duration::from_secs(20),
    }
}

fn instance(number: i64) -> Value {
    json!({ "instanceId": 100 + number, "status": "running", "name": null, "displayName": "web",
        "productId": "V91", "region": "EU", "cancelDate": null, "ipConfig": null, "ramMb": 8192 })
}

/// A good page of instances.
fn page() -> Value {
    let data: Vec<Value> = (0..4).map(instance).collect();
    json!({ "data": data, "_links": { "self": "" },
        "_pagination": { "size": 100, "totalElements": 4, "totalPages": 1, "page": 1 } })
}

/// A good page, and what is done to it.
fn spoiled() -> impl Strategy<Value = Vec<u8>> {
    let field = prop::sample::select(vec![
        "instanceId",
        "status",
        "name",
        "displayName",
        "cancelDate",
        "ipConfig",
        "ramMb",
        "region",
    ]);
    let odd = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(json!([])),
        Just(json!({ "value": 7 })),
        Just(json!(1e300)),
    ];
    let mistyped = (0usize..4, field.clone(), odd.clone()).prop_map(|(at, field, odd)| {
        let mut reply = page();
        reply["data"][at][field] = odd;
        reply.to_string().into_bytes()
    });
    let counts = (prop::sample::select(vec!["totalPages", "totalElements", "page"]), odd.clone())
        .prop_map(|(field, odd)| {
            let mut reply = page();
            reply["_pagination"][field] = odd;
            reply.to_string().into_bytes()
        });
    let absent = (0usize..4, field).prop_map(|(at, field)| {
        let mut reply = page();
        reply["data"][at].as_object_mut().unwrap().remove(field);
        reply.to_string().into_bytes()
    });
    let truncated = (0.0f64..1.0).prop_map(|part| {
        let bytes = page().to_string().into_bytes();
        bytes[..(bytes.len() as f64 * part) as usize].to_vec()
    });
    let reordered = Just(()).prop_perturb(|(), mut random| {
        let mut reply = page();
        let data = reply["data"].as_array_mut().unwrap();
        for at in (1..data.len()).rev() {
            data.swap(at, random.random_range(0..=at));
        }
        reply.to_string().into_bytes()
    });
    let other = odd.prop_map(|odd| odd.to_string().into_bytes());
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    prop_oneof![3 => mistyped, 2 => counts, 2 => absent, 2 => truncated, 1 => reordered, 1 => other,
        1 => noise]
}

fn statuses() -> impl Strategy<Value = u16> {
    prop_oneof![
        4 => Just(200u16),
        2 => Just(201u16),
        2 => prop::sample::select(&REFUSALS[..]),
        1 => prop::sample::select(&[204u16, 301, 409, 418, 429, 500, 502, 503, 504][..]),
    ]
}

#[tokio::test]
async fn whatever_is_answered_a_mutation_is_never_taken_for_one_that_did_not_happen() {
    let rig = Rig::start().await;
    let mut runner = TestRunner::new(Config::default());
    for _ in 0..REPLIES {
        let body = spoiled().new_tree(&mut runner).unwrap().current();
        let status = statuses().new_tree(&mut runner).unwrap().current();
        let shown = String::from_utf8_lossy(&body).into_owned();
        rig.will_answer(status, body.clone());
        match rig.rested().order(&wanted("x"), &call()).await {
            Ok(ordered) => {
                assert!((200..300).contains(&status) && ordered.instance_id > 0, "{shown}");
            }
            Err(CloudError::Rejected { code, .. }) => assert!(REFUSALS.contains(&code), "{code}"),
            Err(error) => assert!(matches!(error, CloudError::Unknown { .. }), "{status} {error}"),
        }
        if let Ok(list) = rig.rested().instances(1).await {
            let sent: Value = serde_json::from_slice(&body).expect("it was understood");
            let data = sent["data"].as_array().expect("a list");
            assert_eq!(list.items.len(), data.len(), "no element is dropped: {shown}");
            assert!(list.items.iter().all(|one| one.id > 0 && !one.status.is_empty()), "{shown}");
        }
        let query = AuditQuery { page: 1, ..AuditQuery::default() };
        let _ = rig.rested().audits(AuditLog::Instances, &query).await;
        let _ = rig.rested().snapshots(5, 1).await;
        let _ = rig.rested().secrets(1).await;
        let taken = rig.rested().take_snapshot(5, "s", None, &call()).await;
        let sure = matches!(taken, Ok(_) | Err(CloudError::Rejected { .. }));
        assert!(sure || matches!(taken, Err(CloudError::Unknown { .. })), "{status} {taken:?}");
    }
}

#[tokio::test]
async fn a_reply_without_end_is_cut_off_and_is_no_answer() {
    let rig = Rig::start().await;
    let mut huge = page();
    huge["padding"] = json!("x".repeat(9 * 1024 * 1024));
    rig.will_answer(200, huge.to_string().into_bytes());
    let list = rig.rested().instances(1).await;
    assert!(matches!(list, Err(CloudError::BadReply { .. })), "{list:?}");
    let order = rig.rested().order(&wanted("x"), &call()).await;
    assert!(matches!(order, Err(CloudError::Unknown { .. })), "{order:?}");
}
