//! Secrets, custom images, assignments, networks, data centres and add-ons.

use super::*;

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn secret(kind: &str, value: &str) -> Request {
    Request::CreateSecret(SecretBody {
        name: text("a secret"),
        value: text(value),
        kind: text(kind),
    })
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGrX5q8vC";

#[test]
fn secrets_are_judged_and_only_a_single_get_shows_the_value() {
    let mut client = Client::new(Settings::prompt());
    for (kind, value, why) in [
        ("password", "short1!", "longer than or equal to 8"),
        ("password", "alllowercase1!!", "upper and lower"),
        ("password", "Onedigit1butone!", "two special"),
        ("ssh", "not a key at all", "public SSH key"),
        ("certificate", "whatever-it-is", "type must be one of"),
    ] {
        let refused = client.send(secret(kind, value));
        assert_eq!(refused.status, 400, "{value}");
        assert!(error_text(&refused).contains(why), "{}", error_text(&refused));
    }
    assert_eq!(client.send(secret("password", "Three123digits!")).status, 201);
    let Body::SecretCreated(key) = client.send(secret("ssh", KEY)).body else { panic!() };
    assert_eq!(key.value.as_deref(), Some(KEY));
    let filter = SecretFilter { kind: text("ssh"), ..SecretFilter::default() };
    let request = Request::ListSecrets { filter, page: Page::default() };
    let Body::Secrets(listed) = client.send(request).body else { panic!() };
    assert_eq!((listed.total, listed.items[0].value.as_deref()), (1, None));
    let Body::Secret(one) = client.send(Request::GetSecret { secret_id: key.secret_id }).body
    else {
        panic!()
    };
    assert_eq!(one.value.as_deref(), Some(KEY));
    let rename = SecretBody { name: text("laptop"), ..SecretBody::default() };
    let request = Request::UpdateSecret { secret_id: key.secret_id, body: rename };
    assert_eq!(client.send(request).body, Body::LinksOnly);
    assert_eq!(client.send(Request::DeleteSecret { secret_id: key.secret_id }).status, 204);
    assert_eq!(client.send(Request::GetSecret { secret_id: key.secret_id }).status, 404);
    let filter = AuditFilter { secret_id: Some(key.secret_id), ..AuditFilter::default() };
    let request = Request::ListSecretAudits { filter, page: Page::default() };
    let Body::Audits(audits) = client.send(request).body else { panic!() };
    assert_eq!(audits.total, 3);
    let told = format!("{audits:?}");
    assert!(!told.contains("AAAAC3"), "audits do not tell values: {told}");
}

#[test]
fn an_order_names_secrets_of_the_right_kind() {
    let mut client = Client::new(Settings::prompt());
    let Body::SecretCreated(key) = client.send(secret("ssh", KEY)).body else { panic!() };
    let password = client.send(secret("password", "Three123digits!"));
    let Body::SecretCreated(password) = password.body else { panic!() };
    let mut buy = |ssh_keys: Vec<i64>, root_password: Option<i64>| {
        let body = CreateInstance { ssh_keys, root_password, ..order("keys") };
        client.send(Request::CreateInstance(Box::new(body))).status
    };
    assert_eq!(buy(vec![key.secret_id], Some(password.secret_id)), 201);
    assert_eq!(buy(vec![password.secret_id], None), 400, "a password is no key");
    assert_eq!(buy(vec![99], None), 400);
    assert_eq!(buy(vec![], Some(key.secret_id)), 500, "bare, as seen live");
    assert_eq!(client.contabo.ledger().purchases(), 1);
}

fn image(url: &str) -> ImageBody {
    ImageBody {
        name: text("my image"),
        description: None,
        url: text(url),
        os_type: text("Linux"),
        version: text("1"),
    }
}

#[test]
fn a_custom_image_is_downloaded_used_and_takes_space() {
    let mut client = Client::new(Settings::prompt());
    let refused = client.send(Request::CreateImage(image("https://example.com/disk.vmdk")));
    assert_eq!(refused.status, 415);
    let wrong = ImageBody { os_type: text("BeOS"), ..image("ftp://example.com/a.iso") };
    assert!(error_text(&client.send(Request::CreateImage(wrong))).contains("osType"));
    let good = image("https://example.com/disk.qcow2");
    let Body::ImageCreated(made) = client.send(Request::CreateImage(good.clone())).body else {
        panic!()
    };
    let id = made.image_id;
    let get = |client: &mut Client| match client.send(Request::GetImage { image_id: id.clone() }) {
        Reply { body: Body::Image(view), .. } => *view,
        other => panic!("{other:?}"),
    };
    assert_eq!(get(&mut client).status, "Pending");
    let with_it = CreateInstance { image_id: Some(id.clone()), ..order("own") };
    let buy = Request::CreateInstance(Box::new(with_it));
    assert_eq!(client.send(buy.clone()).status, 400, "not downloaded yet");
    client.wait(SignedDuration::from_mins(2));
    let ready = get(&mut client);
    assert_eq!((ready.status.as_str(), ready.standard_image), ("Downloaded", false));
    assert_eq!(client.send(buy).status, 201);
    let Body::ImageStats(stats) = client.send(Request::GetImageStats).body else { panic!() };
    assert_eq!((stats.current_images_count, stats.used_size_mb), (1, ready.size_mb));
    let filter = ImageFilter { standard_image: Some(false), ..ImageFilter::default() };
    let request = Request::ListImages { filter, page: Page::default() };
    let Body::Images(own) = client.send(request).body else { panic!() };
    assert_eq!(own.total, 1);

    let lost = client.send(Request::CreateImage(image("https://nowhere.invalid/a.iso")));
    let Body::ImageCreated(lost) = lost.body else { panic!() };
    client.wait(SignedDuration::from_mins(2));
    let Body::Image(lost) = client.send(Request::GetImage { image_id: lost.image_id }).body else {
        panic!()
    };
    assert_eq!(lost.status, "Error");
    assert!(lost.error_message.contains("downloading"));
    let standard = Request::DeleteImage { image_id: DEFAULT_IMAGE.to_owned() };
    assert_eq!(client.send(standard).status, 403);
    assert_eq!(client.send(Request::DeleteImage { image_id: id }).status, 204);
    client.contabo.set_settings(Settings { custom_image_mb: 0, ..Settings::prompt() });
    assert_eq!(client.send(Request::CreateImage(good)).status, 402, "nothing was bought");
}

#[test]
fn a_tag_on_something_is_not_deleted_and_leaves_with_it() {
    let mut client = Client::new(Settings::prompt());
    let body = TagBody { name: text("team:web"), color: text("#0A78C3"), ..TagBody::default() };
    let Body::TagCreated(tag) = client.send(Request::CreateTag(body)).body else { panic!() };
    let id = client.bought("env-a");
    let on = |kind: &str, id: String| Assignment {
        tag_id: tag.tag_id,
        resource_type: kind.to_owned(),
        resource_id: id,
    };
    let assignment = on("instance", id.to_string());
    let assign = Request::CreateAssignment { assignment: assignment.clone() };
    assert_eq!(client.send(assign.clone()).body, Body::AssignmentLinks);
    assert_eq!(client.send(assign).status, 409);
    for (wrong, status) in [
        (on("instance", "5".to_owned()), 404),
        (on("object-storage", "5".to_owned()), 404),
        (on("toaster", id.to_string()), 400),
    ] {
        let request = Request::CreateAssignment { assignment: wrong };
        assert_eq!(client.send(request).status, status);
    }
    let image = on("image", DEFAULT_IMAGE.to_owned());
    client.send(Request::CreateAssignment { assignment: image });
    let list = |kind: Option<&str>| Request::ListAssignments {
        tag_id: tag.tag_id,
        resource_type: kind.map(str::to_owned),
        page: Page::default(),
    };
    let Body::Assignments(all) = client.send(list(None)).body else { panic!() };
    assert_eq!(all.total, 2);
    let Body::Assignments(found) = client.send(list(Some("instance"))).body else { panic!() };
    assert_eq!(found.items[0].resource_name, "env-a");
    assert_eq!(client.send(Request::DeleteTag { tag_id: tag.tag_id }).status, 409);

    client.contabo.panel(id, &PanelAction::Remove, client.now).unwrap();
    assert_eq!(client.send(Request::GetAssignment { assignment }).status, 404);
    let image = on("image", DEFAULT_IMAGE.to_owned());
    assert_eq!(client.send(Request::DeleteAssignment { assignment: image }).status, 204);
    assert_eq!(client.send(Request::DeleteTag { tag_id: tag.tag_id }).status, 204);
    let filter = AuditFilter { tag_id: Some(tag.tag_id), ..AuditFilter::default() };
    let request = Request::ListAssignmentAudits { filter, page: Page::default() };
    let Body::Audits(audits) = client.send(request).body else { panic!() };
    assert_eq!(audits.total, 3, "what the panel does is not in it");
    assert_eq!(audits.items[0].resource_type.as_deref(), Some("image"));
}

#[test]
fn a_private_network_takes_machines_with_the_add_on_after_a_reinstallation_or_restart() {
    for (join, status) in [(NetworkJoin::Reinstall, "reinstall"), (NetworkJoin::Restart, "restart")]
    {
        let mut client = Client::new(Settings { network_join: join, ..Settings::prompt() });
        let id = client.bought("env-a");
        let body = NetworkBody { name: text("net"), ..NetworkBody::default() };
        let Body::NetworkCreated(net) = client.send(Request::CreateNetwork(body)).body else {
            panic!()
        };
        let network_id = net.private_network_id;
        let into = Request::JoinNetwork { network_id, instance_id: id };
        assert_eq!(client.send(into.clone()).status, 402, "without the add-on");
        let body = UpgradeInstance { private_networking: true, backup: false };
        let upgrade = Request::UpgradeInstance { instance_id: id, body };
        assert_eq!(client.send(upgrade.clone()).status, 200);
        assert_eq!(client.send(upgrade).status, 409, "there already");
        assert_eq!(client.send(into.clone()).body, Body::MemberLinks);
        assert_eq!(client.send(into).status, 409);
        let shown = |client: &mut Client| match client.send(Request::GetNetwork { network_id }) {
            Reply { body: Body::Network(view), .. } => view.instances[0].status,
            other => panic!("{other:?}"),
        };
        assert_eq!(shown(&mut client), status);
        client.act(id, Action::Restart);
        assert_eq!(shown(&mut client) == "ok", join == NetworkJoin::Restart);
        let body = ReinstallInstance { image_id: text(DEFAULT_IMAGE), ..Default::default() };
        client.send(Request::ReinstallInstance { instance_id: id, body: Box::new(body) });
        assert_eq!(shown(&mut client), "installing");
        client.wait(SignedDuration::from_mins(10));
        assert_eq!(shown(&mut client), "ok");
        assert_eq!(client.send(Request::DeleteNetwork { network_id }).status, 409);
        let out = Request::LeaveNetwork { network_id, instance_id: id };
        assert_eq!(client.send(out).status, 201);
        assert_eq!(client.send(Request::DeleteNetwork { network_id }).status, 204);
    }
}

#[test]
fn an_add_on_is_charged_once_and_with_every_term_that_follows() {
    let mut client = Client::new(Settings::prompt());
    let id = client.bought("env-a");
    let body = UpgradeInstance { private_networking: true, backup: true };
    client.send(Request::UpgradeInstance { instance_id: id, body });
    assert_eq!(client.contabo.ledger().total_cents, 550 + 229 + 150);
    client.wait_days(31);
    client.contabo.advance(client.now);
    assert_eq!(client.contabo.ledger().total_cents, 2 * (550 + 229 + 150));
    let empty = UpgradeInstance::default();
    let refused = client.send(Request::UpgradeInstance { instance_id: id, body: empty });
    assert_eq!(refused.status, 400);
}

#[test]
fn data_centres_are_filtered_and_other_lists_are_empty() {
    let mut client = Client::new(Settings::prompt());
    let filter = DataCenterFilter { region_slug: text("EU"), ..DataCenterFilter::default() };
    let request = Request::ListDataCenters { filter, page: Page::of(1, 2) };
    let Body::DataCenters(found) = client.send(request).body else { panic!() };
    assert_eq!((found.items.len(), found.total, found.items[0].slug), (2, 3, "EU1"));
    let Body::Nothing(none) = client.send(Request::ListOther { page: Page::default() }).body else {
        panic!()
    };
    assert_eq!((none.total, none.total_pages()), (0, 0));
}
