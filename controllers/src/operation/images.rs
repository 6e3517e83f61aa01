//! Images by name: Contabo wants ids, which change over releases.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Clock;
use crate::cloud::{Cloud, CloudError, Image};

/// How long a list of images is used. An image that is missing from it is looked for anew at once.
pub const FRESH_FOR: Duration = Duration::from_secs(3_600);
/// More pages of images than this are not read.
pub const PAGE_LIMIT: u32 = 50;

/// The last list of standard images.
#[derive(Default)]
pub struct Images {
    list: Mutex<Option<(Duration, BTreeMap<String, String>)>>,
}

impl Images {
    /// The id of a standard image; `None` when Contabo has none of that name.
    pub async fn id(
        &self,
        name: &str,
        cloud: &dyn Cloud,
        clock: &dyn Clock,
    ) -> Result<Option<String>, CloudError> {
        if let Some(id) = self.known(name, clock.monotonic()) {
            return Ok(Some(id));
        }
        let fresh = read(cloud).await?;
        let id = fresh.get(name).cloned();
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((clock.monotonic(), fresh));
        Ok(id)
    }

    fn known(&self, name: &str, now: Duration) -> Option<String> {
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, images) = list.as_ref()?;
        (now.saturating_sub(*at) < FRESH_FOR).then(|| images.get(name).cloned()).flatten()
    }
}

async fn read(cloud: &dyn Cloud) -> Result<BTreeMap<String, String>, CloudError> {
    let mut images = BTreeMap::new();
    let mut page = 1;
    loop {
        let listed = cloud.images(page).await?;
        let standard = listed.items.into_iter().filter(|image: &Image| image.standard);
        images.extend(standard.map(|image| (image.name, image.id)));
        if page >= listed.total_pages.min(PAGE_LIMIT) {
            return Ok(images);
        }
        page += 1;
    }
}
