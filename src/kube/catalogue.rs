//! `GET /apis/devpocket.dev/v1alpha1/catalogue`: what can be asked for, and what it costs today.

use axum::http::StatusCode;
use axum::response::Response;
use devpocket_specs::catalogue::{Image, Price, Region, Size};
use devpocket_specs::installation::{self, Installation};
use devpocket_specs::kind::Kind;
use devpocket_specs::object::Key;
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
    /// Whose account machines are bought in. For those too who may not see the Installation: everybody
    /// should know whether it is real money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<CatalogueAccount>,
}

/// The account in Contabo, by what people know it by.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CatalogueAccount {
    pub tenant: String,
    pub customer: String,
    pub simulated: bool,
    /// How long what somebody releases can be taken back.
    pub reclaim_after_seconds: i64,
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

pub(super) async fn serve(state: &AppState) -> Result<Response, Status> {
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
        account: account(state).await?,
    };
    let value = serde_json::to_value(view).expect("the catalogue has string keys only");
    Ok(document(StatusCode::OK, &value))
}

async fn account(state: &AppState) -> Result<Option<CatalogueAccount>, Status> {
    let key = Key::cluster(Kind::Installation, installation::NAME);
    let Some(stored) = state.store.get(&key).await? else { return Ok(None) };
    let Ok(Installation { spec, .. }) = stored.to::<Installation>() else { return Ok(None) };
    Ok(spec.account.map(|account| CatalogueAccount {
        tenant: account.tenant,
        customer: account.customer,
        simulated: account.simulated,
        reclaim_after_seconds: spec.reclaim_after_seconds,
    }))
}
