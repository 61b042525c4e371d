//! More routes in one host, each with a topic and a group of its own.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use kit::{Host, Kafka, guest, run, unique};

use super::PARTITIONS;
use crate::course::{Course, Figures, RATE, fill};
use crate::report::{Bound, Report};
use crate::{Effort, load};

const COUNTS: [(&str, u32); 3] = [("1 route", 1), ("10 routes", 10), ("100 routes", 100)];

/// Bytes of a record.
const SIZE: usize = 1_024;
/// Topics that are made, filled or deleted at a time.
const AT_ONCE: usize = 8;
/// How long the host may stand still: its groups keep its place for 45 s.
const STILL: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(60);

/// So many routes, and what they read; the same ones in all rounds.
struct Routes<'a> {
    kafka: &'a Kafka,
    topics: Vec<String>,
    /// Each route has a group of this name with its number behind.
    group: String,
    /// Where the dead letters of all of them would go.
    dead: String,
}

pub(super) async fn measure(kafka: &Kafka, effort: Effort) -> anyhow::Result<Report> {
    let records = effort.of(200_000);
    let work = format!(
        "{records} records of 1 KiB, spread over so many topics of one partition; a route for each, with a group of its own, \
         through one echo into one topic of {PARTITIONS} partitions, durable. What counts is handling, not joining: when the \
         host has handled one record of each route it is stopped (SIGSTOP) while the topics are filled, and goes on. From \
         a tenth of the records to the last one."
    );
    let mut report = Report::new("growth-routes", work);
    let mut contestants = Vec::new();
    for (name, count) in COUNTS {
        contestants.push((name, Routes::new(kafka, count).await));
    }
    for _ in 0..effort.rounds {
        for (name, routes) in &contestants {
            routes.measure(records).await?.report(&mut report, name);
        }
    }
    for (_, routes) in contestants {
        routes.clear().await;
    }
    let [_, (ten, _), (hundred, _)] = COUNTS;
    report.goal(RATE, hundred, Some(ten), Bound::AtLeast(0.9));
    Ok(report)
}

impl<'a> Routes<'a> {
    async fn new(kafka: &'a Kafka, count: u32) -> Self {
        let topics = stream::iter(0..count).map(|_| kafka.topic("bench-in", 1)).buffer_unordered(AT_ONCE);
        let topics = topics.collect().await;
        Self { kafka, topics, group: unique("bench"), dead: kafka.topic("bench-dead", 1).await }
    }

    async fn measure(&self, records: u32) -> anyhow::Result<Figures> {
        let output = self.kafka.topic("bench-out", PARTITIONS).await;
        let course = Course { kafka: self.kafka, input: "", output: &output };
        let routes = u32::try_from(self.topics.len())?;
        let each = (records / routes).max(1);
        let all = each * routes;
        self.fill(1).await;
        let mut host = self.start(&output);
        let (joined, _) = course.outputs(i64::from(routes)).await;
        anyhow::ensure!(joined == i64::from(routes), "{joined} outputs of one for each of {routes} routes");
        host.pause();
        let still = Instant::now();
        self.fill(each).await;
        anyhow::ensure!(
            still.elapsed() < STILL,
            "filling the topics took {:?}, longer than {STILL:?}",
            still.elapsed()
        );
        host.resume();
        let figures = course.watch(&host, routes, all).await?;
        // A kill would leave records uncommitted, which the next round would see again.
        let account = host.stop(STOP).await.account();
        anyhow::ensure!(account["done"] == routes + all, "not all {all} were handled once: {account}");
        self.kafka.delete_topic(&output).await;
        Ok(figures)
    }

    /// Appends that many records to each topic.
    async fn fill(&self, count: u32) {
        let filled = stream::iter(&self.topics).map(|topic| {
            let records = (0..count).map(|number| load::record(number, load::KEYS, SIZE));
            fill(self.kafka, topic, records)
        });
        filled.buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    fn start(&self, output: &str) -> Host {
        let (brokers, path) = (self.kafka.bootstrap(), guest("echo"));
        let mut configuration = format!(
            r#"
            service = {{ name = "bench" }}
            kafka = {{ bootstrap_servers = "{brokers}" }}
            admin = {{ listen = "" }}
            [plugins.echo]
            path = "{}"
            "#,
            path.display()
        );
        let Self { group, dead, .. } = self;
        for (number, topic) in self.topics.iter().enumerate() {
            let _ = write!(
                configuration,
                r#"
                [[routes]]
                name = "echo-{number}"
                from = {{ kafka = ["{topic}"], group = "{group}-{number}" }}
                handler = "echo"
                envelope = "raw"
                outputs = {{ out = {{ kafka = "{output}" }} }}
                dead_letter = {{ kafka = "{dead}" }}
                "#
            );
        }
        run(&configuration).start()
    }

    async fn clear(self) {
        let topics = stream::iter(self.topics.iter().chain([&self.dead]));
        topics.map(|topic| self.kafka.delete_topic(topic)).buffer_unordered(AT_ONCE).collect::<()>().await;
    }
}
