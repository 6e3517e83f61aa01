//! What the machine's counters say, in the words of Linux.
//!
//! A sandbox shows the processor, memory and disk of the computer it runs on. So these are made here:
//! the size is the product's, what is used is what the machine's own programs use, its traffic is what
//! passed through its SSH, and its installation, which is not real, works and downloads.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::{Isolation, Machine, install};

/// Ticks a second, as every Linux tells them.
const HERTZ: u64 = 100;
/// How much of the processor an installation takes, in percent, and what it downloads in a second.
const INSTALL_CPU: u64 = 60;
const INSTALL_DOWNLOAD: u64 = 4 * 1024 * 1024;
/// What an idle system takes, in KiB of memory.
const SYSTEM_MEMORY: u64 = 380 * 1024;
/// What is on a fresh disk, and what a percent of an installation adds, in KiB.
const SYSTEM_DISK: u64 = 2_300 * 1024;
const PERCENT_DISK: u64 = 45 * 1024;
/// Files that are counted at most: what a disk holds beyond that does not show.
const FILES_MAX: usize = 4_096;
/// A page of memory in KiB.
const PAGE: u64 = 4;

/// The size of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hardware {
    pub cores: u64,
    pub memory_gb: u64,
    pub disk_gb: u64,
}

impl Default for Hardware {
    fn default() -> Hardware {
        Hardware { cores: 4, memory_gb: 8, disk_gb: 75 }
    }
}

/// What is counted since the machine was switched on.
pub(super) struct Counters {
    since: Instant,
    received: AtomicU64,
    sent: AtomicU64,
    counted: Mutex<Counted>,
}

/// As it was told last: a counter never falls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    millis: u64,
    /// Ticks of all cores, and those somebody used.
    total: u64,
    busy: u64,
    /// Of its programs, as the kernel tells them.
    programs: u64,
    downloaded: u64,
}

impl Counted {
    /// So much later; `programs` is what they have used since they started.
    fn after(self, millis: u64, programs: u64, installing: bool, cores: u64) -> Counted {
        let millis = millis.max(self.millis);
        let passed = millis - self.millis;
        let total = millis * HERTZ * cores / 1_000;
        let room = total.saturating_sub(self.total);
        let used = programs.saturating_sub(self.programs);
        let (installs, downloads) = match installing {
            true => (room * INSTALL_CPU / 100, passed * INSTALL_DOWNLOAD / 1_000),
            false => (0, 0),
        };
        Counted {
            millis,
            total: total.max(self.total),
            busy: self.busy + (used + installs).min(room),
            programs: programs.max(self.programs),
            downloaded: self.downloaded + downloads,
        }
    }
}

impl Counters {
    pub fn new() -> Counters {
        Counters {
            since: Instant::now(),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            counted: Mutex::default(),
        }
    }

    pub fn received(&self, bytes: usize) {
        self.received.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn sent(&self, bytes: usize) {
        self.sent.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What `/proc` and `df` would say.
pub(super) fn told(machine: &Machine) -> String {
    let Hardware { cores, memory_gb, disk_gb } = machine.boot.hardware;
    let progress = machine.disk.read(install::PROGRESS).unwrap_or_default();
    let progress: Value = serde_json::from_str(&progress).unwrap_or_default();
    let (ticks, resident) = programs(&machine.boot.isolation);
    let counted = {
        let since = machine.counters.since.elapsed();
        let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let mut counted = machine.counters.lock();
        *counted = counted.after(millis, ticks, progress["state"] == "running", cores);
        *counted
    };
    let idle = counted.total - counted.busy.min(counted.total);
    let memory = memory_gb * 1024 * 1024;
    let free = memory.saturating_sub(SYSTEM_MEMORY + resident);
    let disk = disk_gb * 1024 * 1024;
    let percent = progress["percent"].as_u64().unwrap_or(0).min(100);
    let used = SYSTEM_DISK + percent * PERCENT_DISK + files(&machine.disk.at("/home"));
    let used = used.min(disk);
    let received = machine.counters.received.load(Ordering::Relaxed) + counted.downloaded;
    let sent = machine.counters.sent.load(Ordering::Relaxed) + counted.downloaded / 64;
    let (seconds, hundredths) = (counted.millis / 1_000, counted.millis % 1_000 / 10);
    let mut text = String::new();
    let _ = write!(
        text,
        "== uptime\n{seconds}.{hundredths:02} 0.00\n== stat\ncpu  {} 0 0 {idle} 0 0 0 0 0 0\n\
         == meminfo\nMemTotal: {memory} kB\nMemFree: {free} kB\nMemAvailable: {free} kB\n\
         == net\n  eth0: {received} 0 0 0 0 0 0 0 {sent} 0 0 0 0 0 0 0\n\
         == df\n/dev/sda1 {disk} {used} {} {}% /\n",
        counted.busy,
        disk - used,
        used * 100 / disk.max(1),
    );
    text
}

/// Ticks and KiB of the machine's programs. Without a sandbox only this one is the machine's.
fn programs(isolation: &Isolation) -> (u64, u64) {
    let mut used = (0, 0);
    let mut add = |place: &Path| {
        let stat = fs::read_to_string(place.join("stat")).unwrap_or_default();
        let statm = fs::read_to_string(place.join("statm")).unwrap_or_default();
        used.0 += ticks(&stat);
        let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).unwrap_or(0);
        used.1 += PAGE * pages;
    };
    if *isolation != Isolation::Sandbox {
        add(Path::new("/proc/self"));
        return used;
    }
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()) {
            add(&entry.path());
        }
    }
    used
}

/// What a program and the children it has waited for have used. Its name, in parentheses, may hold
/// anything.
fn ticks(stat: &str) -> u64 {
    let Some((_, rest)) = stat.rsplit_once(')') else { return 0 };
    // After the name: the state, and ten more before utime, stime, cutime and cstime.
    let times = rest.split_whitespace().skip(11).take(4);
    times.filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// KiB of the files below a folder.
fn files(place: &Path) -> u64 {
    let (mut pending, mut seen, mut bytes) = (vec![place.to_owned()], 0, 0);
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            seen += 1;
            if seen > FILES_MAX {
                return bytes / 1024;
            }
            // Of the entry itself: a link leads nowhere.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_dir() {
                pending.push(entry.path());
            } else {
                bytes += about.len();
            }
        }
    }
    bytes / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_uses_more_than_there_is_and_counters_never_fall() {
        let start = Counted::default().after(1_000, 50, false, 2);
        assert_eq!((start.total, start.busy), (200, 50));
        let installs = start.after(2_000, 50, true, 2);
        assert_eq!((installs.total, installs.busy), (400, 50 + 120));
        assert_eq!(installs.downloaded, INSTALL_DOWNLOAD);
        let busy = installs.after(3_000, 100_000, true, 2);
        assert_eq!((busy.total, busy.busy), (600, 170 + 200), "both cores, and no more");
        let fewer = busy.after(2_500, 10, false, 2);
        assert_eq!((fewer.total, fewer.busy, fewer.millis), (600, 370, 3_000));
    }

    #[test]
    fn a_programs_name_may_hold_anything() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 0 0 0 11 22 33 44 20 0 1 0 100";
        assert_eq!(ticks(stat), 110);
        assert_eq!(ticks(""), 0);
    }
}
