//! What this process has in use of memory, and a folder of the disk, as Linux counts it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Bytes that are resident now.
///
/// # Panics
/// Where the system does not tell.
pub fn resident() -> u64 {
    field("/proc/self/smaps_rollup", "Rss:")
}

/// The most bytes that were resident since the last [`forget_peak`].
///
/// # Panics
/// Where the system does not tell.
pub fn peak() -> u64 {
    field("/proc/self/status", "VmHWM:")
}

/// From here on the peak is counted anew (`clear_refs` in proc(5)).
///
/// # Panics
/// Where the system does not allow it.
pub fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("a process may reset its own peak");
}

/// Bytes of all files in `folder`, as their blocks on disk say: a file with holes is no larger than what was written.
pub fn on_disk(folder: &Path) -> u64 {
    let size = |path: &Path| match path.is_dir() {
        true => on_disk(path),
        // Blocks of stat(2) have 512 bytes, whatever the file system.
        false => std::fs::metadata(path).map_or(0, |file| file.blocks() * 512),
    };
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).expect("this is Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it is counted");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") << 10
}
