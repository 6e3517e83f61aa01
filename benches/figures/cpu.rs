//! What processes cost, as Linux tells it.

use std::fs;

/// CPU time of a process so far, in seconds, all threads.
pub fn process_seconds(pid: u32) -> f64 {
    // `schedstat` of each thread is in nanoseconds; `stat` counts in ticks of 10 ms.
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("this needs Linux' /proc");
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .sum::<f64>()
        / 1e9
}

/// CPU time of this process so far, in seconds.
pub fn own_seconds() -> f64 {
    process_seconds(std::process::id())
}

/// Memory of a process that is in RAM and its own, in bytes.
pub fn anonymous_bytes(pid: u32) -> u64 {
    field(pid, "RssAnon:")
}

/// Memory of a process that is in RAM, in bytes.
pub fn resident_bytes(pid: u32) -> u64 {
    field(pid, "VmRSS:")
}

fn field(pid: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("this needs Linux' /proc");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells it");
    let kib = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB");
    kib * 1024
}
