//! Many keys of one partition at once, where the handler waits.

use kit::Record;

use crate::course::{CPU, Contestant, Course, RATE, fill};
use crate::report::{Bound, Report};
use crate::{Effort, bare, load};

const KEYS: u32 = 1_000;

const COFFERDAM: &str = "Cofferdam, concurrency = 100";
const TIMER: &str = "tokio's timer alone";
const THREADS: &str = "threads that sleep";

/// A hundred at once is what the bound is computed from.
const CONTESTANT: Contestant = Contestant::Cofferdam { plugin: "", route: "concurrency = 100" };

/// Measures all of them.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let kafka = kit::kafka().map_err(|need| anyhow::anyhow!("{need}"))?;
    let records = effort.of(100_000);
    let work = format!(
        "{records} records of 1 KiB in one partition, {KEYS} keys in turn, all of them there at the start; the handler waits for \
         1 ms in a host call and answers with a copy. The route says `concurrency = 100`, everything else is as it is by \
         default. From a tenth of the records to the last one. `{TIMER}`: a program that does nothing but wait for 1 ms, \
         {} times at once, with the timer that programs of this kind have; it ticks in milliseconds and rounds up. `{THREADS}`: \
         the same with a thread for each and the timer of the kernel.",
        bare::AT_ONCE
    );
    let mut report = Report::new("lanes", work);
    let input = kafka.topic("bench-in", 1).await;
    fill(kafka, &input, (0..records).map(record)).await;
    for _ in 0..effort.rounds {
        for (name, precise) in [(TIMER, false), (THREADS, true)] {
            let waited = bare::waits(records, precise).await?;
            report.add(name, RATE, waited.rate);
            report.add(name, CPU, waited.cpu_us);
            eprintln!("{name}: {waited:?}");
        }
        let output = kafka.topic("bench-out", 1).await;
        let figures = Course { kafka, input: &input, output: &output }.measure(CONTESTANT, records).await?;
        kafka.delete_topic(&output).await;
        figures.report(&mut report, COFFERDAM);
    }
    kafka.delete_topic(&input).await;
    report.goal(RATE, COFFERDAM, None, Bound::AtLeast(40_000.0));
    report.goal(RATE, COFFERDAM, Some(TIMER), Bound::AtLeast(0.8));
    Ok(report)
}

fn record(number: u32) -> Record {
    load::record(number, KEYS, 1_024).header("do", "wait")
}
