//! What a timer allows: a hundred at once wait for a millisecond, again and again, and do nothing else.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::process;

/// How many wait at once.
pub(crate) const AT_ONCE: u32 = 100;

const WAIT: Duration = Duration::from_millis(1);
/// How long all of them may take.
const LONG: Duration = Duration::from_secs(600);

#[derive(clap::Args)]
pub(super) struct Waits {
    /// How often in all.
    #[arg(long)]
    count: u32,
    /// Threads and the kernel's timer, instead of tasks and tokio's.
    #[arg(long)]
    precise: bool,
}

/// What came of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Waited {
    /// Waits a second.
    pub(crate) rate: f64,
    /// Processor time of the process for each, microseconds.
    pub(crate) cpu_us: f64,
}

/// Lets a process of its own wait `count` times.
pub(crate) async fn waits(count: u32, precise: bool) -> anyhow::Result<Waited> {
    let count = format!("--count={count}");
    let arguments = ["bare", "waits", &count].into_iter().chain(precise.then_some("--precise"));
    let ended = kit::host::program(&std::env::current_exe()?, arguments).start().wait(LONG).await;
    anyhow::ensure!(ended.code() == Some(0), "the program that waits has failed: {:?}", ended.stderr);
    Ok(serde_json::from_str(ended.stdout.last().map_or("", String::as_str))?)
}

/// The process: waits, and prints what came of it.
pub(super) fn run(arguments: &Waits) -> anyhow::Result<()> {
    let left = AtomicU32::new(arguments.count);
    let since = Instant::now();
    if arguments.precise {
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE {
                scope.spawn(|| {
                    while take(&left) {
                        std::thread::sleep(WAIT)
                    }
                });
            }
        });
    } else {
        let tasks = async || {
            while take(&left) {
                tokio::time::sleep(WAIT).await
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        runtime.block_on(futures::future::join_all((0..AT_ONCE).map(|_| tasks())));
    }
    let (count, seconds) = (f64::from(arguments.count), since.elapsed().as_secs_f64());
    let cpu = process::usage(std::process::id())?.cpu;
    let waited = Waited { rate: count / seconds, cpu_us: cpu.as_secs_f64() * 1e6 / count };
    println!("{}", serde_json::to_string(&waited)?);
    Ok(())
}

/// Takes one of those that are left.
fn take(left: &AtomicU32) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}
