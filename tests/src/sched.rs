//! What the machine took: the time that a thread was ready to run and had no processor (Linux). And what this process used.
//!
//! On a busy machine any time by the clock may be the machine's fault. What is left when the waiting is taken off is
//! what the thread itself did, or was blocked in.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// A thread of this process.
pub struct Thread(PathBuf);

impl Thread {
    /// The one that asks, whichever that is each time.
    pub fn own() -> Thread {
        Thread("/proc/thread-self".into())
    }

    /// All of this name that there are now.
    ///
    /// # Panics
    /// Where the system does not tell.
    pub fn named(name: &str) -> Vec<Thread> {
        let tasks = std::fs::read_dir("/proc/self/task").expect("this is Linux").flatten().map(|task| task.path());
        let is_named = |task: &Path| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
        tasks.filter(|task| is_named(task)).map(Thread).collect()
    }

    /// How long it has waited for a processor since it began. Nothing, where the kernel does not count.
    pub fn waited(&self) -> Duration {
        let text = std::fs::read_to_string(self.0.join("schedstat")).unwrap_or_default();
        let nanoseconds = text.split_whitespace().nth(1).and_then(|waited| waited.parse().ok());
        Duration::from_nanos(nanoseconds.unwrap_or(0))
    }
}

/// CPU time of all threads of this process.
pub fn process_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
