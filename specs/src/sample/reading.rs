//! What a machine says of its counters, as Linux has them in `/proc` and `df` prints them.
//!
//! A section begins with a line `== NAME`. What a section does not hold, or holds in another form, is
//! absent; only without the uptime there is no reading, because it is the clock of all rates.

use std::collections::BTreeMap;

use super::{CPU_FULL, RATE_OVER_SECONDS, RATE_UNDER_MILLIS, Throughput, Usage};

/// The largest answer that is read.
pub const MAX_READING_BYTES: usize = 64 * 1024;
/// Interfaces that are counted; a machine has one or two.
const INTERFACES_MAX: usize = 64;
/// The longest name of an interface, as the kernel has it.
const INTERFACE_NAME_MAX: usize = 15;

/// Names of the sections: `/proc/uptime`, the first line of `/proc/stat`, the first lines of
/// `/proc/meminfo`, `/proc/net/dev`, and `df -Pk /`.
pub const SECTIONS: [&str; 5] = ["uptime", "stat", "meminfo", "net", "df"];

/// How names of interfaces begin whose traffic is inside the machine, or passes another one as well.
pub const VIRTUAL_INTERFACES: [&str; 19] = [
    "lo",
    "docker",
    "veth",
    "br-",
    "virbr",
    "vnet",
    "tap",
    "tun",
    "wg",
    "tailscale",
    "cni",
    "flannel",
    "cali",
    "vxlan",
    "dummy",
    "ifb",
    "sit",
    "ip6tnl",
    "lxc",
];

/// Processor time since boot, in whatever unit the kernel counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticks {
    pub idle: u64,
    /// All of it, `idle` included.
    pub total: u64,
}

/// Bytes since boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    pub received: u64,
    pub sent: u64,
}

/// The counters of a machine at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Milliseconds since it started, by its own clock.
    pub uptime_ms: u64,
    pub cpu: Option<Ticks>,
    pub memory: Option<Usage>,
    pub disk: Option<Usage>,
    /// By interface, without [`VIRTUAL_INTERFACES`].
    pub network: BTreeMap<String, Traffic>,
}

/// Why an answer is no reading.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadingFault {
    #[error("the answer has {bytes} bytes; at most {MAX_READING_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("the answer does not say how long the machine runs")]
    NoUptime,
}

/// Reads the answer.
///
/// # Errors
/// What the bytes are instead.
pub fn read_reading(bytes: &[u8]) -> Result<Reading, ReadingFault> {
    if bytes.len() > MAX_READING_BYTES {
        return Err(ReadingFault::TooLarge { bytes: bytes.len() });
    }
    let text = String::from_utf8_lossy(bytes);
    let (mut reading, mut uptime) = (Reading::default(), None);
    let mut section = "";
    let mut meminfo = BTreeMap::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("== ") {
            section = name.trim();
            continue;
        }
        match section {
            "uptime" => uptime = uptime.or_else(|| read_uptime(line)),
            "stat" => reading.cpu = reading.cpu.or_else(|| read_ticks(line)),
            "meminfo" => {
                if let Some((name, kib)) = read_meminfo(line) {
                    meminfo.entry(name).or_insert(kib);
                }
            }
            "net" if reading.network.len() < INTERFACES_MAX => {
                reading.network.extend(read_interface(line));
            }
            "df" => reading.disk = reading.disk.or_else(|| read_df(line)),
            _ => {}
        }
    }
    let (total, available) = (meminfo.get("MemTotal"), meminfo.get("MemAvailable"));
    if let (Some(total), Some(available)) = (total, available) {
        reading.memory = total.checked_sub(*available).and_then(|used| usage_kib(used, *total));
    }
    reading.uptime_ms = uptime.ok_or(ReadingFault::NoUptime)?;
    Ok(reading)
}

/// `12345.67 54321.00`: seconds up, seconds idle.
fn read_uptime(line: &str) -> Option<u64> {
    let word = line.split_whitespace().next()?;
    let (seconds, hundredths) = word.split_once('.').unwrap_or((word, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(hundredths) {
        return None;
    }
    let fraction: u64 = format!("{hundredths:0<3}").get(..3)?.parse().ok()?;
    seconds.parse::<u64>().ok()?.checked_mul(1_000)?.checked_add(fraction)
}

/// `cpu  user nice system idle iowait irq softirq steal guest guest_nice`; the last two are in the
/// first two already.
fn read_ticks(line: &str) -> Option<Ticks> {
    let mut words = line.split_whitespace();
    if words.next()? != "cpu" {
        return None;
    }
    let counts: Option<Vec<u64>> = words.take(8).map(|word| word.parse().ok()).collect();
    let counts = counts?;
    let idle = counts.get(3)?.checked_add(*counts.get(4).unwrap_or(&0))?;
    let total = counts.iter().try_fold(0u64, |sum, count| sum.checked_add(*count))?;
    Some(Ticks { idle, total })
}

/// `MemTotal:  8123456 kB`
fn read_meminfo(line: &str) -> Option<(&str, u64)> {
    let (name, rest) = line.split_once(':')?;
    Some((name.trim(), rest.split_whitespace().next()?.parse().ok()?))
}

/// `eth0: BYTES packets errs drop fifo frame compressed multicast BYTES ...`
fn read_interface(line: &str) -> Option<(String, Traffic)> {
    let (name, rest) = line.split_once(':')?;
    let name = name.trim();
    let is_virtual = VIRTUAL_INTERFACES.iter().any(|begin| name.starts_with(begin));
    if name.is_empty() || name.len() > INTERFACE_NAME_MAX || is_virtual {
        return None;
    }
    let mut words = rest.split_whitespace();
    let received = words.next()?.parse().ok()?;
    let sent = words.nth(7)?.parse().ok()?;
    Some((name.to_owned(), Traffic { received, sent }))
}

/// `/dev/sda1 BLOCKS USED AVAILABLE 12% /`, in KiB.
fn read_df(line: &str) -> Option<Usage> {
    let mut words = line.split_whitespace().skip(2);
    let used: u64 = words.next()?.parse().ok()?;
    let available: u64 = words.next()?.parse().ok()?;
    usage_kib(used, used.checked_add(available)?)
}

fn usage_kib(used: u64, total: u64) -> Option<Usage> {
    Usage::new(used.checked_mul(1_024)?, total.checked_mul(1_024)?)
}

impl Reading {
    /// Whether it is of the same boot as one before it, and near enough for rates.
    pub(super) fn follows(&self, before: &Reading) -> bool {
        let passed = self.uptime_ms.checked_sub(before.uptime_ms);
        passed
            .is_some_and(|passed| (RATE_UNDER_MILLIS..=RATE_OVER_SECONDS * 1_000).contains(&passed))
    }

    /// Hundredths of a percent; nothing where a counter fell.
    pub(super) fn cpu_since(&self, before: &Reading) -> Option<u16> {
        let (was, is) = (before.cpu?, self.cpu?);
        let total = is.total.checked_sub(was.total).filter(|total| *total > 0)?;
        let idle = is.idle.checked_sub(was.idle)?;
        let busy = total.checked_sub(idle)?;
        let hundredths = u128::from(busy) * u128::from(CPU_FULL) / u128::from(total);
        u16::try_from(hundredths).ok()
    }

    /// Over the interfaces both have; nothing where one of them fell, or there is none.
    pub(super) fn network_since(&self, before: &Reading) -> Option<Throughput> {
        let passed = u128::from(self.uptime_ms.checked_sub(before.uptime_ms).filter(|ms| *ms > 0)?);
        let (mut received, mut sent, mut any) = (0u128, 0u128, false);
        for (name, is) in &self.network {
            let Some(was) = before.network.get(name) else { continue };
            received += u128::from(is.received.checked_sub(was.received)?);
            sent += u128::from(is.sent.checked_sub(was.sent)?);
            any = true;
        }
        let rate = |bytes: u128| u64::try_from(bytes * 1_000 / passed).ok();
        any.then_some(Throughput { received: rate(received)?, sent: rate(sent)? })
    }
}
