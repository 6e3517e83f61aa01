//! Size, region, image and term against the catalogue.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::fault::{Fault, one_of};
use super::quote::text;
use crate::admit::Context;
use crate::catalogue::{BASE_REGION, Catalogue, Nearest, Size, Why};
use crate::environment::EnvironmentSpec;
use crate::status::Cause;

const ALL_SIZES: &str = "all sizes and prices: devpocket sizes";
const ALL_REGIONS: &str = "all regions: devpocket regions";

/// The day a decision is made on, in UTC.
pub(super) fn today(context: &Context<'_>) -> Date {
    context.now.to_zoned(TimeZone::UTC).date()
}

/// `unsold` also lets sizes through that cannot be ordered: what is taken back was ordered before.
pub(super) fn check(spec: &EnvironmentSpec, unsold: bool, context: &Context<'_>) -> Vec<Cause> {
    let catalogue = context.catalogue;
    let on = today(context);
    let mut faults = Vec::new();
    let region = catalogue.region(&spec.region);
    if region.is_none() {
        faults.push(unknown_region(&spec.region, catalogue));
    }
    if let Some(image) = spec.image.as_deref().filter(|image| catalogue.image(image).is_none()) {
        faults.push(unknown_image(image, catalogue));
    }
    match catalogue.size(&spec.size) {
        None => faults.push(unknown_size(spec, region.is_some(), catalogue, on)),
        Some(size) if !unsold => faults.extend(unsold_size(size, spec, catalogue, on)),
        Some(_) => {}
    }
    faults
}

fn unknown_size(
    spec: &EnvironmentSpec,
    region_known: bool,
    catalogue: &Catalogue,
    on: Date,
) -> Cause {
    let region = if region_known { &spec.region } else { BASE_REGION };
    let Nearest { size, why } = catalogue.nearest_size(&spec.size, on);
    let what = catalogue.describe(size, region, on);
    let message = format!("{} is not a size Contabo sells", text(&spec.size));
    let fault = Fault::not_supported("spec.size", message).code("unknown-size");
    let fault = match why {
        Why::Similar => {
            fault.nearest(Some(size.name.clone())).because(format!("{} is {what}", size.name))
        }
        Why::SameNumbers | Why::LargeEnough => fault.because(format!(
            "it is a name from another catalogue. The nearest here is {}: {what}",
            size.name
        )),
        Why::Smallest => {
            let smallest = format!("The smallest here is {}: {what}", size.name);
            match catalogue.map_seed_size(&spec.size, on) {
                Some(_) => {
                    fault.because(format!("it is a name from another catalogue. {smallest}"))
                }
                None => fault.because(smallest),
            }
        }
    };
    fault.attempt(format!("size: {}", size.name)).attempt(ALL_SIZES).cause()
}

/// Faults of a size that exists but cannot be ordered like this. What has no price is not bought,
/// so a record that asks for it would wait for ever.
fn unsold_size(
    size: &Size,
    spec: &EnvironmentSpec,
    catalogue: &Catalogue,
    on: Date,
) -> Option<Cause> {
    let shown = text(&spec.size);
    if !catalogue.orderable(size, on) {
        let nearest = catalogue.nearest_size(&spec.size, on).size;
        let message = format!("{shown} is not sold on {on}");
        let fault = Fault::not_supported("spec.size", message).code("unknown-size");
        return Some(fault.attempt(format!("size: {}", nearest.name)).attempt(ALL_SIZES).cause());
    }
    let months = u32::from(spec.contract_months);
    let terms = catalogue.terms(size);
    if !terms.contains(&months) {
        let allowed: Vec<String> = terms.iter().map(u32::to_string).collect();
        let expected = format!("{} for {}", one_of(&allowed), size.name);
        return Some(Fault::wrong("spec.contractMonths", months, &expected).cause());
    }
    catalogue.region(&spec.region)?;
    if catalogue.price(size, &spec.region, months, on).is_some() {
        return None;
    }
    let month = if months == 1 { "month" } else { "months" };
    let because = format!(
        "no price is known for {} in {} for {months} {month}, and what has no price is not bought. \
         An operator can add it to prices.yaml",
        size.name, spec.region
    );
    let elsewhere = catalogue.price(size, BASE_REGION, months, on);
    let fault = if elsewhere.is_some() {
        let message = format!("{shown} is not sold in {}", spec.region);
        Fault::not_supported("spec.size", message).code("size-not-in-region")
    } else {
        Fault::invalid("spec.size", format!("{shown} has no price for {months} {month}"))
    };
    Some(fault.because(because).attempt(ALL_SIZES).cause())
}

fn unknown_region(asked: &str, catalogue: &Catalogue) -> Cause {
    let slugs: Vec<&str> = catalogue.regions().iter().map(|region| region.slug.as_str()).collect();
    let message = format!("{} is not a region; it is {}", text(asked), one_of(&slugs));
    Fault::not_supported("spec.region", message)
        .nearest(catalogue.nearest_region(asked).map(|region| region.slug.clone()))
        .code("unknown-region")
        .attempt(ALL_REGIONS)
        .cause()
}

pub(super) fn unknown_image(asked: &str, catalogue: &Catalogue) -> Cause {
    let names: Vec<&str> = catalogue.images().iter().map(|image| image.name.as_str()).collect();
    let nearest = crate::schema::nearest_name(asked, names.iter().copied());
    let message = format!("{} is not an image; it is {}", text(asked), one_of(&names));
    Fault::not_supported("spec.image", message).nearest(nearest).code("unknown-image").cause()
}
