//! Time as an argument: the core never asks a clock.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment, in microseconds since the Unix epoch.
///
/// The driver takes it from a monotonic clock that is anchored to the wall clock once, so one value serves for waits and
/// for display.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Time(u64);

impl Time {
    /// The moment `micros` microseconds after the Unix epoch.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// The moment `millis` milliseconds after the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since the Unix epoch.
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000
    }

    /// This moment plus `wait`, saturating.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }

    /// This moment minus `wait`, saturating.
    #[must_use]
    pub fn before(self, wait: Duration) -> Self {
        let micros = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(micros))
    }

    /// The time since `earlier`; zero if it is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

/// The text is not a moment since 1970.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time in iso 8601, such as 2026-11-21T05:01:36Z")]
pub struct NoTime(Box<str>);

/// ISO 8601: with an offset or `Z`; without one, and for a date alone (its midnight), UTC.
impl FromStr for Time {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let utc = |moment: jiff::civil::DateTime| moment.to_zoned(jiff::tz::TimeZone::UTC).ok();
        let moment = text.parse::<jiff::Timestamp>().ok();
        let moment = moment.or_else(|| Some(utc(text.parse().ok()?)?.timestamp()));
        let micros = moment.and_then(|moment| u64::try_from(moment.as_microsecond()).ok());
        micros.map(Self).ok_or_else(|| NoTime(text.into()))
    }
}

/// ISO 8601 in UTC with milliseconds: `2026-11-21T05:01:36.120Z`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_microsecond(micros) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_iso_8601_with_milliseconds() {
        assert_eq!(Time::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time::from_micros(1_795_237_296_120_999).to_string(), "2026-11-21T05:01:36.120Z");
    }

    #[test]
    fn reads_what_it_prints_and_what_people_write() {
        let time = Time::from_millis(1_795_237_296_120);
        assert_eq!(time.to_string().parse(), Ok(time));
        let noon = "2026-11-21T12:00:00Z".parse::<Time>();
        for text in ["2026-11-21T13:00:00+01:00", "2026-11-21T12:00", "2026-11-21 12:00:00"] {
            assert_eq!(text.parse(), noon, "{text}");
        }
        assert_eq!("2026-11-21".parse(), "2026-11-21T00:00:00Z".parse::<Time>());
        for text in ["", "yesterday", "1969-12-31T23:59:59Z"] {
            assert!(text.parse::<Time>().is_err(), "{text}");
        }
    }

    #[test]
    fn never_overflows() {
        let end = Time::from_micros(u64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Time::default().since(end), Duration::ZERO);
        assert_eq!(end.to_string(), "9999-12-31T23:59:59.999Z");
    }
}
