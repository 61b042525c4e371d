//! What the hosts used.

use serde::{Deserialize, Serialize};

/// The most that one process of a host used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Resident memory, in bytes; 0 where the system does not tell.
    pub resident_bytes: u64,
    /// Open descriptors; 0 where the system does not tell.
    pub descriptors: u64,
}

impl Figures {
    /// Takes in what a process has used so far, as far as Linux tells.
    pub(super) fn measure(&mut self, process: u32) {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        let resident = peak.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) * 1024;
        let listed = std::fs::read_dir(format!("/proc/{process}/fd"));
        let descriptors = listed.map_or(0, |listed| listed.count() as u64);
        self.resident_bytes = self.resident_bytes.max(resident);
        self.descriptors = self.descriptors.max(descriptors);
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn a_process_can_be_measured() {
        let mut figures = Figures::default();
        figures.measure(std::process::id());
        assert!(figures.resident_bytes > 1 << 20 && figures.descriptors >= 3, "{figures:?}");
    }
}
