//! Snapshots: slots, names, expiry, and a rollback that leaves no way forward.

use super::*;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

fn body(name: &str) -> SnapshotBody {
    SnapshotBody { name: Some(name.to_owned()), description: None }
}

impl Client {
    fn snapshot(&mut self, id: i64, name: &str) -> Reply {
        self.send(Request::CreateSnapshot { instance_id: id, body: body(name) })
    }

    fn taken(&mut self, id: i64, name: &str) -> SnapshotView {
        match self.snapshot(id, name) {
            Reply { body: Body::SnapshotCreated(view), status: 201, .. } => view,
            other => panic!("not taken: {other:?}"),
        }
    }

    fn snapshots(&mut self, id: i64) -> Vec<String> {
        let request = Request::ListSnapshots { instance_id: id, name: None, page: Page::default() };
        match self.send(request).body {
            Body::Snapshots(listing) => listing.items.into_iter().map(|view| view.name).collect(),
            other => panic!("no list: {other:?}"),
        }
    }

    fn bought_as(&mut self, product: &str) -> i64 {
        let body = CreateInstance { product_id: Some(product.to_owned()), ..order("snap") };
        let Body::Created(view) = self.send(Request::CreateInstance(Box::new(body))).body else {
            panic!("not bought")
        };
        self.wait(SignedDuration::from_mins(10));
        view.instance_id
    }
}

#[test]
fn a_plan_has_as_many_slots_as_it_was_sold_with() {
    for (product, slots) in
        [("V91", 1), ("V94", 2), ("V100", 3), ("V159", 5), ("V93", 0), ("V8", 0)]
    {
        let mut client = Client::new(Settings::prompt());
        let id = client.bought_as(product);
        for number in 0..slots {
            client.taken(id, &format!("snap {number}"));
        }
        let refused = client.snapshot(id, "one too many");
        assert_eq!((refused.status, refused.effect), (402, Effect::Nothing), "{product}");
        let text = error_text(&refused);
        assert!(text.contains(&format!("max limit of {slots} snapshots")), "{product}: {text}");
        assert_eq!(client.snapshots(id).len(), slots, "{product}");
    }
}

#[test]
fn a_rollback_puts_the_disk_back_and_deletes_what_is_newer() {
    let mut client = Client::new(Settings::prompt());
    let id = client.bought_as("V159");
    client.taken(id, "first");
    client.wait(SECOND);
    let second = client.taken(id, "second");
    let before = client.contabo.instance(id).unwrap().guest.clone();
    // In the same second, and newer all the same.
    client.taken(id, "third");
    let image_id = Some("0a3f4b06-a104-4917-bc85-11eba40cb6de".to_owned());
    let body = Box::new(ReinstallInstance { image_id, ..ReinstallInstance::default() });
    client.send(Request::ReinstallInstance { instance_id: id, body });
    client.wait(SignedDuration::from_mins(10));
    assert_ne!(client.get(id).image_id, DEFAULT_IMAGE);

    let request = Request::RollbackSnapshot { instance_id: id, snapshot_id: second.snapshot_id };
    let reply = client.send(request);
    assert_eq!((reply.status, reply.body), (200, Body::LinksOnly));
    assert_eq!(client.get(id).status, "stopped", "while it is put back");
    assert_eq!(client.snapshots(id), ["first", "second"]);
    client.wait(SECOND * 40);
    let view = client.get(id);
    assert_eq!((view.status.as_str(), view.image_id.as_str()), ("running", DEFAULT_IMAGE));
    let after = &client.contabo.instance(id).unwrap().guest;
    assert_eq!(after.user_data_digest, before.user_data_digest);

    let quiet = Settings { rollback_stops: false, ..Settings::prompt() };
    client.contabo.set_settings(quiet);
    let snapshot_id = client.contabo.snapshots().next().unwrap().snapshot_id.clone();
    client.send(Request::RollbackSnapshot { instance_id: id, snapshot_id });
    assert_eq!(client.get(id).status, "running", "the other answer nobody has documented");
}

#[test]
fn snapshots_are_deleted_after_thirty_days_whatever_the_speed() {
    for speed in [1.0, 1000.0] {
        let mut client = Client::new(Settings { speed, ..Settings::prompt() });
        let id = client.bought_as("V94");
        let view = client.taken(id, "old");
        assert_eq!(view.auto_delete_date.duration_since(view.created_date), SNAPSHOT_LIFE);
        client.wait(SNAPSHOT_LIFE - SECOND);
        assert_eq!(client.snapshots(id), ["old"]);
        client.wait(SECOND);
        assert!(client.snapshots(id).is_empty());
        assert_eq!(client.snapshot(id, "new").status, 201, "its slot is free again");
    }
}

#[test]
fn a_snapshot_goes_with_its_instance_and_belongs_to_no_other() {
    let mut client = Client::new(Settings::prompt());
    let (one, other) = (client.bought_as("V94"), client.bought_as("V94"));
    let view = client.taken(one, "mine");
    let foreign =
        Request::GetSnapshot { instance_id: other, snapshot_id: view.snapshot_id.clone() };
    assert_eq!(client.send(foreign).status, 404);
    client.contabo.panel(one, &PanelAction::Remove, client.now).unwrap();
    assert_eq!(client.contabo.snapshots().count(), 0);
    let gone = Request::RollbackSnapshot { instance_id: one, snapshot_id: view.snapshot_id };
    assert_eq!(client.send(foreign_list(one)).status, 404);
    assert_eq!(client.send(gone).status, 404);
}

fn foreign_list(id: i64) -> Request {
    Request::ListSnapshots { instance_id: id, name: None, page: Page::default() }
}

#[test]
fn a_snapshot_shows_late_and_is_refused_while_nothing_is_there_to_copy() {
    let mut client = Client::new(Settings::default());
    let Body::Created(fresh) = client.order("fresh").body else { panic!("not bought") };
    assert_eq!(client.snapshot(fresh.instance_id, "early").status, 400, "provisioning");
    client.wait(SignedDuration::from_mins(10));
    let id = fresh.instance_id;
    let view = client.taken(id, "late");
    assert!(client.snapshots(id).is_empty(), "no list knows it yet");
    assert_eq!(client.snapshot(id, "second").status, 402, "but it has its slot");
    client.wait(SECOND * 5);
    assert_eq!(client.snapshots(id), ["late"]);

    client.send(Request::DeleteSnapshot { instance_id: id, snapshot_id: view.snapshot_id });
    client.act(id, Action::Stop);
    client.wait(SECOND * 10);
    assert_eq!(client.snapshot(id, "stopped").status, 400);
    client.contabo.set_settings(Settings { stopped_snapshots: true, ..Settings::default() });
    assert_eq!(client.snapshot(id, "stopped").status, 201, "the other answer");
}

#[test]
fn names_are_judged_changed_filtered_and_audited() {
    let mut client = Client::new(Settings::prompt());
    let id = client.bought_as("V159");
    for wrong in ["", "under_score", "name longer than thirty characters"] {
        let refused = client.snapshot(id, wrong);
        assert_eq!(refused.status, 400, "{wrong:?}");
        assert!(matches!(refused.body, Body::Error(ErrorBody::Messages(_))), "{wrong:?}");
    }
    let view = client.taken(id, "Snapshot-Server 1");
    assert!(view.snapshot_id.starts_with("snap"));
    client.taken(id, "other");
    let rename = Request::UpdateSnapshot {
        instance_id: id,
        snapshot_id: view.snapshot_id.clone(),
        body: SnapshotBody { name: None, description: Some("before the upgrade".to_owned()) },
    };
    let Body::Snapshot(changed) = client.send(rename).body else { panic!("not changed") };
    assert_eq!(
        (changed.name.as_str(), changed.description.as_str()),
        ("Snapshot-Server 1", "before the upgrade")
    );
    let name = Some("Server".to_owned());
    let filtered = Request::ListSnapshots { instance_id: id, name, page: Page::default() };
    let Body::Snapshots(found) = client.send(filtered).body else { panic!("no list") };
    assert_eq!(found.total, 1);
    let filter = AuditFilter { snapshot_id: Some(view.snapshot_id), ..AuditFilter::default() };
    let request = Request::ListSnapshotAudits { filter, page: Page::default() };
    let Body::Audits(audits) = client.send(request).body else { panic!("no audits") };
    let actions: Vec<&str> = audits.items.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["UPDATED", "CREATED"]);
    assert!(audits.items.iter().all(|entry| entry.instance_id == Some(id)));
}
