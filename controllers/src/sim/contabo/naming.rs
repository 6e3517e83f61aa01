//! Ids, names, addresses and hosts, as they look on real machines: the digits of the instance id
//! reappear in its name and in its IPv6 prefix.

use super::instance::Hardware;
use super::seed::{self, Stream};

/// `instanceId` is this plus the digits of the name.
const ID_BASE: i64 = 200_000_000;
const FIRST_NUMBER: u64 = 2_500_000;
/// Addresses handed out per /24: .0, .1 (the gateway) and .255 are not.
const PER_SUBNET: u64 = 253;
/// 198.18.0.0/15 is reserved for benchmarks: no simulated address is anybody's.
const SUBNETS: u64 = 512;
pub(super) const PRIVATE_NETWORKING: i64 = 1477;
pub(super) const ADDITIONAL_IP: i64 = 1501;
pub(super) const BACKUP: i64 = 1431;

/// The number of the `ordinal`-th order (from 0), given the one before.
pub(super) fn next_number(seed: u64, ordinal: u64, previous: Option<u64>) -> u64 {
    match previous {
        None => FIRST_NUMBER + seed::draw(seed, Stream::Naming, ordinal) % 400_000,
        Some(previous) => previous + seed::between(seed, Stream::Naming, ordinal, 1, 60),
    }
}

pub(super) fn instance_id(number: u64) -> i64 {
    ID_BASE.saturating_add_unsigned(number)
}

pub(super) fn name(number: u64) -> String {
    format!("vmi{number}")
}

/// The hardware of an instance; `address` counts the IPv4 addresses handed out so far.
pub(super) fn hardware(seed: u64, instance_id: i64, address: u64) -> Hardware {
    let number = instance_id.saturating_sub(ID_BASE).unsigned_abs();
    let hosting = seed::draw(seed, Stream::Hosting, number);
    let (v4, v4_gateway) = v4(address);
    Hardware {
        v4,
        v4_gateway,
        v6: format!(
            "2a02:c207:2{:03}:{:04}:0000:0000:0000:0001",
            number / 10_000 % 1_000,
            number % 10_000
        ),
        mac: format!(
            "00:50:56:{:02x}:{:02x}:{:02x}",
            number >> 16 & 0xff,
            number >> 8 & 0xff,
            number & 0xff
        ),
        host_number: host_number(hosting),
        additional_v4: None,
    }
}

/// A host somewhere in the data centre.
pub(super) fn host_number(draw: u64) -> i64 {
    10_000 + (draw % 15_000) as i64
}

/// The `index`-th address and its gateway.
pub(super) fn v4(index: u64) -> (String, String) {
    let subnet = index / PER_SUBNET % SUBNETS;
    let prefix = format!("198.{}.{}", 18 + subnet / 256, subnet % 256);
    (format!("{prefix}.{}", 2 + index % PER_SUBNET), format!("{prefix}.1"))
}
