//! `GET /apis/devpocket.dev/v1alpha1/catalogue`: what can be asked for, and what it costs today.

use axum::http::StatusCode;
use axum::response::Response;
use devpocket_specs::catalogue::{Image, Price, Region, Size};
use devpocket_specs::kind::Kind;
use devpocket_specs::status::Status;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::document;
use crate::server::AppState;

/// The answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueView {
    pub api_version: String,
    pub kind: String,
    /// The day "orderable" and the prices are about.
    pub on: Date,
    pub sizes: Vec<SizeView>,
    pub regions: Vec<Region>,
    pub images: Vec<Image>,
    pub default_image: String,
}

/// A size, whether it is sold, for how long, and at what price where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SizeView {
    pub size: Size,
    pub orderable: bool,
    /// Contract terms in months.
    pub terms: Vec<u32>,
    /// Only what has a price; an unpriced size is not bought.
    pub prices: Vec<RegionPrice>,
}

/// What a size costs in a region for a term.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegionPrice {
    pub region: String,
    pub price: Price,
}

pub(super) fn serve(state: &AppState) -> Result<Response, Status> {
    let catalogue = &state.catalogue;
    let on = state.clock.now().to_zoned(TimeZone::UTC).date();
    let prices = |size: &Size| {
        let mut prices = Vec::new();
        for region in catalogue.regions() {
            for term in catalogue.terms(size) {
                if let Some(price) = catalogue.price(size, &region.slug, *term, on) {
                    prices.push(RegionPrice { region: region.slug.clone(), price });
                }
            }
        }
        prices
    };
    let sizes = catalogue.sizes().iter().map(|size| SizeView {
        size: size.clone(),
        orderable: catalogue.orderable(size, on),
        terms: catalogue.terms(size).to_vec(),
        prices: prices(size),
    });
    let view = CatalogueView {
        api_version: Kind::Environment.api_version(),
        kind: "Catalogue".into(),
        on,
        sizes: sizes.collect(),
        regions: catalogue.regions().to_vec(),
        images: catalogue.images().to_vec(),
        default_image: catalogue.default_image().to_owned(),
    };
    let value = serde_json::to_value(view).expect("the catalogue has string keys only");
    Ok(document(StatusCode::OK, &value))
}
