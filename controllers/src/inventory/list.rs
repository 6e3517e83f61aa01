//! Reading the whole account: one list, page by page, complete only if all pages agree.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::cloud::{Cloud, CloudError, Instance};

/// More pages than this are not read: 100,000 machines, or a Contabo that counts wrong.
pub const PAGE_LIMIT: u32 = 1_000;

/// All instances, as far as they were listed.
#[derive(Clone, Debug, PartialEq)]
pub struct List {
    /// When reading *started*: nothing newer is claimed.
    pub as_of: Timestamp,
    /// By id.
    pub instances: BTreeMap<i64, Instance>,
    /// Why it is not complete, in words.
    pub flaw: Option<String>,
}

impl List {
    pub fn is_complete(&self) -> bool {
        self.flaw.is_none()
    }
}

/// Reads all pages. Pages may shift while they are read: an instance that slips from one to
/// another is missed or comes twice, so the totals must stay the same and add up.
pub async fn read(cloud: &dyn Cloud, clock: &dyn Clock) -> Result<List, CloudError> {
    let as_of = clock.now();
    let mut list = List { as_of, instances: BTreeMap::new(), flaw: None };
    let first = cloud.instances(1).await?;
    let (total, pages) = (first.total_elements, first.total_pages);
    let mut listed = first.items.len();
    list.take(first.items);
    if pages > PAGE_LIMIT {
        list.flaw = Some(format!("Contabo claims {pages} pages"));
    }
    for page in 2..=pages.min(PAGE_LIMIT) {
        let next = cloud.instances(page).await?;
        if (next.total_elements, next.total_pages) != (total, pages) {
            list.flaw = Some(format!("the list changed while page {page} was read"));
        }
        listed += next.items.len();
        list.take(next.items);
    }
    let distinct = list.instances.len() as u64;
    if distinct != total || listed as u64 != total {
        let flaw = format!("Contabo announced {total} instances and listed {distinct}");
        list.flaw.get_or_insert(flaw);
    }
    Ok(list)
}

impl List {
    fn take(&mut self, items: Vec<Instance>) {
        self.instances.extend(items.into_iter().map(|instance| (instance.id, instance)));
    }
}
