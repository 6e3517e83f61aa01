//! Medians and percentiles.

use std::time::Duration;

/// The value in the middle.
pub fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The nearest value at or above the given part of them, in percent.
pub fn percentile(values: &[f64], percent: f64) -> f64 {
    assert!(!values.is_empty(), "nothing was measured");
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (percent / 100.0 * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}

/// The median of the ratios of pairs that were measured one after the other, so that a machine
/// that slows down in the middle slows both.
pub fn median_ratio(pairs: &[(f64, f64)]) -> f64 {
    let ratios: Vec<f64> = pairs.iter().map(|(ours, peer)| ours / peer).collect();
    median(&ratios)
}

pub fn firsts(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().map(|(ours, _)| *ours).collect()
}

pub fn seconds(pairs: &[(f64, f64)]) -> Vec<f64> {
    pairs.iter().map(|(_, peer)| *peer).collect()
}

pub fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
