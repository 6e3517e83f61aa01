use std::collections::BTreeSet;

use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::*;

const TODAY: Date = date(2026, 11, 22);

fn cents(size: &str, region: &str, months: u32) -> Option<(i64, i64, String)> {
    let catalogue = Catalogue::builtin();
    let size = catalogue.size(size).unwrap();
    let price = catalogue.price(size, region, months, TODAY)?;
    Some((price.cents_per_month, price.total_due, price.currency))
}

fn eur(month: i64, total: i64) -> Option<(i64, i64, String)> {
    Some((month, total, "EUR".to_owned()))
}

#[test]
fn data_files_are_read_and_consistent() {
    let catalogue = load().unwrap();
    assert_eq!(catalogue.sizes().len(), 34);
    let names: BTreeSet<_> = catalogue.sizes().iter().map(|s| &s.name).collect();
    let ids: BTreeSet<_> = catalogue.sizes().iter().map(|s| &s.product_id).collect();
    assert_eq!((names.len(), ids.len()), (34, 34), "names and ids are unique");
    for size in catalogue.sizes() {
        assert!(!catalogue.terms(size).is_empty(), "{} has terms", size.name);
        assert!(catalogue.price(size, "EU", 1, TODAY).is_some(), "{} has a price in EU", size.name);
    }
    assert!(catalogue.image(catalogue.default_image()).is_some());
    for image in catalogue.images() {
        assert!(image.id.parse::<uuid::Uuid>().is_ok(), "{}", image.name);
    }
    assert_eq!(catalogue.regions().len(), 9);
}

#[test]
fn a_size_is_found_by_name_and_by_product_id() {
    let catalogue = Catalogue::builtin();
    let size = catalogue.size("vps-30-nvme").unwrap();
    assert_eq!(catalogue.size("V97"), Some(size));
    assert_eq!((size.ram_mb(), size.disk_mb()), (24_576, 204_800));
    assert_eq!(size.snapshot_slots, 3);
    assert_eq!(catalogue.size("VPS-30-NVME"), None);
    assert_eq!(catalogue.size(""), None);
}

#[test]
fn prices_are_those_of_the_shop() {
    assert_eq!(cents("vps-10-nvme", "EU", 1), eur(550, 550));
    assert_eq!(cents("vps-20-nvme", "EU", 1), eur(750, 750));
    assert_eq!(cents("vps-10-nvme", "EU", 12), eur(440, 5280));
    assert_eq!(cents("vps-10-nvme", "JPN", 1), eur(805, 805));
    assert_eq!(cents("vps-10-nvme", "SIN", 1), eur(800, 800));
    assert_eq!(cents("vps-60-ssd", "UK", 1), eur(6030, 6030));
    // A total that does not divide: the month is rounded up, the total is exact.
    assert_eq!(cents("vps-10-storage", "EU", 12), eur(468, 5610));
}

#[test]
fn what_nobody_read_has_no_price() {
    assert_eq!(cents("vps-10-nvme", "JPN", 12), None, "surcharge of a year");
    assert_eq!(cents("vds-l", "US-central", 1), None, "not offered there");
    assert_eq!(cents("vps-10-nvme", "EU", 2), None, "no such term");
    assert_eq!(cents("vps-10-nvme", "EU", 0), None);
    assert_eq!(cents("vps-10-nvme", "MOON", 1), None);
}

#[test]
fn dollars_stay_dollars() {
    assert_eq!(cents("vps-4", "EU", 1), Some((660, 660, "USD".to_owned())));
    assert_eq!(cents("vps-4", "UK", 1), None);
    assert_eq!(cents("vps-plus-4", "US-central", 1), eur(1660, 1660));
    // A surcharge in euros over a price in dollars is no price.
    let mixed = Catalogue::builtin()
        .with_prices("asOf: 2026-11-22\nsurcharges: [{size: vps-4, perMonth: {UK: 1 EUR}}]")
        .unwrap();
    let size = mixed.size("vps-4").unwrap();
    assert_eq!(mixed.price(size, "UK", 1, TODAY), None);
}

#[test]
fn the_new_lineup_is_sold_from_its_day() {
    let catalogue = Catalogue::builtin();
    let size = catalogue.size("vps-4").unwrap();
    assert!(!catalogue.orderable(size, date(2026, 8, 31)));
    assert!(catalogue.orderable(size, date(2026, 9, 1)));
    assert_eq!(catalogue.terms(size), [1, 12, 24]);
    assert!(catalogue.orderable(catalogue.size("vps-10-nvme").unwrap(), TODAY));
}

#[test]
fn an_unknown_size_gets_a_suggestion() {
    let catalogue = Catalogue::builtin();
    for (asked, name, why) in [
        ("VPS10NVMe", "vps-10-nvme", Why::Similar),
        ("nvme_vps_20", "vps-20-nvme", Why::Similar),
        ("v91", "vps-10-nvme", Why::Similar),
        ("vps-30-nvem", "vps-30-nvme", Why::Similar),
        ("vds-xxxl", "vds-xxl", Why::Similar),
        ("VPS-L-8vcpu-24gb", "vps-30-nvme", Why::SameNumbers),
        ("VPS-S-1vcpu-2gb", "vps-10-nvme", Why::Smallest),
        ("vps-70-nvme", "vps-10-nvme", Why::Smallest),
        ("t3.micro", "vps-10-nvme", Why::Smallest),
        ("", "vps-10-nvme", Why::Smallest),
    ] {
        let nearest = catalogue.nearest_size(asked, TODAY);
        assert_eq!((&*nearest.size.name, nearest.why), (name, why), "{asked}");
    }
    assert_eq!(
        catalogue.describe(catalogue.smallest_size(TODAY), "EU", TODAY),
        "4 vCPU, 8 GB, 75 GB NVMe, 5.50 EUR a month in EU"
    );
}

#[test]
fn a_seed_size_is_mapped_to_one_that_is_large_enough() {
    let catalogue = Catalogue::builtin();
    let mapped = |name| catalogue.map_seed_size(name, TODAY).map(|m| (&*m.size.name, m.why));
    assert_eq!(mapped("VPS-S-1vcpu-2gb"), Some(("vps-10-nvme", Why::LargeEnough)));
    assert_eq!(mapped("VPS-M-6vcpu-12gb"), Some(("vps-20-nvme", Why::SameNumbers)));
    assert_eq!(mapped("vps-xl-10vcpu-20gb"), Some(("vps-40-nvme", Why::LargeEnough)));
    assert_eq!(mapped("VPS-XXL-64vcpu-512gb"), None);
    assert_eq!(mapped("vps-10-nvme"), None);
    assert_eq!(mapped("99999999999vcpu-2gb"), None);
}

#[test]
fn regions_are_suggested_only_when_near() {
    let catalogue = Catalogue::builtin();
    let near = |s| catalogue.nearest_region(s).map(|r| &*r.slug);
    assert_eq!(near("eu"), Some("EU"));
    assert_eq!(near("US_Central"), Some("US-central"));
    assert_eq!(near("US-centrall"), Some("US-central"));
    assert_eq!(near("Japan"), Some("JPN"));
    assert_eq!(near("SGP"), None);
    assert_eq!(near("XX"), None);
}

#[test]
fn an_operators_prices_win() {
    let yaml = "
asOf: 2026-12-01
source: our contract
prices:
  - { size: V91, price: 4.99 EUR }
  - { size: vps-20-nvme, price: none }
  - { size: vps-4, region: UK, months: 12, price: 8 GBP }
  - { size: vps-30-nvme, price: 15 EUR, validFrom: 2027-01-01 }
";
    let catalogue = Catalogue::builtin().with_prices(yaml).unwrap();
    let price = |size: &str, region, months, on| {
        catalogue.price(catalogue.size(size).unwrap(), region, months, on)
    };
    let own = price("vps-10-nvme", "EU", 1, TODAY).unwrap();
    assert_eq!((own.cents_per_month, &*own.source), (499, "our contract"));
    // The region's surcharge comes on top of the operator's price, dated by the older of the two.
    let there = price("vps-10-nvme", "JPN", 1, TODAY).unwrap();
    assert_eq!((there.total_due, there.as_of), (754, date(2026, 8, 22)));
    assert_eq!(price("vps-20-nvme", "EU", 1, TODAY), None);
    assert_eq!(price("vps-20-nvme", "JPN", 1, TODAY), None);
    let pounds = price("vps-4", "UK", 12, TODAY).unwrap();
    assert_eq!((pounds.total_due, &*pounds.currency), (9600, "GBP"));
    let month = |on| price("vps-30-nvme", "EU", 1, on).unwrap().cents_per_month;
    assert_eq!((month(TODAY), month(date(2027, 1, 1))), (1400, 1500));
}

#[test]
fn all_faults_of_a_price_list_are_told_at_once() {
    let yaml = "
sauce: x
prices:
  - { size: vps-10-nvm, price: 5.50 EUR }
  - { size: vps-10-nvme, price: 5.5 }
  - { size: vps-10-nvme, price: 0.00 EUR, region: MARS }
  - { price: 1 EUR, months: 0 }
  - { size: vps-10-nvme, price: 1 EUR, totals: {1: 1 EUR} }
  - just text
surcharges:
  - { size: vps-10-nvme, perMonth: {EU: 1 EUR, UK: -1 EUR} }
  - { size: vps-10-nvme, perMonth: {JPN: 1 EUR}, validFrom: tomorrow }
  - { size: V91, perMonth: {SIN: 1 EUR} }
  - { size: vps-10-nvme, perMonth: {SIN: 2 EUR} }
";
    let errors = Catalogue::builtin().with_prices(yaml).unwrap_err();
    let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let expect = [
        "the file is a field \"sauce\"; expected only asOf, source, prices, surcharges",
        "asOf is missing; expected the day the prices were read, like 2026-11-22",
        "prices[0].size is \"vps-10-nvm\"; expected a size of the catalogue, such as vps-10-nvme",
        "prices[1].price is 5.5; expected an amount with its currency, like 5.50 EUR or none",
        "prices[2].region is \"MARS\"; expected one of EU, UK, US-central, US-east, US-west, SIN, AUS, IND, JPN",
        "prices[2].price is \"0.00 EUR\"; expected an amount with its currency, like 5.50 EUR or none",
        "prices[3] is without a size; expected size: NAME, or sizes: [NAME, …]",
        "prices[3].months is 0; expected months, 1 to 120",
        "prices[4] is priced in two ways; expected either price, with months, or totals by months",
        "prices[5] is \"just text\"; expected a mapping that names a size",
        "surcharges[0].perMonth is EU; expected another region: this one is the base",
        "surcharges[0].perMonth is \"-1 EUR\"; expected an amount with its currency, like 1.05 EUR",
        "surcharges[1].validFrom is \"tomorrow\"; expected a day like 2026-11-22",
        "surcharges[3].perMonth is a second line for vps-10-nvme, SIN, 1 months; expected one line for each, or different validFrom days",
    ];
    assert_eq!(told, expect);
}

#[test]
fn a_file_that_is_no_price_list_is_one_fault() {
    for yaml in ["", "[]", "a: [", "text", &"x".repeat(MAX_PRICE_FILE_BYTES + 1)] {
        assert_eq!(Catalogue::builtin().with_prices(yaml).unwrap_err().len(), 1);
    }
}

proptest! {
    #[test]
    fn any_name_gets_a_size_that_is_sold(name in "\\PC{0,40}|[vpsdnmeg0-9c-]{0,20}") {
        let catalogue = Catalogue::builtin();
        let nearest = catalogue.nearest_size(&name, TODAY);
        prop_assert!(catalogue.orderable(nearest.size, TODAY));
        if let Some(seed) = catalogue.map_seed_size(&name, TODAY) {
            prop_assert!(seed.size.vcpu >= seed.vcpu && seed.size.ram_gb >= seed.ram_gb);
        }
    }

    #[test]
    fn no_price_list_makes_it_panic(yaml in "\\PC{0,200}|(asOf: 2026-01-01\n)?prices: \\[\\{size: vps-4, price: [0-9.]{0,12} EUR, months: [0-9]{0,12}\\}\\]") {
        if let Ok(catalogue) = Catalogue::builtin().with_prices(&yaml) {
            for size in catalogue.sizes() {
                for months in [0, 1, 120, u32::MAX] {
                    let _ = catalogue.price(size, "UK", months, TODAY);
                }
            }
        }
    }
}
