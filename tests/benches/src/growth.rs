//! Growth: more partitions, a longer lag, more routes, more plugins, beside fewer of them in the same round.

mod plugins;
mod routes;

use kit::Kafka;

use crate::course::{CPU, Contestant, Course, MEMORY, RATE, filled};
use crate::report::{Bound, Report};
use crate::{Effort, load};

/// Partitions of what is read, where they are not what grows, and of what is written.
const PARTITIONS: i32 = 4;

/// How many cores were at work.
const CORES: &str = "cores";

const PLAIN: Contestant = Contestant::Cofferdam { plugin: "", route: "" };

/// Measures one kind of growth after the other.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Vec<Report>> {
    let kafka = kit::kafka().map_err(|need| anyhow::anyhow!("{need}"))?;
    Ok(vec![
        partitions(kafka, effort).await?,
        lag(kafka, effort).await?,
        routes::measure(kafka, effort).await?,
        plugins::measure(kafka, effort).await?,
    ])
}

async fn partitions(kafka: &Kafka, effort: Effort) -> anyhow::Result<Report> {
    const COUNTS: [(&str, i32); 4] =
        [("1 partition", 1), ("2 partitions", 2), ("4 partitions", 4), ("8 partitions", 8)];
    let records = effort.of(200_000);
    let work = format!(
        "{records} records of 1 KiB in a topic of so many partitions, all of them there at the start; each comes out of an \
         echo into a topic of {PARTITIONS} partitions, durable. From a tenth of the records to the last one. Broker and \
         Cofferdam share the machine, so a rate in proportion to the partitions can be seen only until both together have \
         all its cores, which one partition may be enough for (the column `{CORES}` is Cofferdam's part of them): what more \
         partitions must not do is cost."
    );
    let mut report = Report::new("growth-partitions", work);
    let mut inputs = Vec::new();
    for (name, count) in COUNTS {
        inputs.push((name, filled(kafka, count, records, load::KEYS).await));
    }
    copy(kafka, effort, &mut report, inputs.iter().map(|(name, input)| (*name, input.as_str(), records))).await?;
    for (_, input) in inputs {
        kafka.delete_topic(&input).await;
    }
    let [(one, _), (two, _), (four, _), (eight, _)] = COUNTS;
    report.goal(CPU, eight, Some(one), Bound::AtMost(1.1));
    // 0.9 of the best of them is 0.9 of each.
    for fewer in [one, two, four] {
        report.goal(RATE, eight, Some(fewer), Bound::AtLeast(0.9));
    }
    Ok(report)
}

async fn lag(kafka: &Kafka, effort: Effort) -> anyhow::Result<Report> {
    const LAGS: [(&str, u32); 3] =
        [("lag of 200,000", 200_000), ("lag of 1,000,000", 1_000_000), ("lag of 5,000,000", 5_000_000)];
    let lags = LAGS.map(|(name, records)| (name, effort.of(records)));
    let counts = lags.map(|(_, records)| records.to_string()).join(", or ");
    let work = format!(
        "A host starts that has {counts} records of 1 KiB to catch up with, in {PARTITIONS} partitions; each comes out of an \
         echo, durable. From a tenth of the records to the last one. What a host holds goes up and down from second to second, \
         so its peak is the higher the longer one looks; its bound is that of one route, however long the lag."
    );
    let mut report = Report::new("growth-lag", work);
    let mut inputs = Vec::new();
    for (name, records) in lags {
        inputs.push((name, filled(kafka, PARTITIONS, records, load::KEYS).await, records));
    }
    copy(kafka, effort, &mut report, inputs.iter().map(|(name, input, records)| (*name, &**input, *records))).await?;
    for (_, input, _) in inputs {
        kafka.delete_topic(&input).await;
    }
    let [(short, _), (long, _), (longest, _)] = LAGS;
    for (more, less) in [(long, short), (longest, long)] {
        report.goal(RATE, more, Some(less), Bound::AtLeast(0.9));
    }
    report.goal(MEMORY, longest, None, Bound::AtMost(200.0));
    Ok(report)
}

/// Lets a new host copy each of these topics, in each round: name in the report, topic, its records.
async fn copy<'a>(
    kafka: &Kafka,
    effort: Effort,
    report: &mut Report,
    inputs: impl Iterator<Item = (&'a str, &'a str, u32)> + Clone,
) -> anyhow::Result<()> {
    for _ in 0..effort.rounds {
        for (name, input, records) in inputs.clone() {
            let output = kafka.topic("bench-out", PARTITIONS).await;
            let figures = Course { kafka, input, output: &output }.measure(PLAIN, records).await?;
            kafka.delete_topic(&output).await;
            figures.report(report, name);
            report.add(name, CORES, figures.cpu_us * figures.rate / 1e6);
        }
    }
    Ok(())
}
