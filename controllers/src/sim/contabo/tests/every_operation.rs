//! Each mutation, under each way to lose a reply, and under the same ways without effect.

use super::*;

/// The five flavours: closed, hanging, a gateway's 5xx, broken JSON, and 429.
const FLAVOURS: [&str; 9] =
    ["reset", "hang", "500", "502", "504", "truncated", "mistyped", "429", "429:30"];

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// An account with one of everything, and a request for each mutation that is accepted there.
struct Stage {
    client: Client,
    requests: Vec<Request>,
}

fn password() -> SecretBody {
    SecretBody { name: text("p"), value: text("Three123digits!"), kind: text("password") }
}

fn image() -> ImageBody {
    ImageBody {
        name: text("i"),
        description: None,
        url: text("https://example.com/a.iso"),
        os_type: text("Linux"),
        version: text("1"),
    }
}

fn stage() -> Stage {
    let mut client = Client::new(Settings::prompt());
    let mut buy = |name: &str| {
        let body = CreateInstance { product_id: text("V159"), ..order(name) };
        match client.send(Request::CreateInstance(Box::new(body))).body {
            Body::Created(view) => view.instance_id,
            other => panic!("{other:?}"),
        }
    };
    let (id, member, tagged) = (buy("a"), buy("member"), buy("tagged"));
    client.wait(SignedDuration::from_mins(10));
    let networking = UpgradeInstance { private_networking: true, backup: false };
    for instance_id in [member, tagged] {
        client.send(Request::UpgradeInstance { instance_id, body: networking });
    }
    let body = SnapshotBody { name: text("s"), description: None };
    client.send(Request::CreateSnapshot { instance_id: id, body: body.clone() });
    let snapshot_id = client.contabo.snapshots().next().unwrap().snapshot_id.clone();
    let Body::ImageCreated(made) = client.send(Request::CreateImage(image())).body else {
        panic!()
    };
    client.send(Request::CreateSecret(password()));
    let tag = |name: &str| TagBody { name: text(name), color: text("#000"), description: None };
    for name in ["free", "used"] {
        client.send(Request::CreateTag(tag(name)));
    }
    let on = |instance: i64| Assignment {
        tag_id: 2,
        resource_type: "instance".to_owned(),
        resource_id: instance.to_string(),
    };
    client.send(Request::CreateAssignment { assignment: on(tagged) });
    let network = NetworkBody { name: text("n"), ..NetworkBody::default() };
    for _ in 0..2 {
        client.send(Request::CreateNetwork(network.clone()));
    }
    client.send(Request::JoinNetwork { network_id: 1, instance_id: member });
    let act = |action: Action| Request::Act { instance_id: id, action, body: Box::default() };
    let image_id = made.image_id;
    let reinstall = ReinstallInstance { image_id: text(DEFAULT_IMAGE), ..Default::default() };
    let requests = vec![
        Request::CreateInstance(Box::new(order("b"))),
        Request::PatchInstance { instance_id: id, body: PatchInstance { display_name: text("c") } },
        Request::ReinstallInstance { instance_id: id, body: Box::new(reinstall) },
        Request::CancelInstance { instance_id: id, body: CancelInstance::default() },
        Request::UpgradeInstance { instance_id: id, body: networking },
        act(Action::Start),
        act(Action::Stop),
        act(Action::Restart),
        act(Action::Shutdown),
        act(Action::Rescue),
        act(Action::ResetPassword),
        Request::CreateSnapshot { instance_id: id, body: body.clone() },
        Request::UpdateSnapshot { instance_id: id, snapshot_id: snapshot_id.clone(), body },
        Request::DeleteSnapshot { instance_id: id, snapshot_id: snapshot_id.clone() },
        Request::RollbackSnapshot { instance_id: id, snapshot_id },
        Request::CreateImage(image()),
        Request::UpdateImage { image_id: image_id.clone(), body: image() },
        Request::DeleteImage { image_id },
        Request::CreateSecret(password()),
        Request::UpdateSecret {
            secret_id: 1,
            body: SecretBody { name: text("q"), ..SecretBody::default() },
        },
        Request::DeleteSecret { secret_id: 1 },
        Request::CreateTag(tag("new")),
        Request::UpdateTag { tag_id: 1, body: tag("other") },
        Request::DeleteTag { tag_id: 1 },
        Request::CreateAssignment { assignment: on(id) },
        Request::DeleteAssignment { assignment: on(tagged) },
        Request::CreateNetwork(network.clone()),
        Request::UpdateNetwork { network_id: 1, body: network },
        Request::DeleteNetwork { network_id: 2 },
        Request::JoinNetwork { network_id: 1, instance_id: tagged },
        Request::LeaveNetwork { network_id: 1, instance_id: member },
    ];
    Stage { client, requests }
}

/// The account without what counts calls and faults.
fn account(contabo: &Contabo) -> serde_json::Value {
    let mut state = serde_json::to_value(contabo).unwrap();
    for part in ["journal", "faults", "revision", "bucket"] {
        state.as_object_mut().unwrap().remove(part);
    }
    state
}

#[test]
fn every_mutation_has_its_effect_or_has_none_whatever_the_client_sees() {
    let Stage { client, requests } = stage();
    let names: std::collections::BTreeSet<_> = requests.iter().map(Request::name).collect();
    let mutations = OperationName::ALL.iter().copied().filter(|name| name.is_mutation());
    let missing: Vec<_> = mutations.filter(|name| !names.contains(name)).collect();
    assert!(missing.is_empty(), "not tried: {missing:?}");

    let before = account(&client.contabo);
    for request in &requests {
        let name = request.name();
        let call = Call::new("04e0f898-37b4-48bc-a794-1a57abe6aa31", request.clone());
        let mut plain = client.contabo.clone();
        let reply = plain.step(&call, client.now);
        assert!(reply.status < 300, "{name}: {reply:?}");
        assert_eq!(reply.effect, Effect::Accepted, "{name}");
        let done = account(&plain);
        assert_ne!(before, done, "{name} leaves a trace, if only in the audits");

        for flavour in FLAVOURS {
            let how: Failure = flavour.parse().unwrap();
            let run = |kind: FaultKind| {
                let mut contabo = client.contabo.clone();
                contabo.arm(Fault::once(Target::One(name), kind)).unwrap();
                let reply = contabo.step(&call, client.now);
                (account(&contabo), reply)
            };
            let (state, lost) = run(FaultKind::Lose { how });
            assert_eq!(state, done, "{name} {flavour}: done as without the fault");
            assert_eq!(lost.effect, Effect::Accepted, "{name} {flavour}");
            let (state, failed) = run(FaultKind::Fail { how });
            assert_eq!(state, before, "{name} {flavour}: nothing was done");
            assert_eq!(failed.effect, Effect::Nothing, "{name} {flavour}");
            for reply in [&lost, &failed] {
                let told = reply.status < 300 && reply.delivery == Delivery::Delivered;
                assert!(!told, "{name} {flavour}: the client is not told: {reply:?}");
            }
            if flavour.starts_with(|c: char| c.is_ascii_digit()) {
                assert_eq!(
                    (lost.status, &lost.body, lost.retry_after),
                    (failed.status, &failed.body, failed.retry_after),
                    "{name} {flavour}: both look the same"
                );
            }
        }
        let mut refused = client.contabo.clone();
        let kind = FaultKind::Fail { how: Failure::Status(401) };
        refused.arm(Fault::once(Target::One(name), kind)).unwrap();
        let reply = refused.step(&call, client.now);
        assert_eq!((reply.status, account(&refused) == before), (401, true), "{name}: expired");
    }
}
