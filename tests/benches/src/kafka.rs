//! Kafka to Kafka: how many messages a second, and what each costs.

use crate::course::{CPU, Contestant, Course, MEMORY, RATE, filled};
use crate::report::{Bound, Report};
use crate::{Effort, load};

const PARTITIONS: i32 = 4;

const COFFERDAM: &str = "Cofferdam";
const FRESH: &str = "Cofferdam, fresh instances";
const LIMIT: &str = "bare loop";
const CALL: &str = "bare loop, wasmtime call";
const SANDBOX: &str = "bare loop, stoppable call, nine headers";
const CALL_FRESH: &str = "bare loop, fresh instances";
const ORDINARY: &str = "ordinary consumer";

/// In the order of their turns: what is compared runs side by side.
const CONTESTANTS: [(&str, Contestant); 7] = [
    (LIMIT, Contestant::Loop),
    (COFFERDAM, Contestant::Cofferdam { plugin: "", route: "" }),
    (CALL, Contestant::Call("warm")),
    (SANDBOX, Contestant::Sandbox),
    (ORDINARY, Contestant::Ordinary),
    (FRESH, Contestant::Cofferdam { plugin: "instances = { reuse = 1 }", route: "" }),
    (CALL_FRESH, Contestant::Call("fresh")),
];

/// Measures all contestants on the same topic.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let kafka = kit::kafka().map_err(|need| anyhow::anyhow!("{need}"))?;
    let records = effort.of(500_000);
    let work = format!(
        "{records} records of 1 KiB with a key of 16 bytes (10,000 of them) and 4 headers, {PARTITIONS} partitions, all of \
         them there at the start; each comes out of an echo as one record, durable (acks=all, idempotent, snappy, linger \
         5 ms), and offsets are committed in order. Cofferdam adds five headers to each output, which say when, from \
         where and out of what it was made; `nine headers` does so too, and its `stoppable call` is that of \"One call\". \
         From a tenth of the records to the last one."
    );
    let mut report = Report::new("kafka", work);
    let input = filled(kafka, PARTITIONS, records, load::KEYS).await;
    for _ in 0..effort.rounds {
        for (name, contestant) in CONTESTANTS {
            let output = kafka.topic("bench-out", PARTITIONS).await;
            let figures = Course { kafka, input: &input, output: &output }.measure(contestant, records).await?;
            kafka.delete_topic(&output).await;
            figures.report(&mut report, name);
        }
    }
    kafka.delete_topic(&input).await;
    report.goal(RATE, COFFERDAM, Some(LIMIT), Bound::AtLeast(0.8));
    report.goal(RATE, COFFERDAM, Some(ORDINARY), Bound::AtLeast(1.5));
    report.goal(CPU, COFFERDAM, Some(CALL), Bound::AtMost(1.25));
    report.goal(CPU, FRESH, Some(CALL_FRESH), Bound::AtMost(1.25));
    report.goal(MEMORY, COFFERDAM, Some(LIMIT), Bound::AtMost(1.0));
    report.goal(MEMORY, COFFERDAM, None, Bound::AtMost(200.0));
    Ok(report)
}
