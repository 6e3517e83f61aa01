//! Reading the account: machines, images, tags, secrets, snapshots. GETs and nothing else.

use std::collections::BTreeMap;
use std::future::Future;

use devpocket_controllers::clock::Clock;
use devpocket_controllers::cloud::{Cloud, CloudError, Image, Page, Tag};
use devpocket_controllers::inventory::list::{self, List};
use devpocket_specs::installation::Account;

use crate::config::DoctorConfig;
use crate::contabo::{ContaboClient, SecretKind, Snapshot};

/// More pages of anything but machines are not read.
const PAGES: u32 = 50;
/// Machines asked for their snapshots, each with a call of its own; the rest is counted.
pub const SNAPSHOTS_OF: usize = 200;

/// What the account showed. Each part can fail by itself.
#[derive(Clone, Debug)]
pub struct Look {
    pub account: Account,
    pub list: Result<List, CloudError>,
    pub images: Result<Vec<Image>, CloudError>,
    pub tags: Result<Vec<Tag>, CloudError>,
    /// How many there are of each kind; neither names nor values are kept.
    pub secrets: Result<BTreeMap<&'static str, usize>, CloudError>,
    pub snapshots: Result<SnapshotLook, CloudError>,
}

/// The snapshots of machines whose plan has room for some.
#[derive(Clone, Debug, Default)]
pub struct SnapshotLook {
    pub snapshots: Vec<Snapshot>,
    /// Machines that were not asked: more than [`SNAPSHOTS_OF`], or just gone.
    pub not_asked: usize,
}

/// Remembers that Contabo went silent, so that a doctor does not wait for each thing anew.
#[derive(Default)]
struct Patience {
    silent: bool,
}

impl Patience {
    /// Asks; once more where that can help.
    async fn ask<T, F>(&mut self, asking: impl Fn() -> F) -> Result<T, CloudError>
    where
        F: Future<Output = Result<T, CloudError>>,
    {
        if self.silent {
            let message = "not asked, because Contabo did not answer before".into();
            return Err(CloudError::Unavailable { message });
        }
        let mut answer = asking().await;
        // The client waits for its own limiter, so a throttled call is not repeated too soon.
        if answer.as_ref().is_err_and(may_pass) {
            answer = asking().await;
        }
        self.silent = matches!(answer, Err(CloudError::Unavailable { .. }));
        answer
    }
}

fn may_pass(error: &CloudError) -> bool {
    matches!(
        error,
        CloudError::Throttled { .. } | CloudError::Unavailable { .. } | CloudError::BadReply { .. }
    )
}

/// Reads everything there is to see.
pub async fn look(
    client: &ContaboClient,
    clock: &dyn Clock,
    account: Account,
    config: &DoctorConfig,
) -> Look {
    let mut patience = Patience::default();
    let mut list = patience.ask(|| list::read(client, clock)).await;
    if list.as_ref().is_ok_and(|list| !list.is_complete()) {
        // Pages shift while machines come and go; a second list tells that from a broken one.
        list = patience.ask(|| list::read(client, clock)).await;
    }
    let images = patience.ask(|| all(|page| client.images(page))).await;
    let tags = patience.ask(|| all(|page| client.tags(page))).await;
    let secrets = patience.ask(|| all(|page| client.secrets(page))).await.map(|secrets| {
        let mut kinds = BTreeMap::new();
        for secret in secrets {
            let kind = match secret.kind {
                SecretKind::Password => "passwords",
                SecretKind::Ssh => "keys",
            };
            *kinds.entry(kind).or_insert(0) += 1;
        }
        kinds
    });
    let snapshots = match &list {
        Ok(list) => snapshots(client, &mut patience, &with_slots(list, config)).await,
        Err(_) => Err(CloudError::Unavailable {
            message: "not asked, because the machines could not be read".into(),
        }),
    };
    Look { account, list, images, tags, secrets, snapshots }
}

/// Machines that can have snapshots, as far as the catalogue knows their plan.
fn with_slots(list: &List, config: &DoctorConfig) -> Vec<i64> {
    let has = |product: &str| config.catalogue.size(product).is_none_or(|s| s.snapshot_slots > 0);
    let machines = list.instances.values().filter(|instance| has(&instance.product_id));
    machines.map(|instance| instance.id).collect()
}

async fn snapshots(
    client: &ContaboClient,
    patience: &mut Patience,
    machines: &[i64],
) -> Result<SnapshotLook, CloudError> {
    let mut look = SnapshotLook::default();
    for id in machines.iter().take(SNAPSHOTS_OF) {
        match patience.ask(|| all(|page| client.snapshots(*id, page))).await {
            Ok(found) => look.snapshots.extend(found),
            // Not there any more, or not yet, or of a kind that has none.
            Err(CloudError::Rejected { .. }) => look.not_asked += 1,
            Err(error) => return Err(error),
        }
    }
    look.not_asked += machines.len().saturating_sub(SNAPSHOTS_OF);
    Ok(look)
}

/// All pages of a list.
async fn all<T, F>(page: impl Fn(u32) -> F) -> Result<Vec<T>, CloudError>
where
    F: Future<Output = Result<Page<T>, CloudError>>,
{
    let mut items = Vec::new();
    let mut number = 1;
    loop {
        let listed = page(number).await?;
        items.extend(listed.items);
        if number >= listed.total_pages.min(PAGES) {
            return Ok(items);
        }
        number += 1;
    }
}
