//! Durations and sizes with units.

use std::time::Duration;

const DURATIONS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZES: [(&str, u64); 8] = [
    ("", 1),
    ("B", 1),
    ("KB", 1_000),
    ("kB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
];

const GIB: (&str, u64) = ("GiB", 1 << 30);

/// `"200ms"`, `"30s"`, `"5m"`, `"1h"`, `"7d"`.
pub fn duration(text: &str) -> Option<Duration> {
    amount(text, &DURATIONS).map(Duration::from_millis)
}

/// `"64MiB"`, `"4KiB"`, `"10MB"`, `"4096"`.
pub(super) fn size(text: &str) -> Option<u64> {
    amount(text, &SIZES).or_else(|| amount(text, &[GIB]))
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, scale) = units.iter().find(|(name, _)| *name == unit.trim_start())?;
    number.parse::<u64>().ok()?.checked_mul(*scale)
}

/// The duration in the largest unit that gives a whole number.
pub(in crate::config) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if millis == 0 { "0s".to_owned() } else { show(millis, DURATIONS.iter().rev(), "ms") }
}

/// The size in the largest power of 1024 that gives a whole number.
pub(in crate::config) fn show_size(bytes: u64) -> String {
    show(bytes, [&GIB, &SIZES[7], &SIZES[6]].into_iter(), "")
}

fn show<'a>(amount: u64, mut units: impl Iterator<Item = &'a (&'a str, u64)>, smallest: &str) -> String {
    match units.find(|(_, scale)| amount > 0 && amount.is_multiple_of(*scale)) {
        Some((unit, scale)) => format!("{}{unit}", amount / scale),
        None => format!("{amount}{smallest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, millis) in [("0s", 0), ("200ms", 200), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(show_duration(Duration::from_millis(millis)), text);
        }
        assert_eq!(duration(" 7 d "), Some(Duration::from_secs(604_800)));
        for wrong in ["", "s", "30", "-1s", "1.5s", "1h30m", "30 sec", "99999999999999999999s", "18446744073709551615d"]
        {
            assert_eq!(duration(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn sizes_are_read_and_shown() {
        for (text, bytes) in [("0", 0), ("1000", 1_000), ("4KiB", 4_096), ("64MiB", 64 << 20), ("2GiB", 2 << 30)] {
            assert_eq!(size(text), Some(bytes), "{text}");
            assert_eq!(show_size(bytes), text);
        }
        assert_eq!(size("10MB"), Some(10_000_000));
        assert_eq!(size("10 kB"), Some(10_000));
        for wrong in ["", "MiB", "64M", "64mib", "1.5GB", "-1", "99999999999GiB"] {
            assert_eq!(size(wrong), None, "{wrong:?}");
        }
    }
}
