//! What Contabo sells: sizes, regions, images, terms and prices, as data.
//!
//! The order API has no endpoint for prices or stock, so what an order costs is configured data
//! with a date and a source. From that follow the rules of this module:
//!
//! - **Exact or absent.** A price is what somebody read, in the currency they read it in. Nothing
//!   is interpolated, converted or guessed; a size, region or term without a price answers `None`,
//!   and what has no price is not bought. Whoever needs it writes it into `prices.yaml`.
//! - **One currency.** Amounts are whole cents beside a currency code. A surcharge in one currency
//!   is never added to a price in another: the result is "no price".
//! - **The catalogue does not decide what is sold.** [`Catalogue::orderable`] says what it knows;
//!   Contabo may still refuse an order, which costs nothing.
//! - **Names are ours, ids are Contabo's.** People write `vps-10-nvme`; an order carries `V91`.
//!   Both are accepted wherever a size is read.
//!
//! The data files are in `specs/data/`; their heads say where each number comes from.

use std::sync::LazyLock;

use jiff::civil::Date;
use serde::Deserialize;

mod nearest;
mod price;
mod price_file;
mod size;

pub use nearest::{Nearest, SeedSize, Why};
pub use price::{BASE_REGION, MAX_AMOUNT_CENTS, MAX_TERM_MONTHS, Price};
pub use price_file::{MAX_PRICE_FILE_BYTES, MAX_PRICE_LINES, PriceError};
pub use size::{DiskType, Family, Image, Lineup, Region, Size};

use price::PriceBook;
use size::within;

static BUILTIN: LazyLock<Catalogue> =
    LazyLock::new(|| load().expect("the data files are compiled in, and a unit test reads them"));

/// Sizes, regions, images and prices; immutable, cheap to share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    lineups: Vec<Lineup>,
    sizes: Vec<Size>,
    regions: Vec<Region>,
    images: Vec<Image>,
    default_image: String,
    default_region: String,
    default_shell: String,
    book: PriceBook,
}

impl Catalogue {
    /// The catalogue that is compiled in.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// This catalogue with an operator's `prices.yaml` over it: a line there wins over the same
    /// size, region and term here, lines for other things are added, `price: none` takes a price
    /// away. The format is described in the head of `catalogue/price_file.rs`.
    ///
    /// # Errors
    /// All faults of the file at once; nothing of a faulty file is taken.
    pub fn with_prices(&self, yaml: &str) -> Result<Self, Vec<PriceError>> {
        let read = price_file::read(self, yaml)?;
        let mut catalogue = self.clone();
        catalogue.book.prices.extend(read.prices);
        catalogue.book.surcharges.extend(read.surcharges);
        Ok(catalogue)
    }

    /// A size by its name or by Contabo's product id, spelled exactly.
    #[must_use]
    pub fn size(&self, name_or_product_id: &str) -> Option<&Size> {
        self.sizes
            .iter()
            .find(|s| s.name == name_or_product_id || s.product_id == name_or_product_id)
    }

    /// All sizes, in catalogue order.
    #[must_use]
    pub fn sizes(&self) -> &[Size] {
        &self.sizes
    }

    /// The contract terms, in months, a size may be ordered for. Whether one has a price is
    /// another question.
    #[must_use]
    pub fn terms(&self, size: &Size) -> &[u32] {
        self.lineup(size).map_or(&[], |l| l.terms.as_slice())
    }

    /// Whether the catalogue knows a size to be sold on that day.
    #[must_use]
    pub fn orderable(&self, size: &Size, on: Date) -> bool {
        within(size.orderable_from, size.orderable_until, on)
            && self.lineup(size).is_none_or(|l| within(l.orderable_from, l.orderable_until, on))
    }

    /// What an order of `size` in `region` for `term_months` costs on that day, net of VAT.
    /// `None` means that no price is known, and then it is not bought.
    #[must_use]
    pub fn price(&self, size: &Size, region: &str, term_months: u32, on: Date) -> Option<Price> {
        self.book.price(&size.name, region, term_months, on)
    }

    /// A region by its slug, spelled exactly.
    #[must_use]
    pub fn region(&self, slug: &str) -> Option<&Region> {
        self.regions.iter().find(|r| r.slug == slug)
    }

    /// All regions, in catalogue order.
    #[must_use]
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// The region somebody meant: another spelling of a slug or name, or within two edits of one.
    #[must_use]
    pub fn nearest_region(&self, slug: &str) -> Option<&Region> {
        let plain = |s: &str| s.to_lowercase().replace([' ', '_'], "-");
        let asked = plain(slug);
        let same = |r: &&Region| plain(&r.slug) == asked || plain(&r.name) == asked;
        let edits = |r: &Region| strsim::osa_distance(&plain(&r.slug), &asked);
        // Two edits of a slug of two or three letters can be any other one.
        let near = |r: &&Region| edits(r) <= 2 && edits(r) * 3 <= r.slug.len();
        self.regions.iter().find(same).or_else(|| {
            let found = self.regions.iter().filter(near);
            found.min_by_key(|r| edits(r))
        })
    }

    /// An image by its name.
    #[must_use]
    pub fn image(&self, name: &str) -> Option<&Image> {
        self.images.iter().find(|i| i.name == name)
    }

    /// All standard images, in catalogue order.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// The name of the image an environment gets that names none.
    #[must_use]
    pub fn default_image(&self) -> &str {
        &self.default_image
    }

    /// This catalogue with an operator's choice of what holds where an environment declares none: a
    /// region's slug and the absolute path of a login shell, both checked by the caller.
    #[must_use]
    pub fn with_defaults(&self, region: &str, shell: &str) -> Self {
        let (default_region, default_shell) = (region.to_owned(), shell.to_owned());
        Self { default_region, default_shell, ..self.clone() }
    }

    /// The region of an environment that declares none.
    #[must_use]
    pub fn default_region(&self) -> &str {
        &self.default_region
    }

    /// The login shell of a user that declares none.
    #[must_use]
    pub fn default_shell(&self) -> &str {
        &self.default_shell
    }

    /// One size as a person reads it in a sentence:
    /// `4 vCPU, 8 GB, 75 GB NVMe, 5.50 EUR a month in EU`.
    #[must_use]
    pub fn describe(&self, size: &Size, region: &str, on: Date) -> String {
        match self.price(size, region, 1, on) {
            Some(price) => format!("{}, {} a month in {region}", size.numbers(), price.monthly()),
            None => format!("{}, no price known in {region}", size.numbers()),
        }
    }

    fn lineup(&self, size: &Size) -> Option<&Lineup> {
        self.lineups.iter().find(|l| l.name == size.lineup)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SizesFile {
    lineups: Vec<Lineup>,
    sizes: Vec<Size>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegionsFile {
    regions: Vec<Region>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImagesFile {
    default: String,
    images: Vec<Image>,
}

fn load() -> Result<Catalogue, String> {
    let show = |e: serde_yaml::Error| e.to_string();
    let sizes: SizesFile =
        serde_yaml::from_str(include_str!("../../data/sizes.yaml")).map_err(show)?;
    let regions: RegionsFile =
        serde_yaml::from_str(include_str!("../../data/regions.yaml")).map_err(show)?;
    let images: ImagesFile =
        serde_yaml::from_str(include_str!("../../data/images.yaml")).map_err(show)?;
    let bare = Catalogue {
        lineups: sizes.lineups,
        sizes: sizes.sizes,
        regions: regions.regions,
        images: images.images,
        default_image: images.default,
        default_region: BASE_REGION.to_owned(),
        default_shell: crate::defaulting::SHELL.to_owned(),
        book: PriceBook::default(),
    };
    bare.with_prices(include_str!("../../data/prices.yaml")).map_err(|errors| format!("{errors:?}"))
}

#[cfg(test)]
mod tests;
