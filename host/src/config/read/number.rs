//! Numbers, durations and sizes, within bounds. A string with a variable can stand for any of them.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use super::{Value, show_duration, show_size, units};

impl Value<'_> {
    /// A whole number.
    pub(in crate::config) fn integer<T>(&self, bounds: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i128> + PartialOrd + Display + Copy,
    {
        let number = match self.inner {
            DeValue::Integer(integer) => i128::from_str_radix(integer.as_str(), integer.radix()).ok(),
            _ => self.variable("a whole number", "a whole number without quotes, for example 10")?.trim().parse().ok(),
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        self.within(number, "a whole number", &bounds, T::to_string)
    }

    /// A number, with or without a fraction.
    pub(in crate::config) fn float(&self, bounds: RangeInclusive<f64>) -> Option<f64> {
        let number = match self.inner {
            DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|n| n as f64),
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => self.variable("a number", "a number without quotes, for example 2.0")?.trim().parse().ok(),
        };
        self.within(number, "a number", &bounds, f64::to_string)
    }

    /// `true` or `false`.
    pub(in crate::config) fn flag(&self) -> Option<bool> {
        if let DeValue::Boolean(flag) = self.inner {
            return Some(*flag);
        }
        match self.variable("true or false", "true or false without quotes")?.trim() {
            "true" => Some(true),
            "false" => Some(false),
            other => {
                self.problem(format!("invalid value {other:?}"), "expected true or false");
                None
            }
        }
    }

    /// A duration, a string with a unit.
    pub(in crate::config) fn duration(&self, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let shown = |duration: &Duration| show_duration(*duration);
        let Some(expanded) = self.expanded() else {
            return self.wrong_type("a duration", "write a string with a unit (ms, s, m, h, d), for example \"30s\"");
        };
        let (text, _) = expanded?;
        match units::duration(&text) {
            Some(duration) => self.within(Some(duration), "a duration", &bounds, shown),
            None => {
                let remedy = "write a whole number with a unit (ms, s, m, h, d), for example \"30s\"";
                self.problem(format!("invalid duration {text:?}"), remedy);
                None
            }
        }
    }

    /// A duration in whole seconds.
    pub(in crate::config) fn seconds(&self, bounds: RangeInclusive<Duration>) -> Option<Duration> {
        let duration = self.duration(bounds)?;
        if duration.subsec_nanos() > 0 {
            self.problem(format!("expected whole seconds, found {}", self.shown()), "write for example \"60s\"");
            return None;
        }
        Some(duration)
    }

    /// A number of bytes: an integer, or a string with a unit.
    pub(in crate::config) fn size(&self, bounds: RangeInclusive<u64>) -> Option<u64> {
        let bytes = match (self.inner, self.expanded()) {
            (DeValue::Integer(integer), _) => u64::from_str_radix(integer.as_str(), integer.radix()).ok(),
            (_, Some(expanded)) => {
                let (text, _) = expanded?;
                let bytes = units::size(&text);
                if bytes.is_none() {
                    let remedy =
                        "write a whole number with a unit (B, KB, MB, GB, KiB, MiB, GiB), for example \"64MiB\"";
                    self.problem(format!("invalid size {text:?}"), remedy);
                    return None;
                }
                bytes
            }
            (_, None) => return self.wrong_type("a size", "write for example \"64MiB\", or a number of bytes"),
        };
        self.within(bytes, "a size", &bounds, |bytes| show_size(*bytes))
    }

    /// The text of a string with a variable, for a type other than string.
    fn variable(&self, expected: &str, remedy: &str) -> Option<String> {
        match self.expanded() {
            Some(Some((text, true))) => Some(text),
            // The problem of the variable is already reported.
            Some(None) => None,
            _ => self.wrong_type(expected, format!("write {remedy}")),
        }
    }

    fn within<T: PartialOrd>(
        &self,
        value: Option<T>,
        expected: &str,
        bounds: &RangeInclusive<T>,
        show: impl Fn(&T) -> String,
    ) -> Option<T> {
        // A value that could not be parsed is no number, or out of any bounds.
        let inside = value.filter(|value| bounds.contains(value));
        if inside.is_none() {
            let (least, most) = (show(bounds.start()), show(bounds.end()));
            let what = format!("expected {expected} from {least} to {most}, found {}", self.shown());
            self.problem(what, "choose a value within these bounds");
        }
        inside
    }
}
