//! What a new version of the plugin every second costs the messages.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use kit::guest;
use tempfile::TempDir;

use crate::course::Course;
use crate::pace::{Kind, Pace};
use crate::report::Report;
use crate::{Effort, load};

const PARTITIONS: i32 = 4;
const RATE: u32 = 1_000;
/// Time between two versions.
const AGE: Duration = Duration::from_secs(1);

const STEADY: &str = "Cofferdam, one version";
const SWAPPED: &str = "Cofferdam, a new version every second";

const OUT: &str = "messages/s";
const PERCENTILES: [(&str, f64); 3] = [("p50 ms", 50.0), ("p99 ms", 99.0), ("p99.9 ms", 99.9)];
const CPU: &str = "CPU us/message";
const VERSIONS: &str = "versions";

/// Measures with and without.
pub(crate) async fn measure(effort: Effort) -> anyhow::Result<Report> {
    let kafka = kit::kafka().map_err(|need| anyhow::anyhow!("{need}"))?;
    let messages = effort.of(30_000).max(5 * RATE); // some versions in any case
    let component = std::fs::read(guest("echo")).context("it was just built")?;
    let work = format!(
        "{RATE} messages a second of 1 KiB, {} keys, {PARTITIONS} partitions, offered at that pace whoever may be slow (open \
         loop), through a plugin of {} KiB with `watch = true`. In turns its file stays as it is, or is replaced by another \
         one every second, which the host compiles, checks, starts and takes over beside the load. {messages} messages, a \
         fifth of them to warm up; each comes out once.",
        load::KEYS,
        component.len() / 1024,
    );
    let mut report = Report::new("swap", work);
    for _ in 0..effort.rounds {
        for (name, swaps) in [(STEADY, false), (SWAPPED, true)] {
            let pace = Pace { rate: RATE, messages, warm_up: messages / 5, kind: |_| Kind::Plain };
            let input = kafka.topic("bench-in", PARTITIONS).await;
            let output = kafka.topic("bench-out", PARTITIONS).await;
            let folder = TempDir::new()?;
            let plugin = folder.path().join("echo.wasm");
            std::fs::write(&plugin, &component)?;
            let course = Course { kafka, input: &input, output: &output };
            let host = course.cofferdam(&plugin, "watch = true", "");
            let enough = Arc::new(AtomicBool::new(!swaps));
            let swapper = std::thread::spawn({
                let (plugin, component, enough) = (plugin.clone(), component.clone(), Arc::clone(&enough));
                move || swap(&plugin, &component, &enough)
            });
            let passed = pace.measure(&course, &host).await;
            enough.store(true, Ordering::Relaxed);
            let saved = swapper.join().map_err(|_| anyhow::anyhow!("the swapper has panicked"))??;
            let passed = passed.context(name)?;
            let replaced = host.stderr().iter().filter(|line| line.contains("plugin_replaced")).count();
            anyhow::ensure!(replaced + 3 > saved, "{name}: {replaced} of {saved} versions were taken over");
            drop(host);
            for topic in [input, output] {
                kafka.delete_topic(&topic).await;
            }
            report.add(name, OUT, passed.rate);
            for (metric, percentile) in PERCENTILES {
                report.add(name, metric, passed.latency_ms(percentile));
            }
            report.add(name, CPU, passed.cpu_us);
            report.add(name, VERSIONS, replaced as f64);
            eprintln!("{name}: {:.0}/s, p99 {:.2} ms, {replaced} versions", passed.rate, passed.latency_ms(99.0));
        }
    }
    Ok(report)
}

/// Replaces the plugin by one that does the same and is another, again and again; returns how many there were.
fn swap(plugin: &Path, component: &[u8], enough: &AtomicBool) -> anyhow::Result<usize> {
    let mut versions = 0;
    let beside = plugin.with_extension("new");
    while !enough.load(Ordering::Relaxed) {
        std::thread::sleep(AGE);
        versions += 1;
        // A section that nobody reads: 0, its length, its name with its length.
        std::fs::write(&beside, [component, &[0, 9, 8], format!("{versions:08}").as_bytes()].concat())?;
        std::fs::rename(&beside, plugin)?;
    }
    Ok(versions)
}
