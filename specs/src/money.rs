//! Money: whole cents with their currency, net of VAT. Never a float, never a sum of two currencies.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount, net of VAT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Money {
    /// Hundredths of the currency unit.
    pub cents: i64,
    /// ISO 4217 code, such as `EUR`.
    pub currency: String,
}

impl Money {
    pub fn new(cents: i64, currency: impl Into<String>) -> Self {
        Money { cents, currency: currency.into() }
    }

    pub fn eur(cents: i64) -> Self {
        Money::new(cents, "EUR")
    }

    /// The sum, or nothing when the currencies differ or the sum overflows.
    pub fn checked_add(&self, other: &Money) -> Option<Money> {
        if self.currency != other.currency {
            return None;
        }
        Some(Money::new(self.cents.checked_add(other.cents)?, self.currency.clone()))
    }

    /// With a sign, as changes are written: `+5.50 EUR`, `0.00 EUR`.
    pub fn signed(&self) -> String {
        let sign = if self.cents > 0 { "+" } else { "" };
        format!("{sign}{self}")
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.cents < 0 { "-" } else { "" };
        let cents = self.cents.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02} {}", cents / 100, cents % 100, self.currency))
    }
}

#[cfg(test)]
mod tests {
    use super::Money;

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(Money::eur(550).to_string(), "5.50 EUR");
        assert_eq!(Money::eur(-5).to_string(), "-0.05 EUR");
        assert_eq!(Money::eur(1200).signed(), "+12.00 EUR");
        assert_eq!(Money::eur(0).signed(), "0.00 EUR");
    }

    #[test]
    fn two_currencies_are_never_added() {
        assert_eq!(Money::eur(1).checked_add(&Money::new(1, "USD")), None);
        assert_eq!(Money::eur(i64::MAX).checked_add(&Money::eur(1)), None);
    }
}
