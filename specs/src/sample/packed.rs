//! Samples as bytes.
//!
//! A block is a count and so many samples, each as the differences to the one before it in the block
//! (the first: to nothing), as varints. Blocks may stand one behind the other, so what is new is
//! appended without reading what is there.

use jiff::Timestamp;

use super::{Sample, Throughput, Usage};

/// Units in which memory and disk are kept, in bytes.
pub(super) const MEMORY_UNIT: u64 = 1_024;
pub(super) const DISK_UNIT: u64 = 1_024 * 1_024;
/// Numbers of a sample.
const FIELDS: usize = 9;
/// Bytes of the longest varint of 64 bits.
const VARINT_MAX: u32 = 10;

/// One block, with times from `begins` on. Nothing for no samples.
#[must_use]
pub fn pack(begins: Timestamp, samples: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if samples.is_empty() {
        return bytes;
    }
    put(&mut bytes, samples.len() as u64);
    let mut before = [0u64; FIELDS];
    for sample in samples {
        let fields = fields(begins, sample);
        for (is, was) in fields.iter().zip(before) {
            put(&mut bytes, zigzag(is.wrapping_sub(was)));
        }
        before = fields;
    }
    bytes
}

/// All samples of the blocks, in the order of their times, each time once (the last that was written).
/// What is damaged ends it: nothing after that is read.
#[must_use]
pub fn unpack(begins: Timestamp, bytes: &[u8]) -> Vec<Sample> {
    let mut rest = bytes;
    let mut samples = Vec::new();
    'blocks: while let Some(count) = take(&mut rest) {
        let mut before = [0u64; FIELDS];
        for _ in 0..count {
            for field in &mut before {
                let Some(difference) = take(&mut rest) else { break 'blocks };
                *field = field.wrapping_add(unzigzag(difference));
            }
            samples.extend(sample(begins, &before));
        }
    }
    // Of equal times the last one is kept: stable order, and the first of the reversed.
    samples.reverse();
    samples.sort_by_key(|sample: &Sample| sample.at);
    samples.dedup_by_key(|sample| sample.at);
    samples
}

fn fields(begins: Timestamp, sample: &Sample) -> [u64; FIELDS] {
    let usage = |usage: Option<Usage>, unit: u64| {
        usage.map_or((0, 0), |usage| (usage.total / unit, usage.used / unit))
    };
    let (memory, memory_used) = usage(sample.memory, MEMORY_UNIT);
    let (disk, disk_used) = usage(sample.disk, DISK_UNIT);
    let network = sample.network.map_or((0, 0), |n| (n.received.saturating_add(1), n.sent));
    [
        sample.at.as_second().wrapping_sub(begins.as_second()).cast_unsigned(),
        sample.cpu.map_or(0, |cpu| u64::from(cpu) + 1),
        memory,
        memory_used,
        disk,
        disk_used,
        network.0,
        network.1,
        sample.uptime,
    ]
}

fn sample(begins: Timestamp, fields: &[u64; FIELDS]) -> Option<Sample> {
    let [at, cpu, memory, memory_used, disk, disk_used, received, sent, uptime] = *fields;
    let second = begins.as_second().checked_add(at.cast_signed())?;
    let usage = |used: u64, total: u64, unit: u64| {
        Usage::new(used.checked_mul(unit)?, total.checked_mul(unit)?)
    };
    let network = received.checked_sub(1).map(|received| Throughput { received, sent });
    Some(Sample {
        at: Timestamp::from_second(second).ok()?,
        cpu: cpu.checked_sub(1).and_then(|cpu| u16::try_from(cpu).ok()),
        memory: usage(memory_used, memory, MEMORY_UNIT),
        disk: usage(disk_used, disk, DISK_UNIT),
        network,
        uptime,
    })
}

/// Small for what is near zero on either side.
fn zigzag(difference: u64) -> u64 {
    let signed = difference.cast_signed();
    ((signed << 1) ^ (signed >> 63)).cast_unsigned()
}

fn unzigzag(value: u64) -> u64 {
    (value >> 1) ^ (value & 1).wrapping_neg()
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value.to_le_bytes()[0] | 0x80);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for index in 0..VARINT_MAX {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f).checked_shl(7 * index)?;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
