//! What a process has used so far (Linux).

use std::fs;
use std::time::Duration;

/// What a process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Processor time of all its threads, in steps of 10 ms.
    pub(crate) cpu: Duration,
    /// The most memory that it had at a time, bytes.
    pub(crate) peak_memory: u64,
}

/// What the process `id` has used so far.
///
/// # Errors
/// Where it has ended.
pub(crate) fn usage(id: u32) -> anyhow::Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name, in parentheses, may contain anything; what follows are numbers, the 12th and 13th of them user and
    // system time (proc_pid_stat(5)).
    let after = stat.rsplit_once(')').map_or("", |(_, after)| after);
    let ticks: u64 = after.split_whitespace().skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum();
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    let kibibytes: u64 = peak.trim().trim_end_matches(" kB").parse()?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Usage { cpu: Duration::from_secs_f64(ticks as f64 / per_second as f64), peak_memory: kibibytes << 10 })
}

/// Processor time of the calling thread.
pub(crate) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
