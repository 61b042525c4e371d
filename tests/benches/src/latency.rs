//! How long a message takes from one topic to the other at half load, beside the bare loop.

use anyhow::Context;

use crate::Effort;
use crate::course::{CPU, Contestant, Course, RATE as KEPT};
use crate::pace::{Kind, Pace};
use crate::report::{Bound, Report};

const PARTITIONS: i32 = 4;

/// Messages a second: meant to be about half of what goes through where contestant, broker, generator and reader share two
/// cores. `messages/s` says whether the pace was kept, and the generator's lateness whether it was given the processor.
const RATE: u32 = 10_000;

const COFFERDAM: &str = "Cofferdam";
const LIMIT: &str = "bare loop";

/// In the order of their turns.
const CONTESTANTS: [(&str, Contestant); 3] = [
    (LIMIT, Contestant::Loop),
    (COFFERDAM, Contestant::Cofferdam { plugin: "", route: "" }),
    ("bare loop, wasmtime call", Contestant::Call("warm")),
];

const PERCENTILES: [(&str, f64); 3] = [("p50 ms", 50.0), (P99, 99.0), ("p99.9 ms", 99.9)];
const P99: &str = "p99 ms";
const ADDED: &str = "added p99 ms";
const LATE: &str = "generator late p99 ms";

/// Measures all contestants at the same pace.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let kafka = kit::kafka().map_err(|need| anyhow::anyhow!("{need}"))?;
    let messages = effort.of(250_000);
    let pace = Pace { rate: RATE, messages, warm_up: messages / 5, kind: |_| Kind::Plain };
    let work = format!(
        "{RATE} messages a second of 1 KiB with a key of 16 bytes (10,000 of them) and 5 headers, {PARTITIONS} partitions, \
         offered at that pace whoever may be slow (open loop); latency counts from the millisecond in which a message was \
         due until a reader has its output, which is durable (acks=all, idempotent, snappy, linger 5 ms). Everybody has \
         the same settings of the producer, Cofferdam its defaults. {messages} messages, a fifth of them to warm up. \
         `{ADDED}` is the difference to the bare loop in the same round. Where `{KEPT}` is below the pace, or `{LATE}` (a \
         part of everybody's latency) is not small, the machine was too busy and the latency is that of a queue."
    );
    let mut report = Report::new("latency", work);
    for _ in 0..effort.rounds {
        for (name, contestant) in CONTESTANTS {
            let input = kafka.topic("bench-in", PARTITIONS).await;
            let output = kafka.topic("bench-out", PARTITIONS).await;
            let course = Course { kafka, input: &input, output: &output };
            let host = course.start(contestant)?;
            let passed = pace.measure(&course, &host).await.context(name)?;
            drop(host);
            kafka.delete_topic(&input).await;
            kafka.delete_topic(&output).await;
            for (metric, percentile) in PERCENTILES {
                report.add(name, metric, passed.latency_ms(percentile));
            }
            report.add(name, KEPT, passed.rate);
            report.add(name, LATE, passed.late_ms());
            report.add(name, CPU, passed.cpu_us);
            eprintln!("{name}: p99 {:.2} ms, {:.0} messages/s", passed.latency_ms(99.0), passed.rate);
        }
        let p99 = |name| report.find(name, P99).and_then(|series| series.values.last()).copied();
        if let (Some(own), Some(limit)) = (p99(COFFERDAM), p99(LIMIT)) {
            report.add(COFFERDAM, ADDED, own - limit);
        }
    }
    report.goal(ADDED, COFFERDAM, None, Bound::AtMost(1.0));
    Ok(report)
}
