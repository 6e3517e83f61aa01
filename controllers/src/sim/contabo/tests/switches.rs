//! What nobody has documented, both ways; and pages that shift, and replies that crawl.

use super::*;

#[test]
fn a_repeated_request_id_is_carried_out_again_or_refused_as_set() {
    for (answer, statuses, purchases) in
        [(RepeatedRequestId::Ignored, [201, 201], 2), (RepeatedRequestId::Conflict, [201, 409], 1)]
    {
        let settings = Settings { repeated_request_id: answer, ..Settings::prompt() };
        let mut client = Client::new(settings);
        let id = client.next_id();
        let call = Call::new(id, Request::CreateInstance(Box::new(order("twice"))));
        let got = [0, 1].map(|_| client.contabo.step(&call, client.now).status);
        assert_eq!((got, client.contabo.ledger().purchases()), (statuses, purchases));
    }
}

#[test]
fn a_reinstallation_keeps_the_name_or_clears_it_as_set() {
    for (after, name) in [(ReinstalledName::Kept, "env-a"), (ReinstalledName::Cleared, "")] {
        let mut client = Client::new(Settings { reinstalled_name: after, ..Settings::prompt() });
        let id = client.bought("env-a");
        let image_id = Some(DEFAULT_IMAGE.to_owned());
        let body = Box::new(ReinstallInstance { image_id, ..ReinstallInstance::default() });
        client.send(Request::ReinstallInstance { instance_id: id, body });
        client.wait(SignedDuration::from_mins(10));
        assert_eq!(client.get(id).display_name, name);
    }
}

#[test]
fn an_action_while_installing_is_refused_or_ignored_as_set() {
    for (busy, status, effect) in [
        (BusyAnswer::BadRequest, 400, Effect::Nothing),
        (BusyAnswer::Conflict, 409, Effect::Nothing),
        (BusyAnswer::AcceptAndIgnore, 201, Effect::Accepted),
    ] {
        let mut client = Client::new(Settings { busy, ..Settings::default() });
        let Body::Created(view) = client.order("env-a").body else { panic!() };
        let reply = client.act(view.instance_id, Action::Stop);
        assert_eq!((reply.status, reply.effect), (status, effect));
        client.wait(SignedDuration::from_mins(10));
        assert_eq!(client.get(view.instance_id).status, "running", "nothing was done to it");
    }
}

#[test]
fn pages_that_shift_miss_elements_or_show_them_twice() {
    let mut client = Client::new(Settings::prompt());
    for number in 0..25 {
        client.order(&format!("env-{number}"));
    }
    let mut seen = |by: i32| {
        client.contabo.disarm_all();
        client.arm(Fault::always(Target::Reads, FaultKind::ShiftedPages { by }));
        let mut ids = Vec::new();
        for page in 1..=3 {
            let request =
                Request::ListInstances { filter: Box::default(), page: Page::of(page, 10) };
            let Body::Instances(listing) = client.send(request).body else { panic!() };
            assert_eq!(listing.total, 25, "totals are right");
            ids.extend(listing.items.into_iter().map(|view| view.instance_id));
        }
        let listed = ids.len();
        ids.sort_unstable();
        ids.dedup();
        (listed, ids.len())
    };
    assert_eq!(seen(0), (25, 25));
    assert_eq!(seen(1), (24, 24), "one is missed");
    assert_eq!(seen(-2), (27, 25), "two come twice");
}

#[test]
fn a_429_can_say_when_to_come_again() {
    let mut client = Client::new(Settings::prompt());
    let how: Failure = "429:30".parse().unwrap();
    let on = Target::One(OperationName::CreateInstance);
    client.arm(Fault::once(on, FaultKind::Lose { how }));
    let lost = client.order("env-a");
    assert_eq!((lost.status, lost.retry_after, lost.effect), (429, Some(30), Effect::Accepted));
    client.arm(Fault::once(on, FaultKind::Fail { how }));
    let failed = client.order("env-a");
    assert_eq!((failed.status, failed.effect), (429, Effect::Nothing));
    assert_eq!(failed.body, lost.body, "they look the same");
    assert_eq!(client.contabo.ledger().purchases(), 1);
    assert_eq!(how.to_string(), "429:30");
}

#[test]
fn a_slow_reply_is_whole() {
    let mut client = Client::new(Settings::prompt());
    let over = SignedDuration::from_secs(9);
    client.arm(Fault::once(Target::Reads, FaultKind::Slow { over }));
    let page = Page::default();
    let reply = client.send(Request::ListInstances { filter: Box::default(), page });
    assert_eq!((reply.status, reply.delivery), (200, Delivery::Slow(over)));
}

#[test]
fn a_new_machine_can_be_unknown_for_a_while_after_its_201() {
    let lag = SignedDuration::from_secs(20);
    let mut client = Client::new(Settings { get_lag: lag, ..Settings::default() });
    let Body::Created(view) = client.order("env-a").body else { panic!() };
    let get = Request::GetInstance { instance_id: view.instance_id };
    assert_eq!(client.send(get.clone()).status, 404, "paid, and not to be seen");
    assert_eq!(client.contabo.ledger().purchases(), 1);
    client.wait(lag);
    assert_eq!(client.send(get).status, 200);
}

#[test]
fn a_reinstallation_drops_the_keys_and_the_user_it_does_not_name() {
    let mut client = Client::new(Settings::prompt());
    let key = SecretBody {
        name: Some("k".into()),
        kind: Some("ssh".into()),
        value: Some("ssh-ed25519 AAAA me".into()),
    };
    let Body::SecretCreated(key) = client.send(Request::CreateSecret(key)).body else { panic!() };
    let body = CreateInstance {
        ssh_keys: vec![key.secret_id],
        default_user: Some("root".into()),
        ..order("env-a")
    };
    let Body::Created(view) = client.send(Request::CreateInstance(Box::new(body))).body else {
        panic!()
    };
    client.wait(SignedDuration::from_mins(10));
    let before = client.get(view.instance_id);
    assert_eq!(before.ssh_keys, Some(vec![key.secret_id]));
    let body = ReinstallInstance { image_id: Some(DEFAULT_IMAGE.into()), ..Default::default() };
    let instance_id = view.instance_id;
    client.send(Request::ReinstallInstance { instance_id, body: Box::new(body) });
    client.wait(SignedDuration::from_mins(10));
    let after = client.get(instance_id);
    assert_eq!((after.ssh_keys, after.default_user.as_deref()), (Some(vec![]), Some("admin")));
    assert_eq!(after.ip_config, before.ip_config, "and keeps its address");
}
