//! From one topic to another: what everybody who reads and writes Kafka is put through.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use kit::{Host, Kafka, Prepared, eventually, guest, run, unique};

use crate::process::Usage;
use crate::report::Report;
use crate::{load, process};

/// What figures are called in a report.
pub(crate) const RATE: &str = "messages/s";
pub(crate) const CPU: &str = "CPU us/message";
pub(crate) const MEMORY: &str = "peak MiB";

const LONG: Duration = Duration::from_secs(600);
/// Time between two looks at the output.
const LOOK: Duration = Duration::from_millis(25);

/// What producers are configured with: what Cofferdam does by itself.
const PRODUCER: [&str; 3] = ["compression.type=snappy", "linger.ms=5", "max.in.flight.requests.per.connection=5"];

/// Who copies the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// Cofferdam; further lines of the plugin's table, and of the route's.
    Cofferdam { plugin: &'static str, route: &'static str },
    /// The fastest correct loop.
    Loop,
    /// The same with a call in it: `warm` or `fresh` instances.
    Call(&'static str),
    /// The same with a warm instance that could be stopped, and with the headers that Cofferdam adds to an output.
    Sandbox,
    /// What most people write.
    Ordinary,
}

/// From `input` to `output`.
pub(crate) struct Course<'a> {
    pub(crate) kafka: &'a Kafka,
    pub(crate) input: &'a str,
    pub(crate) output: &'a str,
}

/// What a contestant did.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Messages a second.
    pub(crate) rate: f64,
    /// Processor time of the whole process for a message, microseconds.
    pub(crate) cpu_us: f64,
    /// The most memory that it had, MiB.
    pub(crate) memory_mib: f64,
}

impl Figures {
    /// What was used before and after that many messages.
    pub(crate) fn new(messages: i64, time: Duration, [before, after]: [Usage; 2]) -> Self {
        let messages = messages as f64;
        Self {
            rate: messages / time.as_secs_f64(),
            cpu_us: (after.cpu - before.cpu).as_secs_f64() * 1e6 / messages,
            memory_mib: after.peak_memory as f64 / f64::from(1 << 20),
        }
    }

    /// Takes them down.
    pub(crate) fn report(&self, report: &mut Report, contestant: &str) {
        report.add(contestant, RATE, self.rate);
        report.add(contestant, CPU, self.cpu_us);
        report.add(contestant, MEMORY, self.memory_mib);
        eprintln!("{}, {contestant}: {self:?}", report.name);
    }
}

/// A new topic with that many records.
pub(crate) async fn filled(kafka: &Kafka, partitions: i32, records: u32, keys: u32) -> String {
    let topic = kafka.topic("bench-in", partitions).await;
    fill(kafka, &topic, (0..records).map(|number| load::record(number, keys, 1_024))).await;
    topic
}

/// Appends them, not all in memory at once.
pub(crate) async fn fill(kafka: &Kafka, topic: &str, records: impl Iterator<Item = kit::Record>) {
    const AT_ONCE: usize = 10_000;
    let writer = kafka.writer(topic);
    let mut records = records.peekable();
    while records.peek().is_some() {
        writer.write(records.by_ref().take(AT_ONCE)).await;
    }
}

impl Course<'_> {
    /// Starts the contestant, as a member of a new group.
    pub(crate) fn start(&self, contestant: Contestant) -> anyhow::Result<Host> {
        let kind = match contestant {
            Contestant::Cofferdam { plugin, route } => return Ok(self.cofferdam(&guest("echo"), plugin, route)),
            Contestant::Ordinary => "ordinary",
            Contestant::Loop | Contestant::Call(_) | Contestant::Sandbox => "loop",
        };
        let group = unique("bench");
        let topics =
            ["--brokers", self.kafka.bootstrap(), "--from", self.input, "--to", self.output, "--group", &group];
        let mut arguments: Vec<String> = ["bare", kind].into_iter().chain(topics).map(str::to_owned).collect();
        arguments.extend(PRODUCER.map(|property| format!("--producer={property}")));
        if let Contestant::Call(_) | Contestant::Sandbox = contestant {
            arguments.push(format!("--component={}", guest("echo").display()));
        }
        match contestant {
            Contestant::Call(instances) => arguments.push(format!("--instances={instances}")),
            Contestant::Sandbox => arguments.push("--as-a-host".into()),
            _ => {}
        }
        let this: PathBuf = std::env::current_exe()?;
        Ok(kit::host::program(&this, arguments).start())
    }

    /// Cofferdam with this component; further lines of the plugin's table, which may be followed by other tables, and of the
    /// route's.
    pub(crate) fn cofferdam(&self, component: &Path, plugin: &str, route: &str) -> Host {
        self.prepared(component, plugin, route).start()
    }

    /// The same, not started.
    pub(crate) fn prepared(&self, component: &Path, plugin: &str, route: &str) -> Prepared {
        let Self { input, output, .. } = self;
        let (brokers, group, path) = (self.kafka.bootstrap(), unique("bench"), component.display());
        run(&format!(
            r#"
            service = {{ name = "bench" }}
            kafka = {{ bootstrap_servers = "{brokers}" }}
            admin = {{ listen = "" }}
            [plugins.echo]
            path = "{path}"
            {plugin}
            [[routes]]
            name = "echo"
            from = {{ kafka = ["{input}"], group = "{group}" }}
            handler = "echo"
            envelope = "raw"
            outputs = {{ out = {{ kafka = "{output}" }} }}
            {route}
            "#
        ))
    }

    /// How many outputs there are.
    pub(crate) async fn count(&self) -> i64 {
        self.kafka.ends(self.output).await.values().sum()
    }

    /// Waits until that many outputs are there; how many, and when.
    pub(crate) async fn outputs(&self, count: i64) -> (i64, Instant) {
        eventually("its outputs are there", LONG, async || {
            let there = self.count().await;
            if there < count {
                tokio::time::sleep(LOOK).await;
                return None;
            }
            Some((there, Instant::now()))
        })
        .await
    }

    /// Lets it copy all `records`, and measures from a tenth of them on: until then it starts, joins and warms up.
    pub(crate) async fn measure(&self, contestant: Contestant, records: u32) -> anyhow::Result<Figures> {
        let mut host = self.start(contestant)?;
        let figures = self.watch(&host, 0, records).await.with_context(|| format!("{contestant:?}"))?;
        host.kill();
        Ok(figures)
    }

    /// The same of whoever is at it; `before` outputs were there already.
    pub(crate) async fn watch(&self, host: &Host, before: u32, records: u32) -> anyhow::Result<Figures> {
        let all = i64::from(before) + i64::from(records);
        let (first, since) = self.outputs(i64::from(before) + i64::from(records / 10)).await;
        let used = process::usage(host.id())?;
        let (last, until) = self.outputs(all).await;
        let figures = Figures::new(last - first, until - since, [used, process::usage(host.id())?]);
        anyhow::ensure!(last == all, "{last} outputs of {all}");
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_before_does_not_count_but_for_the_peak_of_memory() {
        let usage = |cpu, mib: u64| Usage { cpu: Duration::from_secs(cpu), peak_memory: mib << 20 };
        let figures = Figures::new(500_000, Duration::from_secs(5), [usage(7, 50), usage(12, 60)]);
        assert_eq!((figures.rate, figures.cpu_us, figures.memory_mib), (100_000.0, 10.0, 60.0));
    }
}
