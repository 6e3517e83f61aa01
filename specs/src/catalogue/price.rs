//! What things cost: exact amounts in one currency, and the book that answers for a size, a
//! region, a term and a day.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::size::within;
use crate::money::Money;

/// The largest amount a price list may carry, in hundredths (one million). It keeps every sum and
/// product in here far from overflow, and catches a price typed with a slipped decimal point.
pub const MAX_AMOUNT_CENTS: i64 = 100_000_000;

/// The region whose prices are the base the surcharges of the others come on top of.
pub const BASE_REGION: &str = "EU";

/// The longest contract term a price list may carry, in months.
pub const MAX_TERM_MONTHS: u32 = 120;

/// Reads `5.50 EUR`: digits, optionally a point and one or two digits, a space, three capitals.
/// `None` for everything else, also for a bare number: an amount without its currency is not a
/// price.
pub(super) fn parse_money(text: &str) -> Option<Money> {
    let (number, currency) = text.split_once(' ')?;
    if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let (units, fraction) = number.split_once('.').unwrap_or((number, "00"));
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(units) || !digits(fraction) || units.len() > 7 || fraction.len() > 2 {
        return None;
    }
    let scale = if fraction.len() == 1 { 10 } else { 1 };
    let cents = units.parse::<i64>().ok()? * 100 + fraction.parse::<i64>().ok()? * scale;
    (cents <= MAX_AMOUNT_CENTS).then(|| Money::new(cents, currency))
}

/// The price of one order, net of VAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Price {
    /// What a month comes to. Where a term's total does not divide into whole cents this is
    /// rounded up: it is for showing and for monthly budgets, `total_due` is what is owed.
    pub cents_per_month: i64,
    pub currency: String,
    /// What the whole term costs, due when it is ordered.
    pub total_due: i64,
    pub term_months: u32,
    /// The day the price was known to hold; with a surcharge, the older of the two days.
    pub as_of: Date,
    /// Where it was read, for a person.
    pub source: String,
}

impl Price {
    /// What a month comes to, as an amount.
    #[must_use]
    pub fn monthly(&self) -> Money {
        Money { cents: self.cents_per_month, currency: self.currency.clone() }
    }

    /// What is due with the order, as an amount.
    #[must_use]
    pub fn due(&self) -> Money {
        Money { cents: self.total_due, currency: self.currency.clone() }
    }
}

/// One line of a price list: what `size` costs in `region` for `months`. `total: None` says that
/// it has no price (an operator's way to take a size out of what may be bought).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PriceLine {
    pub size: String,
    pub region: String,
    pub months: u32,
    pub total: Option<Money>,
    pub seen: Seen,
}

/// One line of surcharges: what `region` adds to `size` each month of a term of `months`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SurchargeLine {
    pub size: String,
    pub region: String,
    pub months: u32,
    pub per_month: Money,
    pub seen: Seen,
}

/// When and where a line was read, and the days it is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub as_of: Date,
    pub source: String,
    pub valid_from: Option<Date>,
    pub valid_until: Option<Date>,
}

impl Seen {
    fn holds(&self, on: Date) -> bool {
        within(self.valid_from, self.valid_until, on)
    }
}

/// All lines, oldest list first: a later line wins over an earlier one for the same thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PriceBook {
    pub prices: Vec<PriceLine>,
    pub surcharges: Vec<SurchargeLine>,
}

impl PriceBook {
    /// The price of an order on a day. A line for exactly that region wins; else the base region's
    /// line plus that region's surcharge, if both are known and in one currency; else none.
    pub fn price(&self, size: &str, region: &str, months: u32, on: Date) -> Option<Price> {
        if let Some(line) = self.line(size, region, months, on) {
            return quote(line.total.as_ref()?, months, &line.seen);
        }
        let base = self.line(size, BASE_REGION, months, on)?;
        let extra = self
            .surcharges
            .iter()
            .rev()
            .filter(|s| s.size == size && s.region == region && s.months == months)
            .find(|s| s.seen.holds(on))?;
        let term = Money {
            cents: extra.per_month.cents.checked_mul(i64::from(months))?,
            currency: extra.per_month.currency.clone(),
        };
        let total = base.total.as_ref()?.checked_add(&term)?;
        let mut seen = base.seen.clone();
        seen.as_of = seen.as_of.min(extra.seen.as_of);
        if seen.source != extra.seen.source {
            seen.source = format!("{}; surcharge: {}", seen.source, extra.seen.source);
        }
        quote(&total, months, &seen)
    }

    fn line(&self, size: &str, region: &str, months: u32, on: Date) -> Option<&PriceLine> {
        self.prices
            .iter()
            .rev()
            .filter(|l| l.size == size && l.region == region && l.months == months)
            .find(|l| l.seen.holds(on))
    }
}

fn quote(total: &Money, months: u32, seen: &Seen) -> Option<Price> {
    let term = i64::from(months);
    if term == 0 {
        return None;
    }
    Some(Price {
        cents_per_month: total.cents.div_euclid(term) + i64::from(total.cents % term != 0),
        currency: total.currency.clone(),
        total_due: total.cents,
        term_months: months,
        as_of: seen.as_of,
        source: seen.source.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_and_carry_their_currency() {
        for (text, cents) in [
            ("5.50 EUR", 550),
            ("14 USD", 1400),
            ("0.05 EUR", 5),
            ("7.5 EUR", 750),
            ("1000000 EUR", MAX_AMOUNT_CENTS),
        ] {
            assert_eq!(parse_money(text).map(|a| a.cents), Some(cents), "{text}");
        }
        for text in [
            "5.50",
            "EUR 5.50",
            "5.50 eur",
            "5,50 EUR",
            "-1 EUR",
            "5.505 EUR",
            "1e3 EUR",
            " EUR",
            "1000000.01 EUR",
            "5.50  EUR",
            ".5 EUR",
            "99999999999999999999 EUR",
        ] {
            assert_eq!(parse_money(text), None, "{text}");
        }
        assert_eq!(parse_money("5.5 EUR").unwrap().to_string(), "5.50 EUR");
    }
}
