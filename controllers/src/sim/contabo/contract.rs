//! The prepaid contract of an instance: terms, renewal and the end.
//!
//! Terms are calendar months counted from the order (never from the last renewal, or the 31st would
//! drift to the 28th). A contract renews for the same term until it is cancelled; a cancelled one
//! ends with a term, and nothing revokes it.

use jiff::{Span, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// A cancel date further away than this is refused.
pub(super) const CANCEL_HORIZON_YEARS: i64 = 10;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Contract {
    /// Length of a term in months; follow-up terms are equal.
    pub months: i64,
    pub started: Timestamp,
    /// Terms that are paid for.
    pub terms: i64,
    pub term_cents: i64,
    /// The end of what is paid for.
    pub paid_through: Timestamp,
    /// Whether the API may cancel it; contracts bought in the panel often answer 422.
    pub api_cancellable: bool,
    /// Set by a cancellation: the machine is gone from here on.
    pub ends: Option<Timestamp>,
}

/// What the calendar demands next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Renew(Timestamp),
    End(Timestamp),
}

impl Due {
    pub(super) fn at(self) -> Timestamp {
        match self {
            Due::Renew(at) | Due::End(at) => at,
        }
    }
}

impl Contract {
    /// A contract whose first term is paid.
    pub(super) fn new(months: i64, started: Timestamp, term_cents: i64) -> Contract {
        let mut contract = Contract {
            months,
            started,
            terms: 0,
            term_cents,
            paid_through: started,
            api_cancellable: true,
            ends: None,
        };
        contract.renew();
        contract
    }

    /// One more term is paid.
    pub(super) fn renew(&mut self) {
        self.terms += 1;
        self.paid_through = self.term_end(self.terms);
    }

    /// The date the API shows once cancelled.
    pub fn cancel_date(&self) -> Option<Date> {
        self.ends.map(date_of)
    }

    /// End of the `number`-th term. Saturates at the end of time, which no clock reaches.
    fn term_end(&self, number: i64) -> Timestamp {
        let months = self.months.max(1).saturating_mul(number);
        Span::new()
            .try_months(months)
            .and_then(|span| self.started.to_zoned(TimeZone::UTC).checked_add(span))
            .map_or(Timestamp::MAX, |end| end.timestamp())
    }

    pub(super) fn due(&self) -> Due {
        let paid = self.paid_through;
        match self.ends {
            Some(end) if end <= paid => Due::End(end),
            _ => Due::Renew(paid),
        }
    }

    /// Ends the contract with the first term that ends on or after `wanted` (with the current term
    /// if nothing is wanted); returns the date.
    pub(super) fn cancel(&mut self, wanted: Option<Date>) -> Date {
        let mut number = self.terms;
        if let Some(wanted) = wanted {
            let last = self.terms + CANCEL_HORIZON_YEARS * 12 + 1;
            while date_of(self.term_end(number)) < wanted && number < last {
                number += 1;
            }
        }
        let end = self.term_end(number);
        self.ends = Some(end);
        date_of(end)
    }
}

/// The UTC date of a moment.
pub(super) fn date_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}
