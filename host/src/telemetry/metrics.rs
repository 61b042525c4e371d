//! The metrics recorder of the process, and its output for Prometheus.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Interval of the upkeep, which merges samples of histograms; without it they fill the memory.
const TIDY: Duration = Duration::from_secs(1);

/// Upper bounds of the buckets for wall times, in seconds.
const DURATIONS: [f64; 17] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// Upper bounds of the buckets for CPU times, in seconds.
const CPU_TIMES: [f64; 10] = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 1.0, 10.0];
/// Upper bounds of the buckets for memory, in bytes: 64 KiB to 4 GiB.
const MEMORIES: [f64; 9] = [
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
    67_108_864.0,
    268_435_456.0,
    1_073_741_824.0,
    4_294_967_296.0,
];

/// A metric and its description.
#[derive(Debug)]
pub(super) struct Described {
    pub(super) name: &'static str,
    kind: Kind,
    unit: Unit,
    text: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Histogram(&'static [f64]),
}

const fn described(name: &'static str, kind: Kind, unit: Unit, text: &'static str) -> Described {
    Described { name, kind, unit, text }
}

/// Every metric of the host. The documentation of [`telemetry`](super) has the same rows.
pub(super) const ALL: &[Described] = {
    use Kind::{Counter, Gauge, Histogram};
    &[
        described("messages_consumed_total", Counter, Unit::Count, "deliveries that ended"),
        described(
            "message_processing_duration_seconds",
            Histogram(&DURATIONS),
            Unit::Seconds,
            "wall time of one attempt of the handler",
        ),
        described("dlq_messages_total", Counter, Unit::Count, "messages stored as dead letters"),
        described("messages_produced_total", Counter, Unit::Count, "records acknowledged by Kafka"),
        described("consumer_lag", Gauge, Unit::Count, "records between the commit point and the end of the partition"),
        described("cofferdam_received_total", Counter, Unit::Count, "messages received, redeliveries included"),
        described("cofferdam_in_flight", Gauge, Unit::Count, "deliveries received and neither settled nor released"),
        described("cofferdam_attempts_total", Counter, Unit::Count, "attempts that ended"),
        described("cofferdam_rescheduled_total", Counter, Unit::Count, "deliveries rescheduled for a later attempt"),
        described(
            "cofferdam_guest_cpu_seconds",
            Histogram(&CPU_TIMES),
            Unit::Seconds,
            "CPU time of the guest in one attempt",
        ),
        described(
            "cofferdam_guest_memory_peak_bytes",
            Histogram(&MEMORIES),
            Unit::Bytes,
            "peak memory of the instance in one attempt, tables included",
        ),
        described(
            "cofferdam_route_holding",
            Gauge,
            Unit::Count,
            "1 while intake is stopped because messages wait for a destination or for the host",
        ),
        described("cofferdam_route_paused", Gauge, Unit::Count, "1 while a command has paused the route"),
        described(
            "cofferdam_refused_dead_letters",
            Gauge,
            Unit::Count,
            "records that wait because every form of their dead letter is rejected",
        ),
        described(
            "cofferdam_refusals_total",
            Counter,
            Unit::Count,
            "publications that a destination rejected, temporarily or permanently",
        ),
        described("cofferdam_assigned_partitions", Gauge, Unit::Count, "partitions assigned to this process"),
        described(
            "cofferdam_partition_blocked_since_seconds",
            Gauge,
            Unit::Seconds,
            "Unix time since which an unfinished record has blocked the partition, 0 if none does",
        ),
        described(
            "cofferdam_partition_blocked_offset",
            Gauge,
            Unit::Count,
            "offset of the record that blocks the partition",
        ),
        described(
            "cofferdam_circuit_open",
            Gauge,
            Unit::Count,
            "1 while the circuit breaker pauses the route because most messages fail",
        ),
        described(
            "cofferdam_topic_recreated_total",
            Counter,
            Unit::Count,
            "partitions whose topic was deleted and recreated",
        ),
        described(
            "cofferdam_queue_recreated_total",
            Counter,
            Unit::Count,
            "times that a source queue was missing and exists again",
        ),
        described(
            "cofferdam_dead_letters",
            Gauge,
            Unit::Count,
            "dead letters at the last check; in a topic, the records from the first one not yet replayed on",
        ),
        described("cofferdam_messages_sent_total", Counter, Unit::Count, "messages acknowledged by SQS"),
        described("cofferdam_rebalances_total", Counter, Unit::Count, "changes of the partition assignment"),
        described(
            "cofferdam_capability_denied_total",
            Counter,
            Unit::Count,
            "host calls of plugins denied because a capability is not granted",
        ),
        described("cofferdam_http_requests_total", Counter, Unit::Count, "HTTP requests of plugins"),
        described(
            "cofferdam_http_circuit_open",
            Gauge,
            Unit::Count,
            "1 while the circuit breaker of an HTTP host is open",
        ),
    ]
};

/// Why the metrics recorder could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another recorder is installed in this process, or this one is invalid.
    #[error("failed to install the metrics recorder: {0}")]
    Recorder(#[from] BuildError),
    /// The upkeep thread could not be started.
    #[error("failed to start the thread that removes expired metrics: {0}")]
    Thread(#[from] std::io::Error),
}

/// The metrics of the process. Runs the upkeep in the background until it is dropped; keep it until the end of the
/// process.
#[derive(Debug)]
pub struct Exporter {
    handle: PrometheusHandle,
    stop: Option<mpsc::Sender<()>>,
    tidying: Option<JoinHandle<()>>,
}

/// The only recorder of the process. It is never removed.
static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Installs the recorder, or returns the one that was installed before.
///
/// # Errors
/// If the process has a recorder of another kind, or no thread can be started.
pub fn install() -> Result<Exporter, Error> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    let handle = match &*installed {
        Some(handle) => handle.clone(),
        None => {
            let handle = builder()?.install_recorder()?;
            describe();
            installed.insert(handle).clone()
        }
    };
    Exporter::new(handle)
}

impl Exporter {
    fn new(handle: PrometheusHandle) -> Result<Self, Error> {
        let (stop, stopped) = mpsc::channel::<()>();
        let tidy = handle.clone();
        let tidying = thread::Builder::new().name("metrics".to_owned()).spawn(move || {
            while stopped.recv_timeout(TIDY) == Err(RecvTimeoutError::Timeout) {
                tidy.run_upkeep();
            }
        })?;
        Ok(Self { handle, stop: Some(stop), tidying: Some(tidying) })
    }

    /// Returns all metrics in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// Returns a function that renders the metrics and does not borrow the exporter.
    pub fn renderer(&self) -> impl Fn() -> String + Clone + Send + Sync + 'static {
        let handle = self.handle.clone();
        move || handle.render()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(tidying) = self.tidying.take() {
            // The thread has no state that a panic could damage.
            let _ = tidying.join();
        }
    }
}

pub(super) fn builder() -> Result<PrometheusBuilder, BuildError> {
    let mut builder = PrometheusBuilder::new();
    for metric in ALL {
        if let Kind::Histogram(bounds) = metric.kind {
            builder = builder.set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), bounds)?;
        }
    }
    Ok(builder)
}

pub(super) fn describe() {
    for metric in ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.unit, metric.text),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.unit, metric.text),
            Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.unit, metric.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    #[test]
    fn installed_twice_it_is_the_same() {
        let (first, second) = (install().unwrap(), install().unwrap());
        metrics::counter!("cofferdam_received_total", "route" => "installed-twice").increment(3);
        drop(first);
        let line = "cofferdam_received_total{route=\"installed-twice\"} 3";
        assert!(second.render().contains(line), "{}", second.render());
        assert!(second.renderer()().contains(line));
        assert!(second.render().contains("# HELP cofferdam_received_total messages received, redeliveries included"));
    }

    #[test]
    fn the_documentation_has_a_row_for_each_metric() {
        let documentation = include_str!("../telemetry.rs");
        for metric in ALL {
            assert!(documentation.contains(&format!("//! | `{}` |", metric.name)), "{}", metric.name);
        }
        let (metrics, events) = documentation.split_once("//! # Log events").unwrap();
        for name in rows(metrics) {
            assert!(ALL.iter().any(|metric| metric.name == name), "{name} is documented and not described");
        }
        let levels = ["$level", "TRACE", "DEBUG", "INFO", "WARN", "ERROR"].map(|level| format!("line!({level}, "));
        let starts: Vec<&str> = levels.iter().map(String::as_str).chain(["event = "]).collect();
        let documented: BTreeSet<String> = rows(events).into_iter().collect();
        assert_eq!(documented, named_behind(&starts), "documented, and logged by the sources");
        let counted = named_behind(&["counter!(", "gauge!(", "histogram!("]);
        let unknown: Vec<_> = counted.iter().filter(|name| ALL.iter().all(|metric| metric.name != **name)).collect();
        assert!(unknown.is_empty(), "counted and not described: {unknown:?}");
    }

    /// Returns the names in the first column of the rows.
    fn rows(table: &str) -> Vec<String> {
        let cells = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split(" | ").next());
        cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned())).collect()
    }

    /// Returns the quoted texts after one of `starts` in the sources, without tests.
    fn named_behind(starts: &[&str]) -> BTreeSet<String> {
        fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    sources(&path, found);
                } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
                    found.push(path);
                }
            }
        }
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
        let texts = files.iter().map(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            // The rest is unit tests.
            text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
        });
        let mut names = BTreeSet::new();
        for text in texts {
            for start in starts {
                let behind = text.split(start).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                names.extend(behind.filter_map(|rest| rest.split_once('"')).map(|(name, _)| name.to_owned()));
            }
        }
        names
    }
}
