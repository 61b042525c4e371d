//! `breaker`: the circuit breaker of a route.

use std::time::Duration;

use cofferdam_core::breaker::Breaker;

use super::super::read::Table;

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) fn breaker(route: &Table<'_>) -> Breaker {
    let read = |table: &Table<'_>| {
        let default = Breaker::default();
        let number = |key, range| table.get(key).and_then(|value| value.integer(range));
        let probe_after = table.get("probe_after");
        Breaker {
            failures: number("failures", 0..=100_000).unwrap_or(default.failures),
            dead_letters: number("dead_letters", 0..=100_000).unwrap_or(default.dead_letters),
            window: window(table).unwrap_or(default.window),
            probe_after: probe_after
                .and_then(|value| value.duration(Duration::from_millis(10)..=HOUR))
                .unwrap_or(default.probe_after),
            probes: number("probes", 1..=1_000).unwrap_or(default.probes),
        }
    };
    let section = route.get("breaker").and_then(|value| value.table("{ failures = 20, probe_after = \"60s\" }", read));
    section.unwrap_or_default()
}

fn window(table: &Table<'_>) -> Option<Duration> {
    let value = table.get("window")?;
    if value.is_integer() {
        value.refuse("the window is a duration, not a number of messages", "write for example window = \"10m\"");
        return None;
    }
    value.duration(Duration::from_secs(1)..=24 * HOUR)
}
