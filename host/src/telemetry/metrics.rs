//! The recorder behind all counters of the process, and its text for Prometheus.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use metrics::Unit;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

/// Time between two rounds of tidying: samples of histograms pile up in between.
const TIDY: Duration = Duration::from_secs(1);

/// Upper bounds of wall times, in seconds.
const DURATIONS: [f64; 17] =
    [0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
/// Upper bounds of CPU times, in seconds.
const CPU_TIMES: [f64; 10] = [0.000_01, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 1.0, 10.0];
/// Upper bounds of memory, in bytes: 64 KiB to 4 GiB.
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

/// A metric and what it means.
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

/// Every metric of the delivery path. The documentation of [`telemetry`](super) has the same rows.
pub(super) const ALL: &[Described] = {
    use Kind::{Counter, Gauge, Histogram};
    &[
        described("messages_consumed_total", Counter, Unit::Count, "deliveries that came to their end"),
        described(
            "message_processing_duration_seconds",
            Histogram(&DURATIONS),
            Unit::Seconds,
            "wall time of one attempt of the handler",
        ),
        described("dlq_messages_total", Counter, Unit::Count, "messages stored as an error"),
        described("messages_produced_total", Counter, Unit::Count, "records that Kafka has acknowledged"),
        described("consumer_lag", Gauge, Unit::Count, "end of the log less the commit point"),
        described("cofferdam_received_total", Counter, Unit::Count, "receipts of messages"),
        described("cofferdam_in_flight", Gauge, Unit::Count, "deliveries neither settled nor handed back"),
        described("cofferdam_attempts_total", Counter, Unit::Count, "attempts that ended"),
        described("cofferdam_put_off_total", Counter, Unit::Count, "deliveries that go on later"),
        described(
            "cofferdam_guest_cpu_seconds",
            Histogram(&CPU_TIMES),
            Unit::Seconds,
            "what the guest itself burnt in one attempt",
        ),
        described(
            "cofferdam_guest_memory_peak_bytes",
            Histogram(&MEMORIES),
            Unit::Bytes,
            "highest sum of all memories and tables of the instance in one attempt",
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
            "records that wait because no form of their dead letter is taken",
        ),
        described(
            "cofferdam_refusals_total",
            Counter,
            Unit::Count,
            "publications that a destination did not take, for now or for good",
        ),
        described(
            "cofferdam_assigned_partitions",
            Gauge,
            Unit::Count,
            "partitions that the group has given to this process",
        ),
        described(
            "cofferdam_partition_blocked_since_seconds",
            Gauge,
            Unit::Seconds,
            "since when records of a partition wait behind one that has not ended, and a bound is reached",
        ),
        described(
            "cofferdam_partition_blocked_offset",
            Gauge,
            Unit::Count,
            "the offset that records of a blocked partition wait behind",
        ),
        described(
            "cofferdam_circuit_open",
            Gauge,
            Unit::Count,
            "1 while the route is stopped because most messages fail",
        ),
        described(
            "cofferdam_topic_recreated_total",
            Counter,
            Unit::Count,
            "partitions whose topic was deleted and created again",
        ),
        described(
            "cofferdam_queue_recreated_total",
            Counter,
            Unit::Count,
            "times that a source queue was not there and is there again",
        ),
        described(
            "cofferdam_dead_letters",
            Gauge,
            Unit::Count,
            "dead letters that were not replayed, at the last look",
        ),
        described("cofferdam_messages_sent_total", Counter, Unit::Count, "messages that SQS has acknowledged"),
        described("cofferdam_rebalances_total", Counter, Unit::Count, "changes of what is assigned"),
        described(
            "cofferdam_capability_denied_total",
            Counter,
            Unit::Count,
            "what plugins asked for and were not granted",
        ),
        described("cofferdam_http_requests_total", Counter, Unit::Count, "requests of plugins to other hosts"),
        described(
            "cofferdam_http_circuit_open",
            Gauge,
            Unit::Count,
            "1 while a host that failed again and again is left alone",
        ),
    ]
};

/// Why there are no metrics.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another recorder is installed in this process, or this one could not be built.
    #[error("the recorder of metrics cannot be installed: {0}")]
    Recorder(#[from] BuildError),
    /// The thread that tidies up could not be started.
    #[error("the thread that tidies metrics up cannot be started: {0}")]
    Thread(#[from] std::io::Error),
}

/// The process's metrics. While one of these lives, samples are tidied up in the background; keep it until the end.
#[derive(Debug)]
pub struct Exporter {
    handle: PrometheusHandle,
    stop: Option<mpsc::Sender<()>>,
    tidying: Option<JoinHandle<()>>,
}

/// The one recorder of the process, which lives as long as the process does.
static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Installs the recorder, or finds it where it was installed before.
///
/// # Errors
/// When the process already has a recorder of another make, or no thread can be started.
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

    /// All metrics in the text format of Prometheus.
    pub fn render(&self) -> String {
        self.handle.render()
    }

    /// The same for somebody who does not own this.
    pub fn renderer(&self) -> impl Fn() -> String + Clone + Send + Sync + 'static {
        let handle = self.handle.clone();
        move || handle.render()
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(tidying) = self.tidying.take() {
            // It holds nothing that a panic could have broken.
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
        assert!(second.render().contains("# HELP cofferdam_received_total receipts of messages"));
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

    /// The names in the first column of the rows.
    fn rows(table: &str) -> Vec<String> {
        let cells = table.lines().filter_map(|line| line.strip_prefix("//! | `")?.split(" | ").next());
        cells.flat_map(|cell| cell.split(", ").map(|name| name.trim_matches('`').to_owned())).collect()
    }

    /// The texts that stand behind one of `starts` in the sources, but for tests.
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
            // What is behind is in tests of the file itself.
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
