//! How an installation goes, told to one reader: its lines, and where it stands, in one order.
//!
//! # Guarantees
//! - A line comes before the news of what it led to: lines are kept before the record is written, and
//!   are told first here.
//! - A database that is away makes a reader wait, and nothing is left out.

use std::sync::Arc;
use std::time::Duration;

use devpocket_controllers::install::Line;
use devpocket_controllers::store::{EventType, Store, StoreError, Watch, WatchItem};
use devpocket_specs::environment::{Environment, Phase};
use devpocket_specs::install::{InstallState, InstallStatus};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
use futures::StreamExt as _;
use uuid::Uuid;

use super::{Follower, InstallLines};

/// Wait before something is asked again that was not answered.
const AGAIN: Duration = Duration::from_millis(500);

/// What a reader is told.
#[derive(Debug)]
pub enum Told {
    Lines(Vec<Line>),
    /// Where it stands, which is news.
    Stands(Box<Stands>),
    /// The environment is not there any more.
    Gone,
}

/// Where an environment stands with its installation.
#[derive(Clone, Debug, PartialEq)]
pub struct Stands {
    pub phase: Phase,
    pub message: String,
    pub install: Option<InstallStatus>,
}

impl Stands {
    /// Whether the installation has ended, well or not.
    pub fn ended(&self) -> bool {
        let state = self.install.as_ref().map(|install| install.state);
        matches!(state, Some(InstallState::Succeeded | InstallState::Failed))
    }
}

/// One reader.
pub struct Telling {
    follower: Follower,
    store: Arc<dyn Store>,
    key: Key,
    uid: Uuid,
    watch: Option<Watch>,
    /// As far as the record says; told once all lines before it are.
    stands: Option<Stands>,
    told: Option<Stands>,
    gone: bool,
}

impl Telling {
    /// From after a line's number.
    pub fn new(
        lines: &InstallLines,
        store: Arc<dyn Store>,
        key: Key,
        uid: Uuid,
        after: i64,
    ) -> Telling {
        Telling {
            follower: lines.follow(uid, after),
            store,
            key,
            uid,
            watch: None,
            stands: None,
            told: None,
            gone: false,
        }
    }

    /// Number of the last line told.
    pub fn seen(&self) -> i64 {
        self.follower.seen()
    }

    /// What there is to tell at once; nothing when all is told.
    pub async fn at_hand(&mut self) -> Option<Told> {
        if self.watch.is_none() {
            self.look().await;
        }
        loop {
            match self.follower.page().await {
                Ok(lines) if !lines.is_empty() => return Some(Told::Lines(lines)),
                Ok(_) => break,
                Err(error) => {
                    tracing::debug!("{error}");
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
        if self.gone {
            return Some(Told::Gone);
        }
        if self.stands.is_some() && self.stands != self.told {
            self.told.clone_from(&self.stands);
            return self.stands.clone().map(|stands| Told::Stands(Box::new(stands)));
        }
        None
    }

    /// The next thing to tell, as soon as there is one. May be dropped while it waits.
    pub async fn next(&mut self) -> Told {
        loop {
            if let Some(told) = self.at_hand().await {
                return told;
            }
            let Telling { follower, watch, .. } = self;
            let Some(watch) = watch else {
                tokio::time::sleep(AGAIN).await;
                continue;
            };
            tokio::select! {
                () = follower.heard() => {}
                item = watch.next() => self.changed(item),
            }
        }
    }

    /// Reads the record as it is, and follows it from there.
    async fn look(&mut self) {
        let found: Result<_, StoreError> = async {
            let revision = self.store.revision().await?;
            let found = self.store.get(&self.key).await?;
            Ok((found, self.store.watch(Kind::Environment, revision).await?))
        }
        .await;
        match found {
            Ok((found, watch)) => {
                self.watch = Some(watch);
                let environment = found.and_then(|stored| stored.to::<Environment>().ok());
                self.read(environment);
            }
            Err(error) => tracing::debug!("{error}"),
        }
    }

    fn read(&mut self, environment: Option<Environment>) {
        let Some(environment) = environment.filter(|e| e.metadata.uid == Some(self.uid)) else {
            self.gone = true;
            return;
        };
        let status = environment.status;
        self.stands =
            Some(Stands { phase: status.phase, message: status.message, install: status.install });
    }

    fn changed(
        &mut self,
        item: Option<Result<WatchItem, devpocket_controllers::store::WatchError>>,
    ) {
        match item {
            Some(Ok(WatchItem::Event(event))) if event.object.key() == self.key => {
                let gone = event.event == EventType::Deleted;
                let environment = event.object.to::<Environment>().ok().filter(|_| !gone);
                self.read(environment);
            }
            Some(Ok(_)) => {}
            // It fell behind, or history was forgotten: the record as it is says it all.
            Some(Err(_)) | None => self.watch = None,
        }
    }
}
