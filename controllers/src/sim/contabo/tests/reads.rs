use super::*;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

#[test]
fn lists_lag_behind_a_single_get() {
    let mut client = Client::new(Settings::default());
    let Body::Created(view) = client.order("env-a").body else { panic!() };
    assert_eq!(client.get(view.instance_id).display_name, "env-a");
    assert!(client.list().is_empty(), "a new machine is missing at first");
    client.wait(SECOND * 11);
    assert_eq!(client.list().len(), 1);

    let id = client.bought("env-b");
    client.wait(SECOND * 11);
    let body = PatchInstance { display_name: Some("renamed".to_owned()) };
    client.send(Request::PatchInstance { instance_id: id, body });
    client.act(id, Action::Stop);
    client.wait(SECOND * 6);
    let listed = client.list().into_iter().find(|view| view.instance_id == id).unwrap();
    assert_eq!((listed.display_name.as_str(), listed.status.as_str()), ("env-b", "running"));
    client.wait(SECOND * 20);
    let listed = client.list().into_iter().find(|view| view.instance_id == id).unwrap();
    assert_eq!((listed.display_name.as_str(), listed.status.as_str()), ("renamed", "stopped"));

    client.contabo.panel(id, &PanelAction::Remove, client.now).unwrap();
    assert_eq!(client.list().len(), 2, "a removed machine is still listed for a while");
    client.wait(SECOND * 11);
    assert_eq!(client.list().len(), 1);
}

#[test]
fn pages_partition_the_list_and_one_beyond_the_end_is_empty() {
    let mut client = Client::new(Settings::prompt());
    for number in 0..23 {
        client.order(&format!("env-{number}"));
    }
    let mut seen = Vec::new();
    for number in 1..=4 {
        let page = Page { page: Some(number), ..Page::default() };
        let request = Request::ListInstances { filter: Box::default(), page };
        let Body::Instances(listing) = client.send(request).body else { panic!() };
        assert_eq!((listing.size, listing.total, listing.total_pages()), (10, 23, 3));
        assert_eq!(listing.items.len(), [10, 10, 3, 0][number as usize - 1]);
        seen.extend(listing.items.into_iter().map(|view| view.instance_id));
    }
    let mut all: Vec<i64> = client.contabo.instances().map(|i| i.instance_id).collect();
    all.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, all);

    let order_by = vec!["displayName:DESC".to_owned(), "timestamp:desc".to_owned()];
    let page = Page { order_by, ..Page::of(1, 2) };
    let request = Request::ListInstances { filter: Box::default(), page };
    let Body::Instances(listing) = client.send(request).body else { panic!() };
    let names: Vec<&str> = listing.items.iter().map(|view| view.display_name.as_str()).collect();
    assert_eq!(names, ["env-9", "env-8"]);

    let request = Request::ListInstances { filter: Box::default(), page: Page::of(0, -1) };
    let reply = client.send(request);
    assert_eq!(reply.status, 400);
    assert!(error_text(&reply).contains("page must not be less than 1"));
}

#[test]
fn filters_select_and_the_display_name_matches_as_set() {
    for (setting, expected) in [(TextMatch::Substring, 2), (TextMatch::Exact, 1)] {
        let settings = Settings { display_name_match: setting, ..Settings::prompt() };
        let mut client = Client::new(settings);
        client.bought("env-1");
        client.bought("env-12");
        let find = |client: &mut Client, filter: InstanceFilter| {
            let filter = Box::new(filter);
            match client.send(Request::ListInstances { filter, page: Page::default() }).body {
                Body::Instances(listing) => listing.items,
                other => panic!("{other:?}"),
            }
        };
        let by_name = InstanceFilter { display_name: Some("env-1".into()), ..Default::default() };
        assert_eq!(find(&mut client, by_name).len(), expected);
        let status =
            InstanceFilter { statuses: Some(vec!["stopped".into()]), ..Default::default() };
        assert!(find(&mut client, status).is_empty());
        let all = client.list();
        let address = all[0].ip_config.as_ref().unwrap().v4.ip.clone();
        let search = InstanceFilter { search: Some(address), ..Default::default() };
        assert_eq!(find(&mut client, search).len(), 1);
        let ids = InstanceFilter {
            instance_ids: Some(vec![all[1].instance_id, 5]),
            ..Default::default()
        };
        assert_eq!(find(&mut client, ids).len(), 1);
    }
}

#[test]
fn an_audit_appears_late_first_without_the_id_then_with_it() {
    let mut client = Client::new(Settings::default());
    let request_id = client.next_id();
    let mut call = Call::new(&request_id, Request::CreateInstance(Box::new(order("env-a"))));
    call.trace_id = Some("devpocket".to_owned());
    let Body::Created(view) = client.contabo.step(&call, client.now).body else { panic!() };
    let by_request = AuditFilter { request_id: Some(request_id), ..AuditFilter::default() };
    assert!(client.audits(by_request.clone()).is_empty());
    client.wait(SECOND * 5);
    let found = client.audits(by_request.clone());
    assert_eq!((found.len(), found[0].instance_id), (1, Some(0)));
    let by_id = AuditFilter { instance_id: Some(view.instance_id), ..AuditFilter::default() };
    assert!(client.audits(by_id.clone()).is_empty());
    client.wait(SECOND * 5);
    let found = client.audits(by_request);
    assert_eq!(found[0].instance_id, Some(view.instance_id));
    assert_eq!(
        (found[0].action.as_str(), found[0].trace_id.as_deref()),
        ("CREATED", Some("devpocket"))
    );
    assert_eq!(client.audits(by_id).len(), 1);

    let dated = |start: &str, end: &str| AuditFilter {
        start_date: Some(start.to_owned()),
        end_date: Some(end.to_owned()),
        ..AuditFilter::default()
    };
    assert_eq!(client.audits(dated("2026-03-10", "2026-03-10")).len(), 1);
    assert_eq!(client.audits(dated("2026-03-11", "2026-03-12")).len(), 0);
    let filter = dated("yesterday", "2026-03-12");
    let request = Request::ListInstanceAudits { filter, page: Page::default() };
    assert_eq!(client.send(request).status, 400);
    let stranger = AuditFilter { changed_by: Some("nobody".into()), ..AuditFilter::default() };
    assert!(client.audits(stranger).is_empty());
}

#[test]
fn actions_have_audits_of_their_own() {
    let mut client = Client::new(Settings::prompt());
    let id = client.bought("env-a");
    client.act(id, Action::Stop);
    let filter = AuditFilter { instance_id: Some(id), ..AuditFilter::default() };
    assert_eq!(client.audits(filter.clone()).len(), 1, "the order only");
    let request = Request::ListActionAudits { filter, page: Page::default() };
    let Body::Audits(actions) = client.send(request).body else { panic!() };
    assert_eq!(actions.items.len(), 1);
    let changes = actions.items[0].changes.as_ref().unwrap();
    assert_eq!(changes["new"]["action"], "stop");
}

#[test]
fn images_are_found_by_name_and_id() {
    let mut client = Client::new(Settings::default());
    let filter = ImageFilter { name: Some("ubuntu-24.04".into()), ..ImageFilter::default() };
    let request = Request::ListImages { filter, page: Page::default() };
    let Body::Images(found) = client.send(request).body else { panic!() };
    assert_eq!(found.items.len(), 1);
    let image_id = found.items[0].image_id.clone();
    assert_eq!(image_id, "d64d5c6c-9dda-4e38-8174-0ee282474d8a");
    assert_eq!(client.send(Request::GetImage { image_id }).status, 200);
    assert_eq!(client.send(Request::GetImage { image_id: "x".into() }).status, 404);
}

#[test]
fn tags_can_be_kept_renamed_and_deleted() {
    let mut client = Client::new(Settings::prompt());
    let body = TagBody {
        name: Some("devpocket:mark-1".into()),
        color: Some("#0A78C3".into()),
        description: None,
    };
    let Body::TagCreated(tag) = client.send(Request::CreateTag(body.clone())).body else {
        panic!()
    };
    assert_eq!(client.send(Request::CreateTag(body)).status, 409);
    let rename = TagBody { name: Some("devpocket:mark-2".into()), ..TagBody::default() };
    let request = Request::UpdateTag { tag_id: tag.tag_id, body: rename };
    assert_eq!(client.send(request).body, Body::LinksOnly);
    let request = Request::ListTags { name: Some("mark-2".into()), page: Page::default() };
    let Body::Tags(found) = client.send(request).body else { panic!() };
    assert_eq!(found.items.len(), 1);
    let spaced =
        TagBody { name: Some("two words".into()), color: Some("red".into()), description: None };
    let refused = client.send(Request::CreateTag(spaced));
    assert!(error_text(&refused).contains("name must match"), "{refused:?}");
    assert!(error_text(&refused).contains("color must be"), "{refused:?}");
    assert_eq!(client.send(Request::DeleteTag { tag_id: tag.tag_id }).status, 204);
    assert_eq!(client.send(Request::GetTag { tag_id: tag.tag_id }).status, 404);
}
