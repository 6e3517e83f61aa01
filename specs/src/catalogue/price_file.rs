//! Reading a price list. The built-in one and an operator's `prices.yaml` have the same format:
//!
//! ```yaml
//! asOf: 2026-11-22                # the day the prices were read; required
//! source: our invoice             # for a person; "prices.yaml" if left out
//! prices:
//!   - size: vps-10-nvme           # or sizes: [...]; names or product ids
//!     region: EU                  # EU if left out
//!     months: 1                   # 1 if left out
//!     price: 5.50 EUR             # a month; or `none`: it has no price, so it is not bought
//!   - size: vps-20-nvme
//!     totals: { 1: 7.50 EUR, 12: 72.00 EUR }     # what a whole term costs, by its months
//! surcharges:                     # what a region adds to the EU price, each month
//!   - size: vps-10-nvme
//!     months: 1                   # the term it is for
//!     perMonth: { UK: 1.05 EUR, JPN: 2.55 EUR }
//! ```
//! Each line may carry its own `asOf`, `source`, `validFrom`, `validUntil`.
//!
//! All faults are reported at once: a person who fixes a price list by hand should not learn of
//! them one restart at a time. A list with a fault is refused whole, because half a price list
//! decides on money just as a whole one does.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::Date;
use serde_yaml::{Mapping, Value};

use super::Catalogue;
use super::price::{
    BASE_REGION, MAX_TERM_MONTHS, PriceBook, PriceLine, Seen, SurchargeLine, parse_money,
};
use crate::money::Money;

/// No entry is read once a price list has this many lines (`sizes` and `totals` spread out).
pub const MAX_PRICE_LINES: usize = 10_000;

/// The largest price list that is read, in bytes.
pub const MAX_PRICE_FILE_BYTES: usize = 1 << 20;

const TOP: &[&str] = &["asOf", "source", "prices", "surcharges"];
const PRICE: &[&str] = &[
    "size",
    "sizes",
    "region",
    "months",
    "price",
    "totals",
    "asOf",
    "source",
    "validFrom",
    "validUntil",
];
const SURCHARGE: &[&str] =
    &["size", "sizes", "months", "perMonth", "asOf", "source", "validFrom", "validUntil"];

/// A fault in a price list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PriceError {
    /// The entry and field, such as `prices[2].price`; empty for the file as a whole.
    pub at: String,
    /// What was found there, shortened.
    pub found: String,
    /// What belongs there.
    pub expected: String,
}

impl fmt::Display for PriceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "the file" } else { &self.at };
        write!(f, "{at} is {}; expected {}", self.found, self.expected)
    }
}

/// Reads a list against the sizes and regions of `catalogue`.
pub(super) fn read(catalogue: &Catalogue, yaml: &str) -> Result<PriceBook, Vec<PriceError>> {
    let whole = |found: String, expected: &str| {
        vec![PriceError { at: String::new(), found, expected: expected.to_owned() }]
    };
    if yaml.len() > MAX_PRICE_FILE_BYTES {
        return Err(whole(
            format!("{} bytes", yaml.len()),
            &format!("at most {MAX_PRICE_FILE_BYTES}"),
        ));
    }
    let value: Value = serde_yaml::from_str(yaml)
        .map_err(|e| whole(format!("not YAML ({e})"), "a YAML document"))?;
    let Value::Mapping(top) = value else {
        return Err(whole(show(&value), "a mapping with asOf and prices"));
    };
    let mut reader =
        Reader { catalogue, errors: Vec::new(), book: PriceBook::default(), told: BTreeSet::new() };
    reader.top(&top);
    if reader.errors.is_empty() { Ok(reader.book) } else { Err(reader.errors) }
}

struct Reader<'c> {
    catalogue: &'c Catalogue,
    errors: Vec<PriceError>,
    book: PriceBook,
    /// What has been priced already, to catch the same thing priced twice with different results.
    told: BTreeSet<(bool, String, String, u32, Option<Date>)>,
}

impl Reader<'_> {
    fn top(&mut self, top: &Mapping) {
        self.known_fields("", top, TOP);
        let as_of = self.date("asOf", top.get("asOf"));
        if top.get("asOf").is_none() {
            self.fault("asOf", "missing", "the day the prices were read, like 2026-11-22");
        }
        let file = Seen {
            as_of: as_of.unwrap_or(Date::ZERO),
            source: self
                .text("source", top.get("source"))
                .unwrap_or_else(|| "prices.yaml".to_owned()),
            valid_from: None,
            valid_until: None,
        };
        for (list, fields) in [("prices", PRICE), ("surcharges", SURCHARGE)] {
            let entries = match top.get(list) {
                None => continue,
                Some(Value::Sequence(entries)) => entries,
                Some(other) => {
                    self.fault(list, show(other), "a list");
                    continue;
                }
            };
            for (index, entry) in entries.iter().enumerate() {
                if self.book.prices.len() + self.book.surcharges.len() > MAX_PRICE_LINES {
                    self.fault("", "too long", format!("at most {MAX_PRICE_LINES} prices"));
                    return;
                }
                let at = format!("{list}[{index}]");
                let Value::Mapping(entry) = entry else {
                    self.fault(at, show(entry), "a mapping that names a size");
                    continue;
                };
                self.known_fields(&at, entry, fields);
                let seen = self.seen(&at, entry, &file);
                let sizes = self.sizes(&at, entry);
                if list == "prices" {
                    self.price(&at, entry, &sizes, &seen);
                } else {
                    self.surcharge(&at, entry, &sizes, &seen);
                }
            }
        }
    }

    fn price(&mut self, at: &str, entry: &Mapping, sizes: &[String], seen: &Seen) {
        let region = match entry.get("region") {
            None => Some(BASE_REGION.to_owned()),
            Some(value) => self.region(&format!("{at}.region"), value),
        };
        let totals = self.totals(at, entry);
        let Some(region) = region else { return };
        for size in sizes {
            for (months, total) in &totals {
                self.once(at, (false, size, &region, *months, seen.valid_from));
                self.book.prices.push(PriceLine {
                    size: size.clone(),
                    region: region.clone(),
                    months: *months,
                    total: total.clone(),
                    seen: seen.clone(),
                });
            }
        }
    }

    /// What whole terms cost, by months; `None` as an amount for "no price".
    fn totals(&mut self, at: &str, entry: &Mapping) -> Vec<(u32, Option<Money>)> {
        match (entry.get("price"), entry.get("totals")) {
            (Some(price), None) => {
                let months = self.months(&format!("{at}.months"), entry.get("months"));
                if price.as_str() == Some("none") {
                    return months.map(|m| (m, None)).into_iter().collect();
                }
                let monthly = self.amount(&format!("{at}.price"), price, 1, "5.50 EUR or none");
                let (Some(months), Some(monthly)) = (months, monthly) else {
                    return Vec::new();
                };
                let cents = monthly.cents * i64::from(months);
                vec![(months, Some(Money { cents, ..monthly }))]
            }
            (None, Some(Value::Mapping(totals))) if entry.get("months").is_none() => {
                let mut read = Vec::new();
                for (months, total) in totals {
                    let at = format!("{at}.totals");
                    let months = self.months(&at, Some(months));
                    let total = self.amount(&at, total, 1, "5.50 EUR");
                    read.extend(months.zip(total.map(Some)));
                }
                read
            }
            (None, None) => {
                self.fault(at, "without a price", "price (a month) or totals (by term)");
                Vec::new()
            }
            _ => {
                self.fault(
                    at,
                    "priced in two ways",
                    "either price, with months, or totals by months",
                );
                Vec::new()
            }
        }
    }

    fn surcharge(&mut self, at: &str, entry: &Mapping, sizes: &[String], seen: &Seen) {
        let months = self.months(&format!("{at}.months"), entry.get("months"));
        let at = format!("{at}.perMonth");
        let Some(Value::Mapping(by_region)) = entry.get("perMonth") else {
            let found = entry.get("perMonth").map_or("missing".to_owned(), show);
            self.fault(at, found, "amounts by region, like { UK: 1.05 EUR }");
            return;
        };
        for (region, amount) in by_region {
            let region = self.region(&at, region);
            let amount = self.amount(&at, amount, 0, "1.05 EUR");
            let (Some(region), Some(per_month), Some(months)) = (region, amount, months) else {
                continue;
            };
            if region == BASE_REGION {
                self.fault(&at, BASE_REGION, "another region: this one is the base");
            }
            for size in sizes {
                self.once(&at, (true, size, &region, months, seen.valid_from));
                self.book.surcharges.push(SurchargeLine {
                    size: size.clone(),
                    region: region.clone(),
                    months,
                    per_month: per_month.clone(),
                    seen: seen.clone(),
                });
            }
        }
    }

    fn once(&mut self, at: &str, key: (bool, &str, &str, u32, Option<Date>)) {
        let (surcharge, size, region, months, from) = key;
        let owned = (surcharge, size.to_owned(), region.to_owned(), months, from);
        if !self.told.insert(owned) {
            self.fault(
                at,
                format!("a second line for {size}, {region}, {months} months"),
                "one line for each, or different validFrom days",
            );
        }
    }

    fn sizes(&mut self, at: &str, entry: &Mapping) -> Vec<String> {
        let (field, names) = match (entry.get("size"), entry.get("sizes")) {
            (Some(one), None) => ("size", std::slice::from_ref(one)),
            (None, Some(Value::Sequence(many))) if !many.is_empty() => ("sizes", many.as_slice()),
            _ => {
                self.fault(at, "without a size", "size: NAME, or sizes: [NAME, …]");
                return Vec::new();
            }
        };
        let limit = self.catalogue.sizes().len();
        if names.len() > limit {
            self.fault(format!("{at}.{field}"), "too long", format!("at most {limit} sizes"));
            return Vec::new();
        }
        let mut sizes = Vec::new();
        for name in names {
            match name.as_str().and_then(|n| self.catalogue.size(n)) {
                Some(size) => sizes.push(size.name.clone()),
                None => {
                    let near = name.as_str().and_then(|n| self.catalogue.similar_size(n));
                    let expected = near.map_or_else(
                        || "a size of the catalogue (devpocket sizes lists them)".to_owned(),
                        |near| format!("a size of the catalogue, such as {}", near.name),
                    );
                    self.fault(format!("{at}.{field}"), show(name), expected);
                }
            }
        }
        sizes
    }

    fn region(&mut self, at: &str, value: &Value) -> Option<String> {
        let known = value.as_str().and_then(|slug| self.catalogue.region(slug));
        if known.is_none() {
            let slugs: Vec<_> = self.catalogue.regions().iter().map(|r| &*r.slug).collect();
            self.fault(at, show(value), format!("one of {}", slugs.join(", ")));
        }
        known.map(|r| r.slug.clone())
    }

    fn months(&mut self, at: &str, value: Option<&Value>) -> Option<u32> {
        let Some(value) = value else { return Some(1) };
        let months = value
            .as_u64()
            .and_then(|m| u32::try_from(m).ok())
            .filter(|m| (1..=MAX_TERM_MONTHS).contains(m));
        if months.is_none() {
            self.fault(at, show(value), format!("months, 1 to {MAX_TERM_MONTHS}"));
        }
        months
    }

    fn amount(&mut self, at: &str, value: &Value, least: i64, like: &str) -> Option<Money> {
        let amount = value.as_str().and_then(parse_money).filter(|a| a.cents >= least);
        if amount.is_none() {
            self.fault(at, show(value), format!("an amount with its currency, like {like}"));
        }
        amount
    }

    fn seen(&mut self, at: &str, entry: &Mapping, file: &Seen) -> Seen {
        let mut day = |field: &str| self.date(&format!("{at}.{field}"), entry.get(field));
        let (as_of, from, until) = (day("asOf"), day("validFrom"), day("validUntil"));
        if from.zip(until).is_some_and(|(from, until)| until < from) {
            self.fault(format!("{at}.validUntil"), "before validFrom", "the last day it holds");
        }
        let source = self.text(&format!("{at}.source"), entry.get("source"));
        Seen {
            as_of: as_of.unwrap_or(file.as_of),
            source: source.unwrap_or_else(|| file.source.clone()),
            valid_from: from,
            valid_until: until,
        }
    }

    fn date(&mut self, at: &str, value: Option<&Value>) -> Option<Date> {
        let value = value?;
        let date = value.as_str().and_then(|d| d.parse::<Date>().ok());
        if date.is_none() {
            self.fault(at, show(value), "a day like 2026-11-22");
        }
        date
    }

    fn text(&mut self, at: &str, value: Option<&Value>) -> Option<String> {
        let value = value?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.fault(at, show(value), "text");
        }
        text
    }

    fn known_fields(&mut self, at: &str, entry: &Mapping, known: &[&str]) {
        for key in entry.keys() {
            if !key.as_str().is_some_and(|k| known.contains(&k)) {
                let found = format!("a field {}", show(key));
                self.fault(at, found, format!("only {}", known.join(", ")));
            }
        }
    }

    fn fault(&mut self, at: impl Into<String>, found: impl Into<String>, want: impl Into<String>) {
        self.errors.push(PriceError { at: at.into(), found: found.into(), expected: want.into() });
    }
}

/// The value as a person would recognise it, at most 60 characters.
fn show(value: &Value) -> String {
    let text = match value {
        Value::Null => "empty".to_owned(),
        Value::String(s) => format!("{s:?}"),
        Value::Sequence(_) => "a list".to_owned(),
        Value::Mapping(_) => "a mapping".to_owned(),
        other => serde_yaml::to_string(other).unwrap_or_default(),
    };
    text.trim_end().chars().take(60).collect()
}
