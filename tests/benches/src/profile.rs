//! Where the time of a message goes: stacks of the running host, counted by stage, and those of the bare loop beside it.
//!
//! `perf` takes a stack of whichever thread runs, a thousand times a second of processor time. Each stack counts for the
//! stage of the function nearest to its end that belongs to one; the shares are those of the processor time of a message.

mod stages;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;

use crate::course::{CPU, Contestant, Course, filled};
use crate::report::Report;
use crate::{Effort, load};

const PARTITIONS: i32 = 4;
const HERTZ: &str = "999";
/// The part of a stack that is kept: deep ones, of a guest behind a host call, take most of it.
const STACK: &str = "dwarf,16384";
/// Seconds of a recording.
const RECORDED: u64 = 5;

/// Whose time it is, and what it is called.
const CONTESTANTS: [(&str, Contestant); 2] = [
    ("Cofferdam, CPU ns/message", Contestant::Cofferdam { plugin: "", route: "" }),
    ("bare loop, wasmtime call, CPU ns/message", Contestant::Call("warm")),
];

/// Measures both, round by round.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let kafka = kit::kafka().map_err(|need| anyhow::anyhow!("{need}"))?;
    let records = effort.of(1_000_000);
    let work = format!(
        "{records} records through the echo, as under \"Kafka to Kafka\"; {RECORDED} s of it are sampled with `perf`, stacks \
         and all, {HERTZ} times a second of processor time. Each sample counts for the stage of the innermost function that \
         belongs to one; what is shared by several (memory, the kernel) counts for the stage that asked for it. Taking samples \
         slows a program down, so the shares are what was measured, and the times are these shares of the processor time of \
         a message in the same run. What belongs to no stage counts under hand over, which is all that the loop has there; it \
         holds no state of a message but its offset, judges and counts nothing."
    );
    let mut report = Report::new("profile", work);
    let input = filled(kafka, PARTITIONS, records, load::KEYS).await;
    for _ in 0..effort.rounds {
        for (name, contestant) in CONTESTANTS {
            let output = kafka.topic("bench-out", PARTITIONS).await;
            let course = Course { kafka, input: &input, output: &output };
            let mut host = course.start(contestant)?;
            let recorded = async {
                // Past the start, which compiles the plugin.
                course.outputs(i64::from(records / 10)).await;
                let folder = TempDir::new()?;
                record(host.id(), folder.path()).await
            };
            let (figures, recorded) = tokio::join!(course.watch(&host, 0, records), recorded);
            let (figures, stages) = (figures?, recorded?);
            host.kill();
            kafka.delete_topic(&output).await;
            let all: u64 = stages.values().sum();
            for stage in stages::NAMES {
                let share = stages.get(stage).copied().unwrap_or_default() as f64 / all as f64;
                report.add(stage, name, share * figures.cpu_us * 1e3);
            }
            report.add("all", name, figures.cpu_us * 1e3);
            eprintln!("profile, {name}: {all} samples, {CPU} {:.2}", figures.cpu_us);
        }
    }
    kafka.delete_topic(&input).await;
    Ok(report)
}

/// Samples the process for a while; how many samples fell into each stage.
async fn record(process: u32, folder: &Path) -> anyhow::Result<BTreeMap<&'static str, u64>> {
    let data = folder.join("perf.data");
    let mut perf = tokio::process::Command::new("perf");
    perf.args(["record", "--quiet", "--freq", HERTZ, "--call-graph", STACK, "--output"]).arg(&data);
    perf.args(["--pid", &process.to_string(), "--", "sleep", &RECORDED.to_string()]);
    let recorded = tokio::time::timeout(Duration::from_secs(10 * RECORDED), perf.status()).await;
    let status = recorded.context("perf does not end")?.context("perf is needed: on Debian, apt install linux-perf")?;
    anyhow::ensure!(status.success(), "perf ended with {status}");
    tokio::task::spawn_blocking(move || {
        // Functions that were inlined are not told apart: looking their names up takes perf hours.
        let mut script = Command::new("perf");
        script.args(["script", "--no-inline", "--fields", "comm,ip,sym", "--input"]).arg(&data);
        let output = script.output().context("perf cannot be run")?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(count(&String::from_utf8_lossy(&output.stdout)))
    })
    .await?
}

/// Samples are paragraphs: the name of the thread, then a function a line, the innermost first.
fn count(script: &str) -> BTreeMap<&'static str, u64> {
    let mut stages = BTreeMap::new();
    for sample in script.split("\n\n").filter(|sample| !sample.trim().is_empty()) {
        let mut lines = sample.lines().map(str::trim);
        let thread = lines.next().unwrap_or_default();
        let functions: Vec<&str> = lines.map(|line| line.split_once(' ').map_or("", |(_, name)| name)).collect();
        *stages.entry(stages::of(thread, &functions)).or_default() += 1;
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_counts_for_the_innermost_function_that_has_a_stage() {
        let script = "tokio-rt-worker \n\t    1f0 malloc\n\t    2a0 cofferdam_core::route::Route::admit\n\t    3b0 cofferdam::flow::Flow::run\n\n\
                      rdk:broker1 \n\t    4c0 rd_kafka_snappy_compress_iov\n\n\
                      epoch \n\t    5d0 [unknown]\n\n";
        let counted = count(script);
        assert_eq!(counted, BTreeMap::from([("admit", 1), ("publish", 1), ("tick the epoch", 1)]));
    }
}
