//! Contract terms: until when a machine is paid for, and when the next one is billed.
//!
//! Contabo bills by contract period: the first term is the one ordered, follow-up terms are as
//! long, and a contract that is not cancelled goes on. Terms are counted from the first day, not
//! from the last renewal: a machine bought on 31 January is renewed on 28 February and on 31
//! March, and adding months to 28 February would lose three days of it for ever.

use devpocket_specs::machine::Machine;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Terms looked at: one-month terms for 200 years.
const TERM_LIMIT: i32 = 2_400;

/// The first day that is not paid for any more, on `today`: the next billing date, or the end of a
/// cancelled contract. Nothing when the contract is unknown (a machine DevPocket did not order).
pub fn paid_through(machine: &Machine, today: Date) -> Option<Date> {
    let order = machine.spec.order.as_ref()?;
    let seen = machine.status.seen.as_ref()?;
    let months = i32::from(order.contract_months.max(1));
    let first = day(seen.created?);
    let next = (1..=TERM_LIMIT)
        .filter_map(|terms| first.checked_add(Span::new().try_months(months * terms).ok()?).ok())
        .find(|end| *end > today)?;
    Some(seen.cancel_date.map_or(next, |cancelled| cancelled.min(next)))
}

/// The day a moment falls on, in UTC.
pub fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The first moment of a day, in UTC.
pub fn start_of(day: Date) -> Timestamp {
    day.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |zoned| zoned.timestamp())
}
