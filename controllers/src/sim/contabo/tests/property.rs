//! Whatever is called in whatever order: no panic, no lost cent, no difference after a reload.

use proptest::prelude::*;

use super::*;

/// One thing that happens to the account.
#[derive(Clone, Debug)]
enum Event {
    Call(Box<Request>, String),
    Panel(u8, PanelAction),
    PanelPurchase,
    Arm(Fault),
    Disarm,
    Wait(i64),
}

fn text() -> impl Strategy<Value = Option<String>> {
    prop_oneof![
        Just(None),
        Just(Some(String::new())),
        Just(Some("env-1".to_owned())),
        Just(Some("x".repeat(300))),
        Just(Some(DEFAULT_IMAGE.to_owned())),
        Just(Some("2026-04-01".to_owned())),
        Just(Some("9999-12-31T23:59:59Z".to_owned())),
        any::<String>().prop_map(Some),
    ]
}

/// Ids are drawn small and mapped onto instances that exist, mostly.
fn requests() -> impl Strategy<Value = Request> {
    let id = any::<u8>().prop_map(i64::from);
    let page = (any::<Option<i64>>(), any::<Option<i64>>()).prop_map(|(page, size)| Page {
        page,
        size,
        order_by: vec!["status:desc".into()],
    });
    let product = prop_oneof![Just("V91"), Just("V155"), Just("V8"), Just("nope")];
    let period = prop_oneof![Just(Some(1)), Just(Some(12)), any::<Option<i64>>()];
    let create = (product, period, text(), text()).prop_map(|(product, period, name, image)| {
        let image_id = image.filter(|_| period != Some(1));
        Request::CreateInstance(Box::new(CreateInstance {
            product_id: Some(product.to_owned()),
            period,
            display_name: name,
            image_id,
            ..CreateInstance::default()
        }))
    });
    let action = prop_oneof![
        Just(Action::Start),
        Just(Action::Stop),
        Just(Action::Restart),
        Just(Action::Shutdown),
        Just(Action::Rescue),
        Just(Action::ResetPassword),
    ];
    let filter =
        (text(), text(), any::<Option<u8>>()).prop_map(|(request_id, start, id)| AuditFilter {
            request_id,
            start_date: start,
            instance_id: id.map(i64::from),
            ..AuditFilter::default()
        });
    prop_oneof![
        3 => create,
        1 => (text(), page.clone()).prop_map(|(display_name, page)| Request::ListInstances {
            filter: Box::new(InstanceFilter { display_name, ..Default::default() }),
            page,
        }),
        1 => id.clone().prop_map(|instance_id| Request::GetInstance { instance_id }),
        1 => (id.clone(), text()).prop_map(|(instance_id, display_name)| Request::PatchInstance {
            instance_id,
            body: PatchInstance { display_name },
        }),
        1 => (id.clone(), text()).prop_map(|(instance_id, image_id)| Request::ReinstallInstance {
            instance_id,
            body: Box::new(ReinstallInstance { image_id, ..Default::default() }),
        }),
        1 => (id.clone(), text()).prop_map(|(instance_id, cancel_date)| Request::CancelInstance {
            instance_id,
            body: CancelInstance { cancel_date },
        }),
        2 => (id.clone(), action).prop_map(|(instance_id, action)| Request::Act {
            instance_id,
            action,
            body: Box::default(),
        }),
        1 => (filter, page).prop_map(|(filter, page)| Request::ListInstanceAudits { filter, page }),
        1 => (text(), text()).prop_map(|(name, color)| Request::CreateTag(TagBody {
            name,
            color,
            description: None,
        })),
        1 => id.prop_map(|tag_id| Request::DeleteTag { tag_id }),
        1 => Just(Request::Grant),
        4 => others(),
    ]
}

/// Requests about everything but instances, and about what hangs on them.
fn others() -> impl Strategy<Value = Request> {
    let id = any::<u8>().prop_map(i64::from);
    let small = 0i64..3;
    let snap = prop_oneof![Just("snap1".to_owned()), any::<String>()];
    let upgrade = (any::<bool>(), any::<bool>())
        .prop_map(|(private_networking, backup)| UpgradeInstance { private_networking, backup });
    let secret = (text(), text()).prop_map(|(name, value)| SecretBody {
        name,
        value: value.map(|value| format!("Aa1!!{value}")),
        kind: Some("password".to_owned()),
    });
    let image = (text(), text()).prop_map(|(name, url)| ImageBody {
        name,
        url: url.map(|url| format!("https://example.com/{url}.iso")),
        os_type: Some("Linux".to_owned()),
        version: Some("1".to_owned()),
        description: None,
    });
    let assignment = (small.clone(), id.clone()).prop_map(|(tag_id, resource)| Assignment {
        tag_id,
        resource_type: "instance".to_owned(),
        resource_id: resource.to_string(),
    });
    prop_oneof![
        (id.clone(), text()).prop_map(|(instance_id, name)| Request::CreateSnapshot {
            instance_id,
            body: SnapshotBody { name, description: None },
        }),
        (id.clone(), snap.clone()).prop_map(|(instance_id, snapshot_id)| {
            Request::RollbackSnapshot { instance_id, snapshot_id }
        }),
        (id.clone(), snap).prop_map(|(instance_id, snapshot_id)| Request::DeleteSnapshot {
            instance_id,
            snapshot_id,
        }),
        (id.clone(), upgrade)
            .prop_map(|(instance_id, body)| Request::UpgradeInstance { instance_id, body }),
        secret.prop_map(Request::CreateSecret),
        image.prop_map(Request::CreateImage),
        assignment.prop_map(|assignment| Request::CreateAssignment { assignment }),
        text().prop_map(|name| Request::CreateNetwork(NetworkBody { name, ..Default::default() })),
        (small, id)
            .prop_map(|(network_id, instance_id)| Request::JoinNetwork { network_id, instance_id }),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let failure = prop_oneof![
        Just(Failure::Reset),
        Just(Failure::Hang),
        Just(Failure::Stalled),
        Just(Failure::Half),
        Just(Failure::Mistyped),
        Just(Failure::Status(500)),
    ];
    let kind = prop_oneof![
        failure.clone().prop_map(|how| FaultKind::Fail { how }),
        failure.prop_map(|how| FaultKind::Lose { how }),
        Just(FaultKind::EmptyList),
        Just(FaultKind::Ignore),
        Just(FaultKind::Order { outcome: Outcome::StuckInstalling }),
        Just(FaultKind::Order { outcome: Outcome::Error("broken".into()) }),
    ];
    let fault = (kind, any::<Option<u8>>(), 0u32..3).prop_map(|(kind, chance, skip)| Fault {
        skip,
        probability: chance.map(|chance| f64::from(chance) / 255.0),
        ..Fault::once(Target::Any, kind)
    });
    let panel = prop_oneof![
        Just(PanelAction::Start),
        Just(PanelAction::Stop),
        Just(PanelAction::Remove),
        Just(PanelAction::Proceed),
        Just(PanelAction::Migrate),
        Just(PanelAction::Cancel { date: None }),
        Just(PanelAction::Reinstall { image_id: None }),
    ];
    let id = prop_oneof![
        9 => Just("04e0f898-37b4-48bc-a794-1a57abe6aa31".to_owned()),
        1 => any::<String>(),
    ];
    prop_oneof![
        6 => (requests(), id).prop_map(|(request, id)| Event::Call(Box::new(request), id)),
        1 => (any::<u8>(), panel).prop_map(|(which, action)| Event::Panel(which, action)),
        1 => Just(Event::PanelPurchase),
        1 => fault.prop_map(Event::Arm),
        1 => Just(Event::Disarm),
        3 => prop_oneof![0i64..10, 0i64..600, 0i64..4_000_000].prop_map(Event::Wait),
    ]
}

/// Points small ids at what exists.
fn aim(request: &mut Request, contabo: &Contabo) {
    let known: Vec<i64> = contabo.instances().map(|instance| instance.instance_id).collect();
    let aimed = |id: &mut i64| {
        if let Some(found) = known.get(*id as usize % (known.len() + 1)) {
            *id = *found;
        }
    };
    match request {
        Request::GetInstance { instance_id }
        | Request::PatchInstance { instance_id, .. }
        | Request::ReinstallInstance { instance_id, .. }
        | Request::CancelInstance { instance_id, .. }
        | Request::UpgradeInstance { instance_id, .. }
        | Request::JoinNetwork { instance_id, .. }
        | Request::Act { instance_id, .. } => aimed(instance_id),
        Request::CreateSnapshot { instance_id, .. } => aimed(instance_id),
        Request::RollbackSnapshot { instance_id, snapshot_id }
        | Request::DeleteSnapshot { instance_id, snapshot_id } => {
            aimed(instance_id);
            let own = contabo.snapshots().find(|snapshot| snapshot.instance_id == *instance_id);
            if let Some(own) = own.filter(|_| snapshot_id == "snap1") {
                snapshot_id.clone_from(&own.snapshot_id);
            }
        }
        _ => {}
    }
}

/// Plays one event; the answer is what a client could tell apart.
fn play(contabo: &mut Contabo, event: &Event, now: &mut Timestamp) -> String {
    match event {
        Event::Call(request, id) => {
            let mut request = (**request).clone();
            aim(&mut request, contabo);
            format!("{:?}", contabo.step(&Call::new(id, request), *now))
        }
        Event::Panel(which, action) => {
            let known: Vec<i64> = contabo.instances().map(|i| i.instance_id).collect();
            let id = known.get(usize::from(*which) % (known.len() + 1)).copied().unwrap_or(1);
            format!("{:?}", contabo.panel(id, action, *now))
        }
        Event::PanelPurchase => format!("{:?}", contabo.panel_purchase(&order("panel"), *now)),
        Event::Arm(fault) => format!("{:?}", contabo.arm(fault.clone())),
        Event::Disarm => format!("{:?}", contabo.disarm_all()),
        Event::Wait(seconds) => {
            *now += SignedDuration::from_secs(*seconds);
            String::new()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_history_keeps_the_books_right_and_survives_a_reload(
        history in prop::collection::vec(events(), 0..40),
        seed in any::<u64>(),
        reload in 0usize..40,
    ) {
        let start: Timestamp = START.parse().unwrap();
        let mut kept = Contabo::new(seed, Settings::default());
        let mut reloaded = Contabo::new(seed, Settings::default());
        let (mut now, mut again) = (start, start);
        let (mut accepted, mut charged) = (0, 0i64);
        for (at, event) in history.iter().enumerate() {
            if at == reload {
                let saved = serde_json::to_string(&reloaded).unwrap();
                reloaded = serde_json::from_str(&saved).unwrap();
            }
            let orders = kept.ledger().purchases();
            let first = play(&mut kept, event, &mut now);
            prop_assert_eq!(&first, &play(&mut reloaded, event, &mut again));
            let is_order =
                matches!(event, Event::Call(request, _) if matches!(**request, Request::CreateInstance(_)));
            let bought = is_order && first.contains("effect: Accepted");
            prop_assert_eq!(kept.ledger().purchases() - orders, usize::from(bought));
            accepted += usize::from(bought);
        }
        prop_assert_eq!(&kept, &reloaded);
        prop_assert_eq!(kept.ledger().purchases(), accepted);
        for instance in kept.instances() {
            // Each machine has paid exactly the terms its contract says.
            let own: Vec<&LedgerEntry> = kept
                .ledger()
                .entries
                .iter()
                .filter(|entry| entry.instance_id == instance.instance_id)
                .collect();
            let terms = own.iter().filter(|entry| entry.kind != Charge::AddOn).count();
            prop_assert_eq!(terms as i64, instance.contract.terms);
            // The first term at the price of the order, later ones with what was added since.
            let added: i64 = own
                .iter()
                .filter(|entry| entry.kind == Charge::AddOn)
                .map(|entry| entry.cents)
                .sum();
            let first = own.first().map_or(0, |entry| entry.cents);
            prop_assert_eq!(first + added, instance.contract.term_cents);
            charged += own.iter().map(|entry| entry.cents).sum::<i64>();
        }
        prop_assert_eq!(kept.ledger().total_cents, charged);
        kept.check().unwrap();
        let sum: i64 = kept.ledger().entries.iter().map(|entry| entry.cents).sum();
        prop_assert_eq!(sum, charged);
    }

    #[test]
    fn the_size_of_clock_steps_does_not_matter(
        history in prop::collection::vec(events(), 0..25),
        steps in prop::collection::vec(1i64..4_000_000, 1..20),
    ) {
        let mut now: Timestamp = START.parse().unwrap();
        let mut fine = Contabo::new(3, Settings::default());
        for event in &history {
            play(&mut fine, event, &mut now);
        }
        let mut coarse = fine.clone();
        for step in steps {
            now += SignedDuration::from_secs(step);
            fine.advance(now);
        }
        coarse.advance(now);
        prop_assert_eq!(fine, coarse);
    }
}
