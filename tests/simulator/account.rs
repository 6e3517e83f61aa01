use super::*;

#[tokio::test]
async fn a_purchase_becomes_a_running_machine_as_time_passes() {
    let settings = Settings { speed: 10.0, ..Settings::prompt() };
    let world = World::with(settings, None, TestClock::new()).await;
    let (status, reply) =
        world.send("POST", "/v1/compute/instances", Some(order("env-demo"))).await;
    assert_eq!(status, 201);
    let created = &reply["data"][0];
    assert_eq!(created["status"], "provisioning");
    assert!(created.get("displayName").is_none(), "the order's reply has no name");
    let id = created["instanceId"].as_i64().unwrap();
    assert_eq!(reply["_links"]["self"], format!("/v1/compute/instances/{id}"));

    let early = world.instance(id).await;
    assert_eq!(early["displayName"], "env-demo");
    for hole in ["ipConfig", "name", "macAddress", "ramMb", "vHostName", "cancelDate"] {
        assert_eq!(early.get(hole), Some(&Value::Null), "{hole} is there, and null");
    }
    assert!(early.get("sshKeys").is_none());
    assert!(early["createdDate"].as_str().unwrap().ends_with(":00.000Z"));

    world.clock.advance(SignedDuration::from_secs(8));
    assert_eq!(world.instance(id).await["status"], "installing");
    world.clock.advance(SignedDuration::from_secs(25));
    let running = world.instance(id).await;
    assert_eq!(running["status"], "running");
    assert!(running["ipConfig"]["v4"]["ip"].as_str().unwrap().starts_with("198.18."));
    assert_eq!(running["ramMb"], 8192);

    let ledger = world.control.ledger().await.unwrap();
    assert_eq!((ledger.total_cents, ledger.entries.len()), (550, 1));
}

#[tokio::test]
async fn machines_are_changed_reinstalled_and_cancelled_over_the_wire() {
    let world = World::start().await;
    let id = world.bought("env-demo").await;
    let path = format!("/v1/compute/instances/{id}");
    let (status, reply) =
        world.send("PATCH", &path, Some(json!({ "displayName": "renamed" }))).await;
    assert_eq!((status, &reply["data"][0]["instanceId"]), (200, &json!(id)));
    let (status, reply) = world.send("POST", &format!("{path}/actions/stop"), None).await;
    assert_eq!((status, &reply["data"][0]["action"]), (201, &json!("stop")));
    let view = world.instance(id).await;
    assert_eq!((&view["displayName"], &view["status"]), (&json!("renamed"), &json!("stopped")));

    let image = json!({ "imageId": "0a3f4b06-a104-4917-bc85-11eba40cb6de" });
    assert_eq!(world.send("PUT", &path, Some(image)).await.0, 200);
    assert_eq!(world.instance(id).await["status"], "installing");
    let cancel = format!("{path}/cancel");
    assert_eq!(world.send("POST", &cancel, None).await.0, 400, "a body is required");
    let (status, reply) = world.send("POST", &cancel, Some(json!({}))).await;
    assert_eq!((status, &reply["data"][0]["cancelDate"]), (201, &json!("2026-04-10")));
}

#[tokio::test]
async fn lists_are_paged_and_linked() {
    let world = World::start().await;
    for number in 0..5 {
        world.send("POST", "/v1/compute/instances", Some(order(&format!("env-{number}")))).await;
    }
    let path = "/v1/compute/instances?size=2&status=provisioning&bogus=1&orderBy=timestamp:desc";
    let first = world.get(path).await;
    assert_eq!(
        first["_pagination"],
        json!({ "size": 2, "totalElements": 5, "totalPages": 3, "page": 1 })
    );
    assert_eq!(first["_links"]["previous"], "");
    let mut seen = Vec::new();
    let mut next = path.to_owned();
    while !next.is_empty() {
        let page = world.get(&next).await;
        let items = page["data"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["displayName"].as_str().unwrap().to_owned()));
        next = page["_links"]["next"].as_str().unwrap().to_owned();
    }
    assert_eq!(seen, ["env-0", "env-1", "env-2", "env-3", "env-4"]);

    let empty = world.get("/v1/compute/instances?displayName=nobody").await;
    assert_eq!(empty["data"], json!([]));
    assert_eq!(empty["_pagination"]["totalPages"], 0);
    assert_eq!(empty["_links"]["last"], "");
}

#[tokio::test]
async fn an_order_is_found_in_the_audits_by_its_request_id() {
    let settings = Settings { audit_delay: SignedDuration::from_secs(30), ..Settings::prompt() };
    let world = World::with(settings, None, TestClock::new()).await;
    let request_id = Uuid::new_v4().to_string();
    let request = world
        .http
        .post(format!("{}/v1/compute/instances", world.simulator.api_url()))
        .bearer_auth(&world.token)
        .header("x-request-id", &request_id)
        .header("x-trace-id", "trace-1");
    let reply: Value = request.json(&order("env-a")).send().await.unwrap().json().await.unwrap();
    let path = format!("/v1/compute/instances/audits?requestId={request_id}");
    assert_eq!(world.get(&path).await["data"], json!([]), "not at once");
    world.clock.advance(SignedDuration::from_secs(30));
    let found = world.get(&path).await["data"].clone();
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(found[0]["instanceId"], reply["data"][0]["instanceId"]);
    assert_eq!((&found[0]["action"], &found[0]["traceId"]), (&json!("CREATED"), &json!("trace-1")));
    assert_eq!(found[0]["requestId"], request_id);
}

#[tokio::test]
async fn bad_input_is_refused_in_contabos_shapes_and_costs_nothing() {
    let world = World::start().await;
    let (_, reply) = world
        .send("POST", "/v1/compute/instances", Some(json!({ "period": "1", "imageId": 5 })))
        .await;
    assert_eq!(
        reply,
        json!({
            "statusCode": 400,
            "message": ["imageId must be a string", "period must be an integer number"],
        })
    );
    let mut wrong = order("x");
    wrong["productId"] = json!("V1");
    let (status, reply) = world.send("POST", "/v1/compute/instances", Some(wrong)).await;
    assert_eq!((status, reply["message"].is_string()), (400, true));
    let (status, _) = world.send("POST", "/v1/compute/instances", Some(json!([]))).await;
    assert_eq!(status, 400);
    for (method, path, status) in [
        ("GET", "/v1/compute/instances?page=0", 400),
        ("GET", "/v1/compute/instances?page=x", 400),
        ("GET", "/v1/compute/instances/abc", 400),
        ("GET", "/v1/compute/instances/99999999999999999999", 400),
        ("GET", "/v1/compute/instances/5", 404),
        ("DELETE", "/v1/compute/instances/5", 404),
        ("POST", "/v1/compute/instances/5/actions/explode", 404),
        ("GET", "/v1/nothing", 404),
        ("GET", "/v1", 404),
    ] {
        let (got, reply) = world.send(method, path, None).await;
        assert_eq!((got, reply["statusCode"].as_u64()), (status, Some(status.into())), "{path}");
    }
    let path = format!("{}/v1/compute/images", world.simulator.api_url());
    for request_id in [None, Some("12345")] {
        let mut request = world.http.get(&path).bearer_auth(&world.token);
        if let Some(request_id) = request_id {
            request = request.header("x-request-id", request_id);
        }
        assert_eq!(request.send().await.unwrap().status(), 400);
    }
    let huge = world.request("POST", "/v1/compute/instances").body("x".repeat(2 << 20));
    assert_eq!(huge.send().await.unwrap().status(), 413);
    assert_eq!(world.control.ledger().await.unwrap().total_cents, 0);
}

#[tokio::test]
async fn bodies_of_careless_clients_are_read_as_the_live_api_does_or_refused_as_set() {
    let world = World::start().await;
    let id = world.bought("env-a").await;
    let path = format!("/v1/compute/instances/{id}/snapshots");
    let (_, made) = world.send("POST", &path, Some(json!({ "name": "one" }))).await;
    let snapshot = made["data"][0]["snapshotId"].as_str().unwrap();
    // `null` is an empty body, and a newline at the end is nothing.
    let rollback = world.request("POST", &format!("{path}/{snapshot}/rollback")).body("null");
    assert_eq!(rollback.send().await.unwrap().status(), 200);
    let named = world.request("PATCH", &format!("/v1/compute/instances/{id}"));
    let named = named.body("{\"displayName\":\"b\",\"odd\":1}\n");
    assert_eq!(named.send().await.unwrap().status(), 200, "unknown fields are ignored");
    world.control.change_settings(&json!({ "unknownFields": "refused" })).await.unwrap();
    let odd = json!({ "displayName": "c", "odd": 1 });
    let (status, refused) =
        world.send("PATCH", &format!("/v1/compute/instances/{id}"), Some(odd)).await;
    assert_eq!((status, &refused["message"]), (400, &json!(["property odd should not exist"])));
    assert_eq!(world.instance(id).await["displayName"], "b");
    let empty = world.request("POST", &format!("{path}/{snapshot}/rollback"));
    assert_eq!(empty.send().await.unwrap().status(), 400, "but a body is required");
}
