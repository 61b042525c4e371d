//! The memory that this process uses, and the disk space of a folder, as Linux counts them.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Returns the resident memory, in bytes.
///
/// # Panics
/// The system does not report it.
pub fn resident() -> u64 {
    field("/proc/self/smaps_rollup", "Rss:")
}

/// Returns the largest resident memory since the last [`forget_peak`], in bytes.
///
/// # Panics
/// The system does not report it.
pub fn peak() -> u64 {
    field("/proc/self/status", "VmHWM:")
}

/// Resets the peak (`clear_refs` in proc(5)).
///
/// # Panics
/// The system does not allow it.
pub fn forget_peak() {
    std::fs::write("/proc/self/clear_refs", "5").expect("a process may reset its own peak");
}

/// Returns the bytes on disk of all files in `folder`, by their blocks: a sparse file counts only its written blocks.
pub fn on_disk(folder: &Path) -> u64 {
    let size = |path: &Path| match path.is_dir() {
        true => on_disk(path),
        // The blocks of stat(2) have 512 bytes on any file system.
        false => std::fs::metadata(path).map_or(0, |file| file.blocks() * 512),
    };
    std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| size(&entry.path())).sum()
}

fn field(file: &str, name: &str) -> u64 {
    let text = std::fs::read_to_string(file).expect("this is Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("it is counted");
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().expect("a number") << 10
}
