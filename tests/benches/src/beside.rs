//! Two versions of Cofferdam at the same work at the same time: what disturbs the machine disturbs both alike, so a change
//! shows that is far smaller than what such a machine does to figures that are taken one after the other.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use kit::host::binary;
use kit::{Host, Kafka, guest};

use crate::course::{CPU, Course, RATE, filled};
use crate::report::{Bound, Report};
use crate::{Effort, load, process};

const PARTITIONS: i32 = 4;
/// Time between two looks.
const LOOK: Duration = Duration::from_millis(25);

const THIS: &str = "this";
const OTHER: &str = "other";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The binary of the other version; this one is that of the build, or of `COFFERDAM_BIN`.
    other: PathBuf,
    /// Rounds; who starts first changes.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// The share of the records.
    #[arg(long, default_value_t = 1.0)]
    share: f64,
}

/// A version at work.
struct Side {
    name: &'static str,
    output: String,
    host: Host,
}

/// Outputs, and processor time of the host that wrote them.
struct Look {
    outputs: i64,
    cpu: Duration,
}

/// Lets both copy the same topic, and prints what each message has cost each of them while both were at it.
pub(crate) async fn measure(arguments: &Arguments) -> anyhow::Result<()> {
    let kafka = kit::kafka().map_err(|need| anyhow::anyhow!("{need}"))?;
    let records = Effort { rounds: arguments.rounds, share: arguments.share }.of(500_000);
    let mut report = Report::new("beside", format!("{records} records, both at the same time."));
    let input = filled(kafka, PARTITIONS, records, load::KEYS).await;
    let mut versions = [(THIS, binary()), (OTHER, &arguments.other)];
    for _ in 0..arguments.rounds {
        let mut sides = Vec::new();
        for (name, binary) in versions {
            let output = kafka.topic("bench-out", PARTITIONS).await;
            let course = Course { kafka, input: &input, output: &output };
            let host = course.prepared(&guest("echo"), "", "").by(binary).start();
            sides.push(Side { name, output, host });
        }
        let tenth = i64::from(records / 10);
        let (from, since) = until(kafka, &sides, |looks| looks.iter().all(|look| look.outputs >= tenth)).await?;
        let (to, end) = until(kafka, &sides, |looks| looks.iter().any(|look| look.outputs >= 9 * tenth)).await?;
        for ((side, from), to) in sides.iter().zip(from).zip(to) {
            let messages = (to.outputs - from.outputs) as f64;
            report.add(side.name, RATE, messages / (end - since).as_secs_f64());
            report.add(side.name, CPU, (to.cpu - from.cpu).as_secs_f64() * 1e6 / messages);
        }
        for Side { output, host, .. } in sides {
            drop(host);
            kafka.delete_topic(&output).await;
        }
        versions.reverse(); // who starts first is ahead
    }
    kafka.delete_topic(&input).await;
    report.goal(CPU, THIS, Some(OTHER), Bound::AtMost(1.0));
    println!("{}", report.text());
    Ok(())
}

/// Looks at both until `reached`; what was seen then, and when.
async fn until(
    kafka: &Kafka,
    sides: &[Side],
    reached: impl Fn(&[Look]) -> bool,
) -> anyhow::Result<(Vec<Look>, Instant)> {
    loop {
        let mut looks = Vec::new();
        for Side { output, host, .. } in sides {
            let outputs = kafka.ends(output).await.values().sum();
            looks.push(Look { outputs, cpu: process::usage(host.id())?.cpu });
        }
        if reached(&looks) {
            return Ok((looks, Instant::now()));
        }
        tokio::time::sleep(LOOK).await;
    }
}
