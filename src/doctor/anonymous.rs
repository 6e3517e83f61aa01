//! From what was seen to a picture that says nothing about whose account it is.
//!
//! Nothing is copied that could be text of the account: a value gets in if it is one of the words a
//! picture may hold, a number or a time. Names are made up from the order of things, so the same
//! account gives the same picture.

use std::collections::BTreeMap;

use devpocket_controllers::cloud::CloudError;
use devpocket_controllers::inventory::mark;
use devpocket_controllers::operation::token;
use jiff::Timestamp;

use super::{Examination, Look, MachineLook};
use crate::picture::{
    self, IMAGE_CUSTOM, KIND, Machine, Mark, Picture, Price, STATUSES, Secrets, Snapshot, VERSION,
    installation_id, is_product, is_region,
};

/// A product that is written in none of the known ways.
const PRODUCT_UNKNOWN: &str = "V0";

/// The picture, or why there is none.
pub fn picture(examination: &Examination) -> Result<Picture, &'static str> {
    let look = examination.look.as_ref().ok_or("nobody was let in")?;
    let list = look.list.as_ref().map_err(|_| "the machines could not be read")?;
    if !list.is_complete() {
        return Err("the list of machines does not add up");
    }
    // A part that could not be read would look like one that is empty; what this API user may not
    // see is left out knowingly.
    let lost = |error: Option<&CloudError>| {
        error.is_some_and(|error| !matches!(error, CloudError::Rejected { .. }))
    };
    if look.images.is_err() || look.tags.is_err() {
        return Err("images or tags could not be read");
    }
    if lost(look.secrets.as_ref().err()) || lost(look.snapshots.as_ref().err()) {
        return Err("secrets or snapshots could not be read");
    }
    let installations = Installations::of(examination, look);
    let names = image_names(look);
    let mut machines: Vec<&MachineLook> = examination.machines.iter().collect();
    machines.sort_by_key(|machine| (machine.instance.created, machine.instance.id));
    let numbered = machines.iter().zip(1..);
    Ok(Picture {
        kind: KIND.to_owned(),
        version: VERSION,
        taken: whole(examination.at, jiff::Unit::Second),
        machines: numbered
            .map(|(machine, number)| pictured(machine, number, examination, &installations, &names))
            .collect(),
        secrets: secrets(look),
        marks: installations.marks(look),
        tags: others(look),
    })
}

/// Installations of DevPocket, numbered in the order of their ids.
struct Installations(BTreeMap<String, u32>);

impl Installations {
    fn of(examination: &Examination, look: &Look) -> Installations {
        let named = examination.machines.iter();
        let named = named.flat_map(|machine| token::tokens(&machine.instance.display_name));
        let marked = mark::all(look.tags.as_deref().unwrap_or_default()).into_keys();
        let mut ids: Vec<String> = named.map(|token| token.installation).chain(marked).collect();
        ids.sort();
        ids.dedup();
        Installations(ids.into_iter().zip(1..).collect())
    }

    fn marks(&self, look: &Look) -> Vec<Mark> {
        let marks = mark::all(look.tags.as_deref().unwrap_or_default());
        let mark = |(id, mark): (String, mark::AccountMark)| {
            let written = Timestamp::from_second(mark.seconds).ok()?;
            Some(Mark { installation: *self.0.get(&id)?, calls: mark.sequence, written })
        };
        marks.into_iter().filter_map(mark).collect()
    }

    /// A display name with nothing of the real one but whose it is.
    fn name(&self, real: &str, number: u32) -> Option<String> {
        if real.is_empty() {
            return None;
        }
        let mut name = format!("machine-{number}");
        for token in token::tokens(real) {
            if let Some(installation) = self.0.get(&token.installation) {
                let machine = format!("m-{number}");
                name =
                    format!("{name} {}", token::token(&installation_id(*installation), &machine));
            }
        }
        Some(name)
    }
}

/// Standard images by id.
fn image_names(look: &Look) -> BTreeMap<&str, &str> {
    let images = look.images.as_deref().unwrap_or_default();
    let standard = images.iter().filter(|image| image.standard);
    standard.map(|image| (image.id.as_str(), image.name.as_str())).collect()
}

fn pictured(
    machine: &MachineLook,
    number: u32,
    examination: &Examination,
    installations: &Installations,
    images: &BTreeMap<&str, &str>,
) -> Machine {
    let instance = &machine.instance;
    let status = STATUSES.iter().find(|status| **status == instance.status);
    let image = instance.image_id.as_deref().map(|id| {
        let name = images.get(id).copied().filter(|name| picture::is_image(name));
        name.unwrap_or(IMAGE_CUSTOM).to_owned()
    });
    let product = Some(&instance.product_id).filter(|product| is_product(product));
    let region = Some(instance.region.as_str()).filter(|region| is_region(region));
    let created = instance.created.map_or(examination.at, |at| at.min(examination.at));
    Machine {
        product: product.map_or_else(|| PRODUCT_UNKNOWN.to_owned(), Clone::clone),
        region: region.unwrap_or(devpocket_specs::catalogue::BASE_REGION).to_owned(),
        status: status.copied().unwrap_or("unknown").to_owned(),
        image,
        created: whole(created, jiff::Unit::Minute),
        months: 1,
        monthly: machine.price.clone().map(Price),
        cancel_date: instance.cancel_date,
        name: installations.name(&instance.display_name, number),
        snapshots: snapshots(examination, instance.id),
    }
}

fn snapshots(examination: &Examination, machine: i64) -> Vec<Snapshot> {
    let look = examination.look.as_ref().and_then(|look| look.snapshots.as_ref().ok());
    let own = look.map(|look| look.snapshots.iter().filter(|s| s.instance_id == machine));
    let mut snapshots: Vec<Snapshot> = own
        .into_iter()
        .flatten()
        .map(|snapshot| Snapshot {
            created: whole(snapshot.created.min(examination.at), jiff::Unit::Second),
            expires: snapshot.expires.map(|at| whole(at, jiff::Unit::Second)),
        })
        .collect();
    snapshots.sort_by_key(|snapshot| snapshot.created);
    snapshots
}

fn secrets(look: &Look) -> Secrets {
    let count = |kind| {
        let known = look.secrets.as_ref().ok().and_then(|kinds| kinds.get(kind));
        known.map_or(0, |count| u32::try_from(*count).unwrap_or(u32::MAX))
    };
    Secrets { passwords: count("passwords"), keys: count("keys") }
}

/// Tags that are not DevPocket's.
fn others(look: &Look) -> u32 {
    let tags = look.tags.as_deref().unwrap_or_default();
    let others = tags.iter().filter(|tag| mark::all(std::slice::from_ref(tag)).is_empty());
    u32::try_from(others.count()).unwrap_or(u32::MAX)
}

/// A time without its smaller parts.
fn whole(at: Timestamp, unit: jiff::Unit) -> Timestamp {
    let down = jiff::TimestampRound::new().smallest(unit).mode(jiff::RoundMode::Trunc);
    at.round(down).unwrap_or(at)
}
