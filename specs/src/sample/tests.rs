use proptest::prelude::*;

use super::*;

const ANSWER: &str = "\
== uptime
93784.25 180000.00
== stat
cpu  1000 20 300 8000 200 0 30 50 10 0
== meminfo
MemTotal:        8123456 kB
MemFree:          512000 kB
MemAvailable:    6123456 kB
== net
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 777 1 0 0 0 0 0 0 777 1 0 0 0 0 0 0
  eth0: 1000000 9 0 0 0 0 0 0 200000 8 0 0 0 0 0 0
  eth1:500 9 0 0 0 0 0 0 100 8 0 0 0 0 0 0
docker0: 5555 9 0 0 0 0 0 0 5555 8 0 0 0 0 0 0
veth12ab@if3: 5555 9 0 0 0 0 0 0 5555 8 0 0 0 0 0 0
== df
Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/sda1         77000000 20000000  53000000      28% /
";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_780_000_000 + second).unwrap()
}

fn reading() -> Reading {
    read_reading(ANSWER.as_bytes()).unwrap()
}

/// The reading of so many milliseconds later.
fn later(ms: u64) -> Reading {
    Reading { uptime_ms: reading().uptime_ms + ms, ..reading() }
}

#[test]
fn an_answer_is_read_as_linux_prints_it() {
    let read = reading();
    assert_eq!(read.uptime_ms, 93_784_250);
    assert_eq!(read.cpu, Some(Ticks { idle: 8_200, total: 9_600 }));
    assert_eq!(read.memory, Usage::new(2_000_000 * 1_024, 8_123_456 * 1_024));
    assert_eq!(read.disk, Usage::new(20_000_000 * 1_024, 73_000_000 * 1_024));
    let names: Vec<&str> = read.network.keys().map(String::as_str).collect();
    assert_eq!(names, ["eth0", "eth1"], "what stays inside the machine is not counted");
    assert_eq!(read.network["eth1"], Traffic { received: 500, sent: 100 });
}

#[test]
fn what_an_answer_lacks_is_absent_and_not_zero() {
    let without = |name: &str| {
        let mut kept = true;
        let lines = ANSWER.lines().filter(|line| {
            if let Some(section) = line.strip_prefix("== ") {
                kept = section != name;
            }
            kept
        });
        read_reading(lines.collect::<Vec<_>>().join("\n").as_bytes())
    };
    for name in SECTIONS {
        match name {
            "uptime" => assert_eq!(without(name), Err(ReadingFault::NoUptime)),
            "stat" => assert_eq!(without(name).unwrap().cpu, None),
            "meminfo" => assert_eq!(without(name).unwrap().memory, None),
            "net" => assert!(without(name).unwrap().network.is_empty()),
            _ => assert_eq!(without(name).unwrap().disk, None),
        }
    }
    let large = vec![b' '; MAX_READING_BYTES + 1];
    assert!(matches!(read_reading(&large), Err(ReadingFault::TooLarge { .. })));
    let impossible = ANSWER.replace("MemAvailable:    6123456", "MemAvailable: 9123456");
    assert_eq!(read_reading(impossible.as_bytes()).unwrap().memory, None);
}

#[test]
fn rates_are_differences_by_the_machines_own_clock() {
    let mut now = later(60_000);
    now.cpu = Some(Ticks { idle: 8_200 + 180, total: 9_600 + 240 });
    now.network.insert("eth0".into(), Traffic { received: 1_600_000, sent: 260_000 });
    // New since: what it counted before is of no minute that is known.
    now.network.insert("eth2".into(), Traffic { received: 1 << 40, sent: 1 << 40 });
    let sample = Sample::of(at(0), &now, Some(&reading()));
    assert_eq!((sample.cpu, sample.cpu_percent()), (Some(2_500), Some(25.0)));
    assert_eq!(sample.network, Some(Throughput { received: 10_000, sent: 1_000 }));
    assert_eq!(sample.uptime, 93_844);
    let first = Sample::of(at(0), &now, None);
    assert_eq!((first.cpu, first.network), (None, None));
    assert_eq!((first.memory, first.disk), (sample.memory, sample.disk));
}

#[test]
fn a_reboot_a_gap_or_a_counter_that_fell_gives_no_rate() {
    let rates = |now: &Reading, before: &Reading| {
        let sample = Sample::of(at(0), now, Some(before));
        (sample.cpu.is_some(), sample.network.is_some())
    };
    let mut now = later(60_000);
    now.cpu = Some(Ticks { idle: 8_300, total: 9_800 });
    assert_eq!(rates(&now, &reading()), (true, true));
    assert_eq!(rates(&reading(), &now), (false, false), "it started anew");
    let mut far = now.clone();
    far.uptime_ms += RATE_OVER_SECONDS * 1_000;
    assert_eq!(rates(&far, &reading()), (false, false), "a gap");
    let mut fell = now.clone();
    fell.cpu = Some(Ticks { idle: 8_100, total: 9_800 });
    fell.network.insert("eth1".into(), Traffic { received: 499, sent: 100 });
    assert_eq!(rates(&fell, &reading()), (false, false));
    let mut gone = now.clone();
    gone.network.clear();
    assert_eq!(rates(&gone, &reading()), (true, false));
}

fn sample_of(second: i64, cpu: u16, used: u64) -> Sample {
    Sample {
        at: at(second),
        cpu: Some(cpu),
        memory: Usage::new(used << 20, 8 << 30),
        disk: Usage::new(20 << 30, 75 << 30),
        network: Some(Throughput { received: u64::from(cpu) * 10, sent: 10 }),
        uptime: second.unsigned_abs(),
    }
}

#[test]
fn means_are_of_what_is_there_and_gaps_stay() {
    // 1_780_000_000 is 100 s into its five minutes.
    let minutes = [0, 60, 120, 200, 800].map(|s| sample_of(s, 1_000 + s as u16, 1_000 + s as u64));
    let mut minutes = minutes.to_vec();
    minutes[1].cpu = None;
    minutes[1].network = None;
    let means = thinned(&minutes, MEAN_SECONDS);
    let begins: Vec<i64> = means.iter().map(|mean| mean.at.as_second() - 1_780_000_000).collect();
    assert_eq!(begins, [-100, 200, 800]);
    assert_eq!(means[0].cpu, Some(1_060), "the mean of the two that are known");
    assert_eq!(means[0].memory.unwrap().used, 1_060 << 20);
    assert_eq!(means[0].uptime, 120);
    assert_eq!(means[0].network, Some(Throughput { received: 10_600, sent: 10 }));
    assert_eq!(thinned(&means, MEAN_SECONDS), means, "a mean is its own mean");
}

#[test]
fn a_month_of_a_busy_machine_takes_less_than_300_kib() {
    // Nothing repeats but the totals: what a busy machine looks like.
    let mut state = 7u64;
    let mut random = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut next = |second: i64| Sample {
        at: at(second),
        cpu: Some(random(10_001) as u16),
        memory: Usage::new(random(8 << 30), 8 << 30),
        disk: Usage::new((30 << 30) + random(1 << 30), 75 << 30),
        network: Some(Throughput { received: random(100 << 20), sent: random(100 << 20) }),
        uptime: second.unsigned_abs(),
    };
    let mut bytes = 0;
    for minute in 0..KEPT_HOURS * 60 {
        bytes += pack(at(minute / 60 * 3_600), &[next(minute * 60)]).len();
    }
    for day in 0..KEPT_DAYS {
        let means: Vec<Sample> =
            (0..288).map(|mean| next(day * 86_400 + mean * MEAN_SECONDS)).collect();
        bytes += pack(at(day * 86_400), &means).len();
    }
    assert!(bytes < 300 * 1_024, "{bytes}");
}

fn usages() -> impl Strategy<Value = Option<Usage>> {
    (any::<bool>(), 0u64..1 << 50, 0u64..1 << 50)
        .prop_map(|(is, a, b)| Usage::new(a.min(b), a.max(b)).filter(|_| is))
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let one = (
        -1_000_000i64..1_000_000,
        prop::option::of(0..=CPU_FULL),
        usages(),
        usages(),
        prop::option::of((0..u64::MAX, any::<u64>())),
        any::<u64>(),
    );
    let one = one.prop_map(|(second, cpu, memory, disk, network, uptime)| Sample {
        at: at(second),
        cpu,
        memory,
        disk,
        network: network.map(|(received, sent)| Throughput { received, sent }),
        uptime,
    });
    prop::collection::vec(one, 0..20).prop_map(|mut all| {
        all.sort_by_key(|sample| sample.at);
        all.dedup_by_key(|sample| sample.at);
        all
    })
}

proptest! {
    #[test]
    fn whatever_a_machine_answers_the_reader_stands(bytes in any::<Vec<u8>>()) {
        let _ = read_reading(&bytes);
    }

    /// Words where numbers should be, numbers that are too large, lines that end early.
    #[test]
    fn a_spoiled_answer_gives_nothing_that_cannot_be(
        spoil in prop::collection::vec((0usize..ANSWER.len(), "[-0-9.: a-z=%\n\u{fffd}]{0,22}"), 0..6),
        ms in 0u64..1_000_000,
    ) {
        let mut text = ANSWER.to_owned();
        for (place, with) in spoil {
            let place = (0..=place.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
            text.insert_str(place.unwrap_or(0), &with);
        }
        if let Ok(now) = read_reading(text.as_bytes()) {
            let sample = Sample::of(at(0), &now, Some(&later(ms)));
            prop_assert!(sample.cpu.is_none_or(|cpu| cpu <= CPU_FULL));
            for usage in [sample.memory, sample.disk].into_iter().flatten() {
                prop_assert!(usage.used <= usage.total && usage.total > 0);
            }
            prop_assert_eq!(unpack(at(-50), &pack(at(-50), &[sample])), [sample.kept()]);
        }
    }

    #[test]
    fn samples_come_back_in_blocks_of_any_size(all in samples(), size in 1usize..8) {
        let kept: Vec<Sample> = all.iter().map(Sample::kept).collect();
        prop_assert_eq!(&unpack(at(0), &pack(at(0), &all)), &kept);
        let blocks: Vec<u8> = all.chunks(size).flat_map(|part| pack(at(0), part)).collect();
        prop_assert_eq!(&unpack(at(0), &blocks), &kept);
        let twice = [blocks.clone(), blocks].concat();
        prop_assert_eq!(&unpack(at(0), &twice), &kept, "each time once");
    }

    #[test]
    fn damaged_bytes_are_no_more_samples_than_bytes(bytes in any::<Vec<u8>>()) {
        prop_assert!(unpack(at(0), &bytes).len() <= bytes.len());
    }

    #[test]
    fn a_mean_is_within_what_it_is_the_mean_of(all in samples(), seconds in 1i64..10_000) {
        let means = thinned(&all, seconds);
        prop_assert!(means.len() <= all.len());
        prop_assert!(means.is_sorted_by(|one, next| one.at < next.at));
        let most = all.iter().filter_map(|sample| sample.cpu).max();
        let least = all.iter().filter_map(|sample| sample.cpu).min();
        for mean in &means {
            prop_assert!(mean.cpu <= most && (mean.cpu.is_none() || mean.cpu >= least));
            prop_assert!(mean.memory.is_none_or(|usage| usage.used <= usage.total));
        }
    }
}
