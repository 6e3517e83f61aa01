//! How lengths of time read in sentences.

use jiff::SignedDuration;

/// `1.2 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`.
pub fn spoken(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let pair = |big: i64, small: i64, names: [&str; 2]| match small {
        0 => format!("{big} {}", names[0]),
        small => format!("{big} {} {small} {}", names[0], names[1]),
    };
    match seconds {
        0..10 => format!("{:.1} s", duration.as_secs_f64().max(0.0)),
        10..60 => format!("{seconds} s"),
        60..3_600 => pair(seconds / 60, seconds % 60, ["min", "s"]),
        3_600..86_400 => pair(seconds / 3_600, seconds % 3_600 / 60, ["h", "min"]),
        _ => pair(seconds / 86_400, seconds % 86_400 / 3_600, ["d", "h"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_read_as_people_say_them() {
        let of = |millis| spoken(SignedDuration::from_millis(millis));
        assert_eq!(of(1_240), "1.2 s");
        assert_eq!(of(42_000), "42 s");
        assert_eq!(of(200_000), "3 min 20 s");
        assert_eq!(of(7_500_000), "2 h 5 min");
        assert_eq!(of(7_200_000), "2 h");
        assert_eq!(of(273_600_000), "3 d 4 h");
        assert_eq!(of(-5), "0.0 s");
    }
}
