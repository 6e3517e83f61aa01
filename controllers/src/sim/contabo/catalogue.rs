//! What can be ordered, and what it costs. The simulator's own copy: sharing the product's
//! catalogue would let one wrong price agree with itself.
//!
//! Sizes and the 1-month prices of the 2025 line-up (EUR net) are published; those of autumn 2026
//! are the list prices in USD at the 1.20 that its Core row shows against the 2025 row, rounded to
//! five cents. Surcharges are those published for the sizes of 2025; a size of 2026 pays what the one
//! of its rank pays, and where a shop does not offer a size its surcharge is an estimate.

use super::settings::LineUp;

/// The product a body without `productId` buys.
pub const DEFAULT_PRODUCT: &str = "V92";
/// The image a body without `imageId` gets: Ubuntu 22.04.
pub const DEFAULT_IMAGE: &str = "afecbb85-e2fc-46f0-9684-b46b1faf00bb";
/// The region of a body without one.
pub const DEFAULT_REGION: &str = "EU";
/// The only currency of the ledger.
pub const CURRENCY: &str = "EUR";

/// Columns of a region's surcharges: the six sizes of VPS, the five of VDS.
const SIZES: usize = 11;
const PRIVATE_NETWORKING_CENTS: i64 = 229;
const ADDITIONAL_IP_CENTS: i64 = 350;
/// By size; the two ends of the VPS are published. A VDS cannot have it.
const BACKUP_CENTS: [i64; SIZES] = [150, 190, 300, 500, 720, 950, 950, 950, 950, 950, 950];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    CloudVps,
    StorageVps,
    Vds,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Product {
    pub id: &'static str,
    pub name: &'static str,
    pub product_type: &'static str,
    pub cpu_cores: u32,
    pub ram_gb: u32,
    pub disk_gb: u32,
    /// Net, one month, in the EU, in EUR cents.
    pub monthly_cents: i64,
    pub family: Family,
    /// Snapshots an instance can have at once.
    pub snapshots: usize,
    /// Its column in the surcharges.
    size: usize,
    /// `None` belongs to both line-ups.
    line_up: Option<LineUp>,
}

macro_rules! products {
    ($($id:literal $name:literal $kind:literal $cpu:literal $ram:literal $disk:literal
       $cents:literal $family:ident $size:literal $snapshots:literal $line:expr;)*) => {
        &[$(Product {
            id: $id, name: $name, product_type: $kind, cpu_cores: $cpu, ram_gb: $ram,
            disk_gb: $disk, monthly_cents: $cents, family: Family::$family,
            size: $size, snapshots: $snapshots, line_up: $line,
        }),*]
    };
}

const OLD: Option<LineUp> = Some(LineUp::Spring2025);
const NEW: Option<LineUp> = Some(LineUp::Autumn2026);

#[rustfmt::skip]
pub const PRODUCTS: &[Product] = products! {
    "V91"  "Cloud VPS 10 NVMe (no setup)" "nvme" 4  8  75  550  CloudVps 0 1 OLD;
    "V92"  "Cloud VPS 10 SSD (no setup)"  "ssd"  4  8  150 550  CloudVps 0 1 OLD;
    "V93"  "Storage VPS 10 (no setup)"    "hdd"  2  4  300 550  StorageVps 0 0 OLD;
    "V94"  "Cloud VPS 20 NVMe (no setup)" "nvme" 6  12 100 750  CloudVps 1 2 OLD;
    "V95"  "Cloud VPS 20 SSD (no setup)"  "ssd"  6  12 200 750  CloudVps 1 2 OLD;
    "V96"  "Storage VPS 20 (no setup)"    "hdd"  3  8  400 750  StorageVps 1 0 OLD;
    "V97"  "Cloud VPS 30 NVMe (no setup)" "nvme" 8  24 200 1400 CloudVps 2 3 OLD;
    "V98"  "Cloud VPS 30 SSD (no setup)"  "ssd"  8  24 400 1400 CloudVps 2 3 OLD;
    "V99"  "Storage VPS 30 (no setup)"    "hdd"  6  18 1000 1400 StorageVps 2 0 OLD;
    "V100" "Cloud VPS 40 NVMe (no setup)" "nvme" 12 48 250 2500 CloudVps 3 3 OLD;
    "V101" "Cloud VPS 40 SSD (no setup)"  "ssd"  12 48 500 2500 CloudVps 3 3 OLD;
    "V102" "Storage VPS 40 (no setup)"    "hdd"  8  30 1200 2500 StorageVps 3 0 OLD;
    "V103" "Cloud VPS 50 NVMe (no setup)" "nvme" 16 64 300 3700 CloudVps 4 3 OLD;
    "V104" "Cloud VPS 50 SSD (no setup)"  "ssd"  16 64 600 3700 CloudVps 4 3 OLD;
    "V105" "Storage VPS 50 (no setup)"    "hdd"  14 50 1400 3700 StorageVps 4 0 OLD;
    "V106" "Cloud VPS 60 NVMe (no setup)" "nvme" 18 96 350 4900 CloudVps 5 3 OLD;
    "V107" "Cloud VPS 60 SSD (no setup)"  "ssd"  18 96 700 4900 CloudVps 5 3 OLD;
    "V8"   "Cloud VDS S (no setup)"       "vds"  6  24 180 3900 Vds 6 0 None;
    "V9"   "Cloud VDS M (no setup)"       "vds"  8  32 240 4900 Vds 7 0 None;
    "V10"  "Cloud VDS L (no setup)"       "vds"  12 48 360 6900 Vds 8 0 None;
    "V11"  "Cloud VDS XL (no setup)"      "vds"  16 64 480 9400 Vds 9 0 None;
    "V16"  "Cloud VDS XXL (no setup)"     "vds"  24 96 720 13900 Vds 10 0 None;
    "V153" "Cloud VPS 4 (no setup)"       "ssd"  4  8  100 550  CloudVps 0 1 NEW;
    "V154" "Cloud VPS 6 (no setup)"       "ssd"  6  12 200 750  CloudVps 1 2 NEW;
    "V155" "Cloud VPS 8 (no setup)"       "ssd"  8  24 300 1400 CloudVps 2 3 NEW;
    "V156" "Cloud VPS 12 (no setup)"      "ssd"  12 48 400 2500 CloudVps 3 3 NEW;
    "V157" "Cloud VPS 16 (no setup)"      "ssd"  16 64 500 3710 CloudVps 4 3 NEW;
    "V158" "Cloud VPS 18 (no setup)"      "ssd"  18 96 600 4900 CloudVps 5 3 NEW;
    "V159" "Cloud VPS Plus 4 (no setup)"  "nvme" 4  8  150 1355 CloudVps 0 5 NEW;
    "V160" "Cloud VPS Plus 6 (no setup)"  "nvme" 6  12 300 1915 CloudVps 1 5 NEW;
    "V161" "Cloud VPS Plus 8 (no setup)"  "nvme" 8  24 450 3500 CloudVps 2 5 NEW;
    "V162" "Cloud VPS Plus 12 (no setup)" "nvme" 12 48 600 5915 CloudVps 3 5 NEW;
    "V163" "Cloud VPS Plus 16 (no setup)" "nvme" 16 64 750 7915 CloudVps 4 5 NEW;
    "V164" "Cloud VPS Plus 18 (no setup)" "nvme" 18 96 900 9915 CloudVps 5 5 NEW;
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    pub code: &'static str,
    pub name: &'static str,
    pub data_center: &'static str,
    /// Monthly surcharge in cents, by size.
    surcharge_cents: [i64; SIZES],
}

#[rustfmt::skip]
pub const REGIONS: &[Region] = &[
    region("EU",         "European Union",          "European Union 2",          [0; SIZES]),
    region("US-central", "United States (Central)", "United States (Central) 1",
        [105, 160, 325, 580, 855, 1130, 900, 1130, 1595, 2100, 3200]),
    region("US-east",    "United States (East)",    "United States (East) 1",
        [155, 240, 475, 855, 1260, 1670, 1330, 1670, 2355, 3200, 4700]),
    region("US-west",    "United States (West)",    "United States (West) 1",
        [130, 200, 400, 715, 1060, 1400, 1115, 1400, 1975, 2600, 3900]),
    region("SIN",        "Singapore",               "Singapore 1",
        [250, 395, 785, 1405, 2075, 2750, 2190, 2750, 3870, 5200, 7800]),
    region("UK",         "United Kingdom",          "United Kingdom 1",
        [105, 160, 325, 580, 855, 1130, 900, 1130, 1595, 2100, 3200]),
    region("AUS",        "Australia",               "Australia 1",
        [215, 330, 660, 1185, 1750, 2320, 1845, 2320, 3265, 4400, 6500]),
    region("JPN",        "Japan",                   "Japan 1",
        [255, 400, 800, 1430, 2075, 2750, 2230, 2805, 3945, 5300, 7900]),
    region("IND",        "India",                   "India 1",
        [240, 370, 740, 1320, 1955, 2585, 2060, 2585, 3645, 4900, 7400]),
];

const fn region(
    code: &'static str,
    name: &'static str,
    data_center: &'static str,
    surcharge_cents: [i64; SIZES],
) -> Region {
    Region { code, name, data_center, surcharge_cents }
}

pub fn find_product(id: &str) -> Option<&'static Product> {
    PRODUCTS.iter().find(|product| product.id == id)
}

pub fn find_region(code: &str) -> Option<&'static Region> {
    REGIONS.iter().find(|region| region.code == code)
}

impl Product {
    pub fn orderable_in(&self, line_up: LineUp) -> bool {
        line_up == LineUp::Both || self.line_up.is_none_or(|own| own == line_up)
    }

    /// Whether these add-ons are sold for it: the backup is for Cloud VPS only.
    pub(super) fn takes(&self, extras: Extras) -> bool {
        !extras.backup || self.family == Family::CloudVps
    }

    /// What add-ons cost a month, in cents.
    pub(super) fn extras_cents(&self, extras: Extras) -> i64 {
        let mut monthly = 0;
        if extras.private_networking {
            monthly += PRIVATE_NETWORKING_CENTS;
        }
        if extras.additional_ip {
            monthly += ADDITIONAL_IP_CENTS;
        }
        if extras.backup {
            monthly += BACKUP_CENTS[self.size];
        }
        monthly
    }

    /// Discount on the product's own price (never on a surcharge), in per cent.
    fn discount(&self, months: i64) -> i64 {
        match (self.family, months) {
            (Family::CloudVps, 6) => 10,
            (Family::CloudVps, 12..) => 20,
            (_, 24..) => 20,
            (_, 12..) => 15,
            _ => 0,
        }
    }
}

/// What one term costs, in EUR cents net: the product with its discount, and the surcharge of the
/// region and the add-ons for every month.
pub fn term_cents(product: &Product, region: &Region, months: i64, extras: Extras) -> i64 {
    let own = product.monthly_cents * months * (100 - product.discount(months)) / 100;
    own + (region.surcharge_cents[product.size] + product.extras_cents(extras)) * months
}

/// The priced add-ons of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extras {
    pub private_networking: bool,
    pub additional_ip: bool,
    pub backup: bool,
}
