//! Reads the limits of an attempt, and the owner's upper bounds. The table of all limits is in `plugin/limits.rs`.

use std::time::Duration;

use super::Table;
use crate::config::read::{show_duration, show_size};
pub use crate::plugin::Limits;
use crate::plugin::{Limit, Unit};

/// Reads the given limits, within the range of the sandbox. Limits that are not given stay as in `default`.
pub(in crate::config) fn limits(table: &Table<'_>, default: Limits) -> Limits {
    let mut limits = default;
    for limit in Limit::ALL {
        if let Some(amount) = read(table, *limit) {
            limits.set(*limit, amount);
        }
    }
    limits
}

fn read(table: &Table<'_>, limit: Limit) -> Option<u64> {
    let (value, range) = (table.get(limit.name())?, limit.range());
    match limit.unit() {
        Unit::Bytes => value.size(range),
        Unit::Count => value.integer(range),
        Unit::Milliseconds => {
            let (least, most) = range.into_inner();
            let time = value.duration(Duration::from_millis(least)..=Duration::from_millis(most))?;
            u64::try_from(time.as_millis()).ok()
        }
    }
}

/// Reads the limits of a plugin on a host whose owner allows at most `most`. A larger value is a problem; a larger
/// default is lowered.
pub(super) fn limits_within(table: &Table<'_>, most: &Limits) -> Limits {
    let limits = limits(table, default_within(most));
    for limit in Limit::ALL {
        let (name, amount, most) = (limit.name(), limits.get(*limit), most.get(*limit));
        if let Some(value) = table.get(name).filter(|_| amount > most) {
            let what = format!("{} exceeds sandbox.limits.{name} = {}", show(*limit, amount), show(*limit, most));
            value.problem(what, format!("lower it, or raise {name} under [sandbox.limits]"));
        }
    }
    limits
}

/// The limits of a plugin without settings.
pub(super) fn default_within(most: &Limits) -> Limits {
    Limits::default().within(most)
}

fn show(limit: Limit, amount: u64) -> String {
    match limit.unit() {
        Unit::Bytes => show_size(amount),
        Unit::Milliseconds => show_duration(Duration::from_millis(amount)),
        Unit::Count => amount.to_string(),
    }
}
