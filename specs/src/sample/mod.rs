//! How a machine is doing: what one look at its counters says ([`Reading`]), what two of them say
//! ([`Sample`]), and how a month of samples is kept small ([`pack`], [`thinned`]).
//!
//! # Guarantees
//! - A rate is the difference of two readings of one boot, by the machine's own clock that counts
//!   from its start. Where a counter fell, or the machine started anew in between, there is none:
//!   absent is not zero.
//! - What a machine says is evidence from a place its user controls. Every reader here is total: any
//!   bytes give a fault or bounded values.
//! - Any samples come back from [`unpack`] as they went into [`pack`], but for [`Sample::kept`].
//!
//! # Size
//! About 25 bytes for a sample that stands alone and about a dozen for one among others: two days of
//! minutes and 28 days of five minutes are below 300 KiB for one environment, whatever it does.

mod packed;
mod reading;
mod thin;

use jiff::Timestamp;

pub use packed::{pack, unpack};
pub use reading::{
    MAX_READING_BYTES, Reading, ReadingFault, SECTIONS, Ticks, Traffic, VIRTUAL_INTERFACES,
    read_reading,
};
pub use thin::thinned;

/// Seconds between two samples of a machine that answers.
pub const SAMPLE_SECONDS: i64 = 60;
/// Seconds a mean of older samples stands for.
pub const MEAN_SECONDS: i64 = 300;
/// Hours for which samples stand as they were taken; from then on there are means.
pub const KEPT_HOURS: i64 = 48;
/// Days after which nothing is kept.
pub const KEPT_DAYS: i64 = 30;

/// Two readings further apart than this give no rate: the mean over a gap would be told of one minute.
pub const RATE_OVER_SECONDS: u64 = 300;
/// Two readings closer together than this give no rate, because counters are coarse.
const RATE_UNDER_MILLIS: u64 = 1_000;
/// [`Sample::cpu`] of a machine whose cores are all busy.
pub const CPU_FULL: u16 = 10_000;

/// So much of so much, in bytes. `total` is above 0, and `used` at most `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    pub used: u64,
    pub total: u64,
}

impl Usage {
    /// None for what cannot be.
    #[must_use]
    pub fn new(used: u64, total: u64) -> Option<Usage> {
        (total > 0 && used <= total).then_some(Usage { used, total })
    }

    /// 0 to 100.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.used as f64 * 100.0 / self.total as f64
    }
}

/// What came in and went out by the machine's own interfaces, in bytes a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throughput {
    pub received: u64,
    pub sent: u64,
}

/// How a machine was doing. What is absent was not told, or not told twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// By the server's clock; of a mean, the beginning of what it stands for.
    pub at: Timestamp,
    /// Hundredths of a percent of all cores together, 0 to [`CPU_FULL`]. Time that the host gave to
    /// others (steal) counts as used: it was not there to be had.
    pub cpu: Option<u16>,
    /// Without what can be given back at once (caches).
    pub memory: Option<Usage>,
    /// Of the root file system; what is reserved for root counts neither way, as `df` has it.
    pub disk: Option<Usage>,
    pub network: Option<Throughput>,
    /// Seconds since the machine started.
    pub uptime: u64,
}

impl Sample {
    /// What two readings of one machine say; `before` is the one before, if there was one.
    #[must_use]
    pub fn of(at: Timestamp, reading: &Reading, before: Option<&Reading>) -> Sample {
        let before = before.filter(|before| reading.follows(before));
        Sample {
            at: whole_seconds(at),
            cpu: before.and_then(|before| reading.cpu_since(before)),
            memory: reading.memory,
            disk: reading.disk,
            network: before.and_then(|before| reading.network_since(before)),
            uptime: reading.uptime_ms / 1_000,
        }
    }

    /// 0 to 100.
    #[must_use]
    pub fn cpu_percent(&self) -> Option<f64> {
        self.cpu.map(|cpu| f64::from(cpu) / 100.0)
    }

    /// As it is kept: whole seconds, memory in KiB, disk in MiB.
    #[must_use]
    pub fn kept(&self) -> Sample {
        let floor = |usage: Option<Usage>, unit: u64| {
            usage.and_then(|usage| Usage::new(usage.used / unit * unit, usage.total / unit * unit))
        };
        Sample {
            at: whole_seconds(self.at),
            memory: floor(self.memory, packed::MEMORY_UNIT),
            disk: floor(self.disk, packed::DISK_UNIT),
            ..*self
        }
    }
}

fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

#[cfg(test)]
mod tests;
