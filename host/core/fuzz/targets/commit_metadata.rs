//! Any text as the metadata of a commit: read or refused; what was read is written again without claiming more.

#![no_main]

use cofferdam_core::progress::{LIMIT, Progress};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(read) = Progress::decode(text) else { return };
    let rising = read.finished.windows(2).all(|pair| pair[0].end <= pair[1].start);
    assert!(rising && read.finished.iter().all(|run| run.start < run.end), "{read:?}");
    let first = read.finished.first().map(|run| run.start);
    let tried = read.tried.keys().next().copied();
    let Some(base) = first.into_iter().chain(tried).min() else { return };
    let written = read.encode(base, LIMIT);
    assert!(written.len() <= LIMIT, "{} bytes", written.len());
    let again = Progress::decode(&written).expect("what was written is read");
    assert!(again.finished.iter().eq(read.finished.iter().take(again.finished.len())), "{read:?}, then {again:?}");
    assert!(again.tried.iter().eq(read.tried.iter().take(again.tried.len())), "{read:?}, then {again:?}");
});
