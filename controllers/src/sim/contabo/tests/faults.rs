use super::*;

fn on_create(kind: FaultKind) -> Fault {
    Fault::once(Target::One(OperationName::CreateInstance), kind)
}

const FAILURES: [Failure; 9] = [
    Failure::Reset,
    Failure::Hang,
    Failure::Truncated,
    Failure::Mistyped,
    Failure::Status(429),
    Failure::Status(500),
    Failure::Status(502),
    Failure::Status(503),
    Failure::Status(504),
];

#[test]
fn a_failure_without_effect_buys_nothing_and_one_with_effect_does() {
    for how in FAILURES {
        let mut client = Client::new(Settings::default());
        client.arm(on_create(FaultKind::Fail { how }));
        let failed = client.order("env-a");
        assert_eq!(failed.effect, Effect::Nothing, "{how}");
        assert_eq!(client.contabo.ledger().purchases(), 0, "{how}");
        client.arm(on_create(FaultKind::Lose { how }));
        let lost = client.order("env-a");
        assert_eq!(lost.effect, Effect::Accepted, "{how}");
        assert_eq!(client.contabo.ledger().purchases(), 1, "{how}");
        if let Failure::Status(status) = how {
            assert_eq!((failed.status, &failed.body), (status, &lost.body), "look the same: {how}");
        } else {
            assert_ne!(lost.delivery, Delivery::Delivered, "{how}");
        }
        let third = client.order("env-a");
        assert_eq!(third.delivery, Delivery::Delivered, "both fire once");
    }
}

#[test]
fn faults_can_skip_repeat_match_and_expire() {
    let mut client = Client::new(Settings::default());
    let how = Failure::Status(500);
    client.arm(Fault { skip: 1, times: Some(2), ..on_create(FaultKind::Fail { how }) });
    let statuses: Vec<u16> = (0..4).map(|_| client.order("env-a").status).collect();
    assert_eq!(statuses, [201, 500, 500, 201]);

    let matching = Some("prod".to_owned());
    client.arm(Fault { matching, ..on_create(FaultKind::Fail { how }) });
    assert_eq!(client.order("env-dev").status, 201);
    assert_eq!(client.order("env-prod").status, 500);

    let until = client.now + SignedDuration::from_hours(2);
    client.arm(Fault::outage(until, Failure::Hang));
    assert_eq!(client.send(Request::Grant).delivery, Delivery::Hang, "the token endpoint too");
    assert_eq!(client.order("env-a").delivery, Delivery::Hang);
    client.wait(SignedDuration::from_hours(2));
    assert_eq!(client.order("env-a").delivery, Delivery::Delivered);
    assert!(client.contabo.faults().is_empty());
}

#[test]
fn chance_comes_from_the_seed() {
    let run = |seed: u64| {
        let mut contabo = Contabo::new(seed, Settings::default());
        let kind = FaultKind::Fail { how: Failure::Status(500) };
        let fault = Fault { probability: Some(0.3), ..Fault::always(Target::Reads, kind) };
        contabo.arm(fault).unwrap();
        let id = Uuid::from_u128(0x4000_8000_0000_0000_0000).to_string();
        let call = Call::new(id, Request::GetImage { image_id: DEFAULT_IMAGE.to_owned() });
        let now = START.parse().unwrap();
        (0..500).map(|_| contabo.step(&call, now).status).collect::<Vec<u16>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    let hits = run(1).iter().filter(|status| **status == 500).count();
    assert!((100..200).contains(&hits), "{hits} of 500 at 30 %");
}

#[test]
fn lists_can_be_empty_partial_or_short_of_a_page() {
    let mut client = Client::new(Settings::prompt());
    for number in 0..25 {
        client.order(&format!("env-{number}"));
    }
    let mut listed = |kind: FaultKind, page: i64| {
        client.contabo.disarm_all();
        client.arm(Fault::once(Target::One(OperationName::ListInstances), kind));
        let page = Page { page: Some(page), ..Page::default() };
        match client.send(Request::ListInstances { filter: Box::default(), page }).body {
            Body::Instances(listing) => (listing.items.len(), listing.total),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(listed(FaultKind::EmptyList, 1), (0, 0));
    assert_eq!(listed(FaultKind::PartialList { keep: 14 }, 2), (4, 14));
    assert_eq!(listed(FaultKind::ShortPage { drop: 3 }, 1), (7, 25));
    assert_eq!(listed(FaultKind::MissingPage { page: 2 }, 2), (0, 25));
}

#[test]
fn behaviours_spoil_a_call_that_was_accepted() {
    let mut client = Client::new(Settings::prompt());
    let id = client.bought("env-a");
    client.arm(Fault::once(Target::One(OperationName::Shutdown), FaultKind::Ignore));
    assert_eq!(client.act(id, Action::Shutdown).status, 201);
    client.wait(SignedDuration::from_hours(1));
    assert_eq!(client.get(id).status, "running", "the guest ignored it");

    client.arm(Fault::once(Target::One(OperationName::CancelInstance), FaultKind::NotCancellable));
    let cancel = Request::CancelInstance { instance_id: id, body: CancelInstance::default() };
    assert_eq!(client.send(cancel.clone()).status, 422);
    client.arm(Fault::once(Target::Mutations, FaultKind::NoAudit));
    let before = client.audits(AuditFilter::default()).len();
    assert_eq!(client.send(cancel).status, 201);
    assert_eq!(client.audits(AuditFilter::default()).len(), before);

    client.arm(Fault::once(Target::Any, FaultKind::RevertDisplayName));
    let body = ReinstallInstance { image_id: Some(DEFAULT_IMAGE.into()), ..Default::default() };
    let reinstall = Request::ReinstallInstance { instance_id: id, body: Box::new(body) };
    client.send(reinstall.clone());
    client.wait(SignedDuration::from_hours(1));
    assert_eq!(client.get(id).display_name, "");
    client.arm(Fault::once(Target::Any, FaultKind::StuckReinstall));
    client.send(reinstall);
    client.wait(SignedDuration::from_hours(20));
    assert_eq!(client.get(id).status, "installing");
}

#[test]
fn a_rate_limit_refuses_without_effect() {
    let limit = RateLimit { burst: 2.0, per_second: 0.5, retry_after: true };
    let mut client = Client::new(Settings { rate_limit: Some(limit), ..Settings::default() });
    let statuses: Vec<u16> = (0..3).map(|_| client.order("env-a").status).collect();
    assert_eq!(statuses, [201, 201, 429]);
    assert_eq!(client.order("env-a").retry_after, Some(2));
    client.wait(SignedDuration::from_secs(2));
    assert_eq!(client.order("env-a").status, 201);
    assert_eq!(client.contabo.ledger().purchases(), 3);
}

#[test]
fn nonsense_is_refused_when_it_is_armed() {
    let mut client = Client::new(Settings::default());
    let lose_401 = on_create(FaultKind::Lose { how: Failure::Status(401) });
    let success = on_create(FaultKind::Fail { how: Failure::Status(201) });
    let misplaced = Fault::once(
        Target::One(OperationName::GetImage),
        FaultKind::Order { outcome: Outcome::PendingPayment },
    );
    let chance = Fault { probability: Some(1.5), ..on_create(FaultKind::NoAudit) };
    for fault in [lose_401, success, misplaced, chance] {
        assert!(client.contabo.arm(fault.clone()).is_err(), "{fault:?}");
    }
    let json = r#"{"on":"create-instance","kind":"lose","how":"504","times":1}"#;
    let fault: Fault = serde_json::from_str(json).unwrap();
    assert_eq!(fault, on_create(FaultKind::Lose { how: Failure::Status(504) }));
}

#[test]
fn a_saved_chance_is_the_same_chance() {
    let mut contabo = Contabo::new(1, Settings::at_speed(0.7));
    for part in 0..=255u8 {
        let kind = FaultKind::Fail { how: Failure::Reset };
        let probability = Some(f64::from(part) / 255.0);
        contabo.arm(Fault { probability, ..Fault::once(Target::Any, kind) }).unwrap();
    }
    let saved = serde_json::to_string(&contabo).unwrap();
    assert_eq!(serde_json::from_str::<Contabo>(&saved).unwrap(), contabo);
}
