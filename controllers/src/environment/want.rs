//! What is wanted, in Contabo's terms: product, region, image, term, price, user-data. What cannot
//! be said exactly is not bought.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use devpocket_specs::catalogue::{Price, Size};
use devpocket_specs::machine::{Demand, Order};
use devpocket_specs::plan::{Hold, StandstillKind};

use super::rendered::{Rendered, Surroundings, render};
use super::world::World;
use crate::guard::{codes, hold};

/// A machine as it would be ordered.
pub(super) struct Wanted<'a> {
    pub size: &'a Size,
    pub region: &'a str,
    pub months: u8,
    pub rendered: Rendered,
}

/// What is wanted, whether or not it can be bought: a machine of the pool may be of a size that is
/// sold no more.
pub(super) fn wanted<'a>(world: &World<'a>) -> Result<Wanted<'a>, Hold> {
    let spec = &world.environment.spec;
    let catalogue = world.catalogue;
    let Some(size) = catalogue.size(&spec.size) else {
        let why = format!("\"{}\" is not a size Contabo sells", spec.size);
        return Err(unbuyable(world, codes::UNKNOWN_SIZE, &why));
    };
    if catalogue.region(&spec.region).is_none() {
        let why = format!("there is no region \"{}\"", spec.region);
        return Err(unbuyable(world, codes::UNKNOWN_REGION, &why));
    }
    let rendered = rendered(world);
    let rendered = rendered.map_err(|held| unbuyable(world, &held.code, &held.message))?;
    Ok(Wanted { size, region: &spec.region, months: spec.contract_months, rendered })
}

/// What is to be installed, wherever that is.
pub(super) fn rendered(world: &World<'_>) -> Result<Rendered, Hold> {
    let around = Surroundings {
        catalogue: world.catalogue,
        template: world.template,
        user_ca: world.installation.and_then(|i| i.status.user_ca.as_deref()),
        host_key: None,
    };
    render(world.environment, &around)
}

fn unbuyable(world: &World<'_>, code: &str, why: &str) -> Hold {
    let name = &world.environment.metadata.name;
    hold(StandstillKind::Held, code, format!("Nothing is bought for env/{name}: {why}"))
}

impl Wanted<'_> {
    /// What it costs to buy one today.
    pub fn price(&self, world: &World<'_>) -> Result<Price, Hold> {
        let today = today(world);
        let name = &self.size.name;
        if !world.catalogue.orderable(self.size, today) {
            let why = format!("{name} is not sold on {today}");
            return Err(unbuyable(world, codes::SIZE_NOT_SOLD, &why));
        }
        let months = u32::from(self.months);
        if !world.catalogue.terms(self.size).contains(&months) {
            let why = format!("{name} is not sold for {}", term(self.months));
            return Err(unbuyable(world, codes::UNKNOWN_TERM, &why));
        }
        world.catalogue.price(self.size, self.region, months, today).ok_or_else(|| {
            let why = format!(
                "no price is known for {name} in {} for {}; an operator adds it to prices.yaml",
                self.region,
                term(self.months)
            );
            unbuyable(world, codes::UNPRICED, &why)
        })
    }

    pub fn order(&self, world: &World<'_>, price: &Price, cause: &str) -> Order {
        Order {
            size: self.size.name.clone(),
            product_id: self.size.product_id.clone(),
            region: self.region.to_owned(),
            image: self.rendered.image.clone(),
            contract_months: self.months,
            price: price.monthly(),
            due: price.due(),
            prices_of: price.as_of,
            user_data_digest: self.rendered.digest.clone(),
            template: self.rendered.template.clone(),
            parameters: Some(self.rendered.parameters.clone()),
            demand: Demand { environment_uid: world.uid(), cause: cause.to_owned() },
        }
    }

    /// `1 x vps-10-nvme in EU, 1 month`.
    pub fn words(&self) -> String {
        format!("1 × {} in {}, {}", self.size.name, self.region, term(self.months))
    }
}

pub(super) fn term(months: u8) -> String {
    if months == 1 { "1 month".into() } else { format!("{months} months") }
}

/// The day in UTC.
pub(super) fn today(world: &World<'_>) -> Date {
    world.now.to_zoned(TimeZone::UTC).date()
}
