use super::*;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[test]
fn an_order_is_provisioned_without_hardware_then_installed_then_runs() {
    let mut client = Client::new(Settings::default());
    let Body::Created(created) = client.order("env-a").body else { panic!() };
    assert_eq!(created.status, "provisioning");
    let id = created.instance_id;

    let early = client.get(id);
    assert_eq!(
        (early.status.as_str(), &early.ip_config, &early.name),
        ("provisioning", &None, &None)
    );
    assert_eq!((early.ram_mb, early.v_host_name, early.mac_address), (None, None, None));

    client.wait(MINUTE * 3 / 2);
    let installing = client.get(id);
    assert_eq!(installing.status, "installing");
    let ip = installing.ip_config.unwrap();
    assert!(ip.v4.ip.starts_with("198.18.") || ip.v4.ip.starts_with("198.19."), "{ip:?}");

    client.wait(MINUTE * 5);
    let running = client.get(id);
    assert_eq!(running.status, "running");
    let name = running.name.unwrap();
    let digits = name.strip_prefix("vmi").unwrap();
    assert_eq!(id, 200_000_000 + digits.parse::<i64>().unwrap());
    let v6 = running.ip_config.unwrap().v6;
    assert!(v6.ip.starts_with(&format!("2a02:c207:2{}:{}:", &digits[..3], &digits[3..])), "{v6:?}");
    assert!(running.mac_address.unwrap().starts_with("00:50:56:"));
    assert_eq!((running.ram_mb, running.disk_mb), (Some(8192), Some(76800)));
}

#[test]
fn speed_shortens_installing_and_leaves_the_contract_alone() {
    let mut client = Client::new(Settings::at_speed(60.0));
    let Body::Created(created) = client.order("fast").body else { panic!() };
    client.wait(SECOND * 6);
    assert_eq!(client.get(created.instance_id).status, "running");
    let paid = client.contabo.instance(created.instance_id).unwrap().contract.paid_through;
    assert_eq!(paid, "2026-04-10T12:00:00Z".parse().unwrap());
}

#[test]
fn power_shows_after_a_lag_and_the_latest_order_wins() {
    let mut client = Client::new(Settings::default());
    let id = client.bought("env-a");
    assert_eq!(client.act(id, Action::Stop).status, 201);
    assert_eq!(client.get(id).status, "running", "201 means accepted, not done");
    client.wait(SECOND * 6);
    assert_eq!(client.get(id).status, "stopped");

    client.act(id, Action::Start);
    client.act(id, Action::Stop);
    client.wait(MINUTE);
    assert_eq!(client.get(id).status, "stopped");

    client.act(id, Action::Restart);
    client.wait(MINUTE);
    assert_eq!(client.get(id).status, "running", "restart starts a stopped machine");
    client.act(id, Action::Shutdown);
    client.wait(SECOND * 6);
    assert_eq!(client.get(id).status, "running", "the guest takes its time");
    client.wait(MINUTE);
    assert_eq!(client.get(id).status, "stopped");
}

#[test]
fn rescue_and_password_reset_come_back() {
    let mut client = Client::new(Settings::default());
    let id = client.bought("env-a");
    client.act(id, Action::Rescue);
    client.wait(MINUTE);
    assert_eq!(client.get(id).status, "rescue");
    client.act(id, Action::Restart);
    client.wait(MINUTE);
    assert_eq!(client.get(id).status, "running");
    client.act(id, Action::ResetPassword);
    assert_eq!(client.get(id).status, "reset_password");
    client.wait(MINUTE);
    assert_eq!(client.get(id).status, "running");
}

#[test]
fn a_reinstallation_wipes_the_guest_and_keeps_id_and_address() {
    let mut client = Client::new(Settings::default());
    let id = client.bought("env-a");
    let before = client.get(id);
    let guest = client.contabo.instance(id).unwrap().guest.clone();
    assert_eq!((guest.generation, guest.boots), (1, 1));

    let body = ReinstallInstance {
        image_id: Some("d64d5c6c-9dda-4e38-8174-0ee282474d8a".to_owned()),
        user_data: Some("#cloud-config\nother: true\n".to_owned()),
        ..ReinstallInstance::default()
    };
    let request = Request::ReinstallInstance { instance_id: id, body: Box::new(body) };
    assert_eq!(client.send(request.clone()).status, 200);
    assert_eq!(client.get(id).status, "installing");
    assert_eq!(client.send(request).status, 400, "one installation at a time");
    assert_eq!(client.act(id, Action::Stop).status, 400);
    client.wait(MINUTE * 5);

    let after = client.get(id);
    assert_eq!(after.status, "running");
    assert_eq!((&after.ip_config, &after.name), (&before.ip_config, &before.name));
    assert_ne!(after.image_id, before.image_id);
    let wiped = &client.contabo.instance(id).unwrap().guest;
    assert_eq!(wiped.generation, 2);
    assert_ne!(wiped.user_data_digest, guest.user_data_digest);
}

#[test]
fn orders_can_hang_fail_or_wait_for_people() {
    let cases = [
        (Outcome::PendingPayment, "pending_payment"),
        (Outcome::ProductNotAvailable, "product_not_available"),
        (Outcome::ManualProvisioning, "manual_provisioning"),
        (Outcome::VerificationRequired, "verification_required"),
        (Outcome::StuckProvisioning, "provisioning"),
        (Outcome::StuckInstalling, "installing"),
        (Outcome::Error("no space left on host".to_owned()), "error"),
        (Outcome::UnknownStatus("frobnicating".to_owned()), "frobnicating"),
    ];
    let mut client = Client::new(Settings::default());
    for (outcome, status) in cases {
        let order = FaultKind::Order { outcome: outcome.clone() };
        client.arm(Fault::once(Target::One(OperationName::CreateInstance), order));
        let Body::Created(view) = client.order("odd").body else { panic!() };
        client.wait_days(1);
        let odd = client.get(view.instance_id);
        assert_eq!(odd.status, status);
        assert_eq!(odd.error_message.is_some(), matches!(outcome, Outcome::Error(_)));
        client.contabo.panel(view.instance_id, &PanelAction::Proceed, client.now).unwrap();
        client.wait_days(1);
        assert_eq!(client.get(view.instance_id).status, "running", "after {outcome:?}");
    }
    assert_eq!(client.contabo.ledger().purchases(), 8, "every one of them was paid");
}

#[test]
fn the_panel_changes_things_without_an_audit() {
    let mut client = Client::new(Settings::default());
    let id = client.bought("env-demo");
    client.wait(MINUTE);
    let before = client.audits(AuditFilter::default()).len();
    assert_eq!(client.contabo.find("DEMO"), vec![id]);
    let actions = [
        PanelAction::Stop,
        PanelAction::Rename { display_name: "mine".to_owned() },
        PanelAction::Migrate,
        PanelAction::Cancel { date: None },
        PanelAction::Reinstall { image_id: None },
    ];
    let host = client.get(id).v_host_name;
    for action in &actions {
        client.contabo.panel(id, action, client.now).unwrap();
    }
    let view = client.get(id);
    assert_eq!((view.display_name.as_str(), view.status.as_str()), ("mine", "installing"));
    assert_ne!(view.v_host_name, host);
    assert_eq!(view.cancel_date, Some("2026-04-10".parse().unwrap()));
    client.contabo.panel(id, &PanelAction::Remove, client.now).unwrap();
    assert_eq!(client.send(Request::GetInstance { instance_id: id }).status, 404);
    assert!(client.contabo.panel(id, &PanelAction::Stop, client.now).is_err());

    let other = client.contabo.panel_purchase(&order("theirs"), client.now).unwrap();
    client.wait(MINUTE * 10);
    assert_eq!(client.audits(AuditFilter::default()).len(), before);
    assert_eq!(client.get(other).display_name, "theirs");
    let request = Request::CancelInstance { instance_id: other, body: CancelInstance::default() };
    assert_eq!(client.send(request).status, 422, "bought in the panel");
}

#[test]
fn a_person_means_the_id_then_a_word_then_a_part_of_the_name() {
    let mut client = Client::new(Settings::default());
    let demo = client.bought("demo dp-1");
    let second = client.bought("demo-2 dp-2");
    assert_eq!(client.contabo.find("demo"), vec![demo]);
    assert_eq!(client.contabo.find("DEMO-2"), vec![second]);
    assert_eq!(client.contabo.find("dem"), vec![demo, second]);
    assert_eq!(client.contabo.find(&second.to_string()), vec![second]);
    let name = client.get(demo).name.unwrap();
    assert_eq!(client.contabo.find(&name), vec![demo]);
    assert!(client.contabo.find("nobody").is_empty());
}
