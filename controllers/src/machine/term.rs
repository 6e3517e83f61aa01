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

#[cfg(test)]
mod tests {
    use devpocket_specs::machine::{MachineSpec, MachineStatus};
    use devpocket_specs::metadata::ObjectMeta;
    use jiff::civil::date;
    use serde_json::json;

    use super::*;

    fn bought(first: &str, months: u8) -> Machine {
        let order = json!({
            "size": "vps-10-nvme", "productId": "V91", "region": "EU", "image": "ubuntu-24.04",
            "contractMonths": months, "price": {"cents": 550, "currency": "EUR"},
            "due": {"cents": 550, "currency": "EUR"}, "pricesOf": "2026-08-22",
            "userDataDigest": "", "demand": {
                "environmentUid": "00000000-0000-4000-8000-000000000001", "cause": "create",
            },
        });
        let seen = json!({
            "providerStatus": "running", "displayName": "", "productId": "V91", "region": "EU",
            "created": first, "since": first,
        });
        Machine {
            metadata: ObjectMeta::named("", "m-1"),
            spec: MachineSpec {
                managed: true,
                order: Some(serde_json::from_value(order).unwrap()),
                ..MachineSpec::default()
            },
            status: MachineStatus {
                seen: Some(serde_json::from_value(seen).unwrap()),
                ..MachineStatus::default()
            },
        }
    }

    #[test]
    fn terms_count_from_the_first_day_and_lose_no_day_in_february() {
        let machine = bought("2026-01-31T23:59:00Z", 1);
        for (today, next) in [
            (date(2026, 1, 31), date(2026, 2, 28)),
            (date(2026, 2, 27), date(2026, 2, 28)),
            (date(2026, 2, 28), date(2026, 3, 31)),
            (date(2027, 2, 1), date(2027, 2, 28)),
        ] {
            assert_eq!(paid_through(&machine, today), Some(next), "{today}");
        }
        let year = bought("2024-02-29T00:00:00Z", 12);
        assert_eq!(paid_through(&year, date(2024, 6, 1)), Some(date(2025, 2, 28)));
        assert_eq!(paid_through(&year, date(2025, 2, 28)), Some(date(2026, 2, 28)));
    }

    #[test]
    fn a_cancelled_contract_ends_on_its_day_and_a_strangers_is_unknown() {
        let mut machine = bought("2026-01-10T00:00:00Z", 1);
        machine.status.seen.as_mut().unwrap().cancel_date = Some(date(2026, 2, 10));
        assert_eq!(paid_through(&machine, date(2026, 5, 1)), Some(date(2026, 2, 10)));
        machine.spec.order = None;
        assert_eq!(paid_through(&machine, date(2026, 5, 1)), None);
    }
}
