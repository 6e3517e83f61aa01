//! Ports that remember when they were used.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use devpocket_controllers::cloud::{
    Action, Audit, AuditLog, AuditQuery, Call, Cloud, CloudError, Image, Instance, Order, Ordered,
    Page, Reinstall, Tag,
};
use devpocket_controllers::sim::cloud::SimCloud;
use devpocket_controllers::store::{Listing, Revision, Store, StoreError, Stored, Watch, Write};
use devpocket_specs::decision::DecisionRecord;
use devpocket_specs::installation::Account;
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use jiff::civil::Date;
use tokio::sync::Notify;

/// Longest wait for a call.
const PATIENCE: Duration = Duration::from_secs(600);

/// A store that remembers how long the writes about operations took, by machine: from handing one
/// over to the answer that it is on disk.
pub struct TimedStore {
    inner: Arc<dyn Store>,
    took: Mutex<HashMap<String, Vec<(Instant, Instant)>>>,
}

impl TimedStore {
    pub fn new(inner: Arc<dyn Store>) -> TimedStore {
        TimedStore { inner, took: Mutex::default() }
    }

    /// How long the writes about operations on this machine took that lie between the two moments.
    pub fn between(&self, machine: &str, from: Instant, until: Instant) -> Duration {
        let took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
        let spans = took.get(machine).map(Vec::as_slice).unwrap_or_default();
        let inside = spans.iter().filter(|(began, ended)| *began >= from && *ended <= until);
        inside.map(|(began, ended)| *ended - *began).sum()
    }
}

#[async_trait]
impl Store for TimedStore {
    async fn get(&self, key: &Key) -> Result<Option<Arc<Stored>>, StoreError> {
        self.inner.get(key).await
    }

    async fn list(&self, kind: Kind, namespace: Option<&str>) -> Result<Listing, StoreError> {
        self.inner.list(kind, namespace).await
    }

    async fn write(&self, write: Write) -> Result<Arc<Stored>, StoreError> {
        let object = write.admitted.object();
        let machine = (object.kind == Kind::Operation)
            .then(|| object.body["spec"]["machine"].as_str().unwrap_or_default().to_owned());
        let began = Instant::now();
        let written = self.inner.write(write).await;
        if let Some(machine) = machine {
            let mut took = self.took.lock().unwrap_or_else(PoisonError::into_inner);
            took.entry(machine).or_default().push((began, Instant::now()));
        }
        written
    }

    async fn watch(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        self.inner.watch(kind, after).await
    }

    async fn follow(&self, kind: Kind, after: Revision) -> Result<Watch, StoreError> {
        self.inner.follow(kind, after).await
    }

    async fn decisions(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Vec<Arc<DecisionRecord>>, StoreError> {
        self.inner.decisions(namespace, name).await
    }

    async fn revision(&self) -> Result<Revision, StoreError> {
        self.inner.revision().await
    }
}

/// The model's cloud, with the moment of the latest power action on each instance.
pub struct TimedCloud {
    pub inner: SimCloud,
    pub called: Mutex<HashMap<i64, Instant>>,
    pub news: Notify,
}

impl TimedCloud {
    pub fn forget(&self, instance: i64) {
        self.called.lock().expect("no panic").remove(&instance);
    }

    pub async fn called(&self, instance: i64) -> Instant {
        let wait = async {
            loop {
                let news = self.news.notified();
                if let Some(at) = self.called.lock().expect("no panic").get(&instance) {
                    return *at;
                }
                news.await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("the call is made")
    }
}

#[async_trait]
impl Cloud for TimedCloud {
    async fn account(&self) -> Result<Account, CloudError> {
        self.inner.account().await
    }

    async fn instances(&self, page: u32) -> Result<Page<Instance>, CloudError> {
        self.inner.instances(page).await
    }

    async fn instance(&self, id: i64) -> Result<Option<Instance>, CloudError> {
        self.inner.instance(id).await
    }

    async fn images(&self, page: u32) -> Result<Page<Image>, CloudError> {
        self.inner.images(page).await
    }

    async fn audits(&self, log: AuditLog, query: &AuditQuery) -> Result<Page<Audit>, CloudError> {
        self.inner.audits(log, query).await
    }

    async fn order(&self, order: &Order, call: &Call) -> Result<Ordered, CloudError> {
        self.inner.order(order, call).await
    }

    async fn rename(&self, id: i64, display_name: &str, call: &Call) -> Result<(), CloudError> {
        self.inner.rename(id, display_name, call).await
    }

    async fn reinstall(&self, id: i64, how: &Reinstall, call: &Call) -> Result<(), CloudError> {
        self.inner.reinstall(id, how, call).await
    }

    async fn cancel(&self, id: i64, call: &Call) -> Result<Option<Date>, CloudError> {
        self.inner.cancel(id, call).await
    }

    async fn act(&self, id: i64, action: Action, call: &Call) -> Result<(), CloudError> {
        self.called.lock().expect("no panic").insert(id, Instant::now());
        self.news.notify_waiters();
        self.inner.act(id, action, call).await
    }

    async fn tags(&self, page: u32) -> Result<Page<Tag>, CloudError> {
        self.inner.tags(page).await
    }

    async fn create_tag(&self, name: &str, call: &Call) -> Result<Tag, CloudError> {
        self.inner.create_tag(name, call).await
    }

    async fn rename_tag(&self, id: i64, name: &str, call: &Call) -> Result<(), CloudError> {
        self.inner.rename_tag(id, name, call).await
    }
}
