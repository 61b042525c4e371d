//! More plugins in one host, all but one of them idle.

use std::fmt::Write as _;

use kit::{Kafka, guest};

use super::PARTITIONS;
use crate::course::{Course, RATE, filled};
use crate::report::{Bound, Report};
use crate::{Effort, load};

const COUNTS: [(&str, u32); 3] = [("1 plugin", 1), ("100 plugins", 100), ("1,000 plugins", 1_000)];

pub(super) async fn measure(kafka: &Kafka, effort: Effort) -> anyhow::Result<Report> {
    let records = effort.of(200_000);
    let work = format!(
        "{records} records of 1 KiB in {PARTITIONS} partitions, all of them there at the start, go through one plugin (an \
         echo) in a host that has loaded so many: the same component under other names, which no route uses. From a tenth \
         of the records to the last one; the peak of memory is that of the start too."
    );
    let mut report = Report::new("growth-plugins", work);
    let input = filled(kafka, PARTITIONS, records, load::KEYS).await;
    for _ in 0..effort.rounds {
        for (name, count) in COUNTS {
            let output = kafka.topic("bench-out", PARTITIONS).await;
            let course = Course { kafka, input: &input, output: &output };
            let mut host = course.cofferdam(&guest("echo"), &idle(count - 1), "");
            let figures = course.watch(&host, 0, records).await?;
            host.kill();
            kafka.delete_topic(&output).await;
            figures.report(&mut report, name);
        }
    }
    kafka.delete_topic(&input).await;
    let [(one, _), _, (thousand, _)] = COUNTS;
    report.goal(RATE, thousand, Some(one), Bound::AtLeast(0.9));
    Ok(report)
}

/// That many tables of plugins that nobody calls.
fn idle(count: u32) -> String {
    let path = guest("echo");
    let mut tables = String::new();
    for number in 1..=count {
        let _ = writeln!(tables, "[plugins.idle-{number:04}]\npath = \"{}\"", path.display());
    }
    tables
}
