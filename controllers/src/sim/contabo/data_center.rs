//! Where Contabo's data centres are. An order names a region, never one of these.

use super::Contabo;
use super::catalogue::find_region;
use super::fault::FaultKind;
use super::filter::{DataCenterFilter, Page};
use super::reply::{Body, Reply};
use super::resource_view::DataCenterView;
use super::validate::Refusal;

struct DataCenter {
    slug: &'static str,
    name: &'static str,
    region: &'static str,
    capabilities: &'static [&'static str],
}

const ALL: &[&str] = &["VPS", "VDS", "Object-Storage", "Private-Networking"];
const COMPUTE: &[&str] = &["VPS", "VDS", "Private-Networking"];

const fn data_center(
    slug: &'static str,
    name: &'static str,
    region: &'static str,
    capabilities: &'static [&'static str],
) -> DataCenter {
    DataCenter { slug, name, region, capabilities }
}

#[rustfmt::skip]
const DATA_CENTERS: &[DataCenter] = &[
    data_center("EU1",         "European Union 1",           "EU",         COMPUTE),
    data_center("EU2",         "European Union 2",           "EU",         ALL),
    data_center("EU3",         "European Union (Germany) 3", "EU",         COMPUTE),
    data_center("US-central1", "United States (Central) 1",  "US-central", ALL),
    data_center("US-east1",    "United States (East) 1",     "US-east",    COMPUTE),
    data_center("US-west1",    "United States (West) 1",     "US-west",    COMPUTE),
    data_center("SIN1",        "Singapore 1",                "SIN",        ALL),
    data_center("UK1",         "United Kingdom 1",           "UK",         COMPUTE),
    data_center("AUS1",        "Australia 1",                "AUS",        COMPUTE),
    data_center("JPN1",        "Japan 1",                    "JPN",        COMPUTE),
    data_center("IND1",        "India 1",                    "IND",        COMPUTE),
];

impl Contabo {
    pub(super) fn list_data_centers(
        &self,
        filter: &DataCenterFilter,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        let is =
            |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|wanted| wanted == own);
        let region_name = |own: &DataCenter| find_region(own.region).map_or("", |found| found.name);
        let rows: Vec<&DataCenter> = DATA_CENTERS
            .iter()
            .filter(|own| {
                is(&filter.slug, own.slug)
                    && is(&filter.name, own.name)
                    && is(&filter.region_slug, own.region)
                    && is(&filter.region_name, region_name(own))
            })
            .collect();
        let rows = self.paged(rows, page, fault)?;
        let account = &self.settings.account;
        Ok(Reply::read(Body::DataCenters(rows.map(|own| DataCenterView {
            tenant_id: account.tenant_id.clone(),
            customer_id: account.customer_id.clone(),
            name: own.name,
            slug: own.slug,
            capabilities: own.capabilities,
            s3_url: format!("{}-s3.simulated.invalid", own.slug.to_lowercase()),
            region_name: region_name(own),
            region_slug: own.region,
        }))))
    }

    /// A list of something this account has none of.
    pub(super) fn list_other(
        &self,
        page: &Page,
        fault: Option<&FaultKind>,
    ) -> Result<Reply, Refusal> {
        Ok(Reply::read(Body::Nothing(self.paged(Vec::new(), page, fault)?)))
    }
}
