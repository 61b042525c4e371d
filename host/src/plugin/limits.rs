//! What one attempt may use.

use std::time::Duration;

/// Bounds of one attempt, and of the instance that runs it. The defaults are those of the documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// All memories and tables of an instance together, bytes; 64 MiB.
    pub memory: usize,
    /// From the call to its end, time in host calls included; 5 s. Kept to within two ticks of a millisecond.
    pub wall_time: Duration,
    /// What the guest itself burns; 1 s. Kept to within two ticks of a millisecond.
    pub cpu_time: Duration,
    /// Outputs of one attempt; 1000.
    pub outputs: usize,
    /// Bytes of all outputs of one attempt, as [`Output::size`](cofferdam_core::output::Output::size) counts
    /// them; 4 MiB.
    pub output_bytes: usize,
    /// Call stack of the guest, bytes; 256 KiB, at least 64 KiB and at most 1 MiB. (Many languages keep a
    /// second one in the memory of the guest; its size is fixed when the plugin is linked.)
    pub stack: usize,
    /// Elements of all tables of an instance together; 20,000.
    pub table_elements: usize,
    /// Calls of the guest to the host, those of WASI included; 100,000.
    pub host_calls: u64,
    /// Log lines that are kept, of standard output and standard error too; 1000. Further lines are dropped and
    /// counted.
    pub log_lines: usize,
    /// Bytes of the log lines that are kept; 256 KiB. Further lines are dropped and counted.
    pub log_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            wall_time: Duration::from_secs(5),
            cpu_time: Duration::from_secs(1),
            outputs: 1000,
            output_bytes: 4 << 20,
            stack: 256 << 10,
            table_elements: 20_000,
            host_calls: 100_000,
            log_lines: 1000,
            log_bytes: 256 << 10,
        }
    }
}
