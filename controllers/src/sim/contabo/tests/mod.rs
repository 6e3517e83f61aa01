//! What the model promises, told as a client would notice it.

mod every_operation;
mod faults;
mod lifecycle;
mod money;
mod property;
mod reads;
mod resources;
mod snapshots;
mod switches;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::*;

/// Noon of an ordinary day; month ends are tested on their own.
const START: &str = "2026-03-10T12:00:00Z";

/// A client with a clock of its own in front of a model.
struct Client {
    contabo: Contabo,
    now: Timestamp,
    calls: u64,
}

impl Client {
    fn new(settings: Settings) -> Client {
        Client { contabo: Contabo::new(7, settings), now: START.parse().unwrap(), calls: 0 }
    }

    /// A fresh request id, always the same ones.
    fn next_id(&mut self) -> String {
        self.calls += 1;
        let high = u128::from(self.calls) << 64;
        Uuid::from_u128(high | 0x4000_8000_0000_0000_0000).to_string()
    }

    fn send(&mut self, request: Request) -> Reply {
        let id = self.next_id();
        self.contabo.step(&Call::new(id, request), self.now)
    }

    fn wait(&mut self, duration: SignedDuration) {
        self.now += duration;
    }

    fn wait_days(&mut self, days: i64) {
        self.wait(SignedDuration::from_hours(24 * days));
    }

    fn order(&mut self, name: &str) -> Reply {
        self.send(Request::CreateInstance(Box::new(order(name))))
    }

    /// Buys a machine and lets it become `running`.
    fn bought(&mut self, name: &str) -> i64 {
        let reply = self.order(name);
        let Body::Created(view) = reply.body else { panic!("not bought: {reply:?}") };
        self.wait(SignedDuration::from_mins(10));
        assert_eq!(self.get(view.instance_id).status, "running");
        view.instance_id
    }

    fn get(&mut self, id: i64) -> InstanceView {
        match self.send(Request::GetInstance { instance_id: id }).body {
            Body::Instance(view) => *view,
            other => panic!("no instance {id}: {other:?}"),
        }
    }

    fn list(&mut self) -> Vec<InstanceView> {
        let page = Page::of(1, 100);
        match self.send(Request::ListInstances { filter: Box::default(), page }).body {
            Body::Instances(listing) => listing.items,
            other => panic!("no list: {other:?}"),
        }
    }

    fn act(&mut self, id: i64, action: Action) -> Reply {
        self.send(Request::Act { instance_id: id, action, body: Box::default() })
    }

    fn audits(&mut self, filter: AuditFilter) -> Vec<AuditView> {
        match self.send(Request::ListInstanceAudits { filter, page: Page::of(1, 100) }).body {
            Body::Audits(listing) => listing.items,
            other => panic!("no audits: {other:?}"),
        }
    }

    fn arm(&mut self, fault: Fault) {
        self.contabo.arm(fault).unwrap();
    }
}

fn order(name: &str) -> CreateInstance {
    CreateInstance {
        product_id: Some("V91".to_owned()),
        period: Some(1),
        display_name: Some(name.to_owned()),
        user_data: Some("#cloud-config\n".to_owned()),
        ..CreateInstance::default()
    }
}

fn error_text(reply: &Reply) -> String {
    match &reply.body {
        Body::Error(ErrorBody::Message(text) | ErrorBody::Html(text)) => text.clone(),
        Body::Error(ErrorBody::Messages(texts)) => texts.join("; "),
        other => panic!("not an error: {other:?}"),
    }
}
