//! Chance without a generator: every draw is a pure function of (seed, stream, number), so that a
//! saved model, a replayed journal and a skipped read all draw the same.

/// What a draw is for. Streams are independent: drawing more from one never shifts another.
#[derive(Clone, Copy)]
pub(super) enum Stream {
    Naming = 1,
    Timing = 2,
    Hosting = 3,
    Fault = 4,
    Imaging = 5,
}

/// splitmix64's finaliser over the mixed inputs.
pub(super) fn draw(seed: u64, stream: Stream, number: u64) -> u64 {
    let mut z = seed
        .wrapping_add((stream as u64).wrapping_mul(0xD6E8_FEB8_6659_FD93))
        .wrapping_add(number.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A draw in `low..=high`.
pub(super) fn between(seed: u64, stream: Stream, number: u64, low: u64, high: u64) -> u64 {
    low + draw(seed, stream, number) % (high - low + 1)
}

/// A draw in `[0, 1)`.
pub(super) fn unit(seed: u64, stream: Stream, number: u64) -> f64 {
    (draw(seed, stream, number) >> 11) as f64 / (1u64 << 53) as f64
}
