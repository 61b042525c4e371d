//! Two versions of Cofferdam at the same work at the same time: what disturbs the machine disturbs both alike, so a change
//! shows that is far smaller than what such a machine does to figures that are taken one after the other.

use std::path::PathBuf;
use std::time::Duration;

use kit::Host;

use crate::course::{CPU, Contestant, Course, RATE, filled};
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

/// Outputs, and processor time of the host that wrote them.
#[derive(Clone, Copy)]
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
    for round in 0..arguments.rounds {
        let outputs = [kafka.topic("bench-out", PARTITIONS).await, kafka.topic("bench-out", PARTITIONS).await];
        let [this, other] = outputs.each_ref().map(|output| Course { kafka, input: &input, output });
        let start = |course: &Course<'_>, binary: Option<&PathBuf>| match binary {
            None => course.start(Contestant::Cofferdam { plugin: "", route: "" }),
            Some(binary) => Ok(course.prepared(&kit::guest("echo"), "", "").by(binary).start()),
        };
        // Who starts first is ahead.
        let (this_host, other_host);
        if round % 2 == 0 {
            this_host = start(&this, None)?;
            other_host = start(&other, Some(&arguments.other))?;
        } else {
            other_host = start(&other, Some(&arguments.other))?;
            this_host = start(&this, None)?;
        }
        let both = [(&this, &this_host), (&other, &other_host)];
        let tenth = i64::from(records / 10);
        let (from, _) = until(both, |looks| looks.iter().all(|look| look.outputs >= tenth)).await?;
        let (to, seconds) = until(both, |looks| looks.iter().any(|look| look.outputs >= 9 * tenth)).await?;
        for (name, from, to) in [(THIS, from[0], to[0]), (OTHER, from[1], to[1])] {
            let messages = (to.outputs - from.outputs) as f64;
            report.add(name, RATE, messages / seconds);
            report.add(name, CPU, (to.cpu - from.cpu).as_secs_f64() * 1e6 / messages);
        }
        drop((this_host, other_host));
        for output in &outputs {
            kafka.delete_topic(output).await;
        }
    }
    kafka.delete_topic(&input).await;
    report.goal(CPU, THIS, Some(OTHER), Bound::AtMost(1.0));
    println!("{}", report.text());
    Ok(())
}

/// Looks at both until `reached`; what was seen then, and the seconds until it was.
async fn until(
    both: [(&Course<'_>, &Host); 2],
    reached: impl Fn(&[Look; 2]) -> bool,
) -> anyhow::Result<([Look; 2], f64)> {
    let since = std::time::Instant::now();
    loop {
        let looks = [look(both[0]).await?, look(both[1]).await?];
        if reached(&looks) {
            return Ok((looks, since.elapsed().as_secs_f64()));
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn look((course, host): (&Course<'_>, &Host)) -> anyhow::Result<Look> {
    Ok(Look { outputs: course.count().await, cpu: process::usage(host.id())?.cpu })
}
