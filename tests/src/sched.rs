//! The time for which a thread was ready to run but had no CPU (Linux), and the CPU time of this process.
//!
//! On a busy machine, any wall time may be caused by the machine. Wall time less this waiting time is the time for
//! which the thread ran or was blocked.

use std::path::{Path, PathBuf};
use std::time::Duration;

/// A thread of this process.
pub struct Thread(PathBuf);

impl Thread {
    /// Returns the calling thread; each measurement is of the thread that calls it.
    pub fn own() -> Thread {
        Thread("/proc/thread-self".into())
    }

    /// Returns all current threads with this name.
    ///
    /// # Panics
    /// The system does not list its threads.
    pub fn named(name: &str) -> Vec<Thread> {
        let tasks = std::fs::read_dir("/proc/self/task").expect("this is Linux").flatten().map(|task| task.path());
        let is_named = |task: &Path| std::fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name);
        tasks.filter(|task| is_named(task)).map(Thread).collect()
    }

    /// Returns how long the thread has waited for a CPU since it started; zero if the kernel does not count it.
    pub fn waited(&self) -> Duration {
        let text = std::fs::read_to_string(self.0.join("schedstat")).unwrap_or_default();
        let nanoseconds = text.split_whitespace().nth(1).and_then(|waited| waited.parse().ok());
        Duration::from_nanos(nanoseconds.unwrap_or(0))
    }
}

/// Returns the CPU time of all threads of this process.
pub fn process_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
