//! Fewer samples that say the same.

use jiff::Timestamp;

use super::{Sample, Throughput, Usage};

/// One sample for each `seconds`, counted from the epoch: the means of what was used, and the latest
/// of what only grows or hardly changes (totals, uptime). Where there is no sample there is none
/// after it either, so gaps stay. `samples` are in the order of their times.
#[must_use]
pub fn thinned(samples: &[Sample], seconds: i64) -> Vec<Sample> {
    let seconds = seconds.max(1);
    let begin = |sample: &Sample| sample.at.as_second().div_euclid(seconds) * seconds;
    let groups = samples.chunk_by(|one, next| begin(one) == begin(next));
    let mean = |group: &[Sample]| {
        let at = Timestamp::from_second(begin(group.first()?)).ok()?;
        Some(Sample {
            at,
            cpu: average(group.iter().filter_map(|s| s.cpu.map(u64::from)))
                .and_then(|cpu| u16::try_from(cpu).ok()),
            memory: usage(group, |sample| sample.memory),
            disk: usage(group, |sample| sample.disk),
            network: network(group),
            uptime: group.last()?.uptime,
        })
    };
    groups.filter_map(mean).collect()
}

fn usage(group: &[Sample], part: impl Fn(&Sample) -> Option<Usage>) -> Option<Usage> {
    let known: Vec<Usage> = group.iter().filter_map(part).collect();
    let total = known.last()?.total;
    let used = average(known.iter().map(|usage| usage.used))?;
    Usage::new(used.min(total), total)
}

fn network(group: &[Sample]) -> Option<Throughput> {
    let known = || group.iter().filter_map(|sample| sample.network);
    Some(Throughput {
        received: average(known().map(|network| network.received))?,
        sent: average(known().map(|network| network.sent))?,
    })
}

/// Rounded to the nearest.
fn average(values: impl Iterator<Item = u64>) -> Option<u64> {
    let (sum, count) =
        values.fold((0u128, 0u128), |(sum, count), value| (sum + u128::from(value), count + 1));
    u64::try_from((sum + count / 2).checked_div(count)?).ok()
}
