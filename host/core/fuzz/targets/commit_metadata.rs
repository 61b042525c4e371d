//! Any text as the metadata of a commit: read or refused; what was read is written again without claiming more. It is believed
//! only for the offset that it was written for.

#![no_main]

use cofferdam_core::progress::{LIMIT, Written, resume};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(Some(Written { base: at, identity, progress: read })) = Written::decode(text) else { return };
    assert_eq!(resume(Some(at), Some(text), identity).progress, read);
    let moved = resume(Some(at ^ 1), Some(text), identity);
    assert!(moved.progress.finished.is_empty() && moved.progress.tried.is_empty() && moved.ignored.is_some(), "{moved:?}");
    assert_eq!(moved.from, Some(at ^ 1));
    let rising = read.finished.windows(2).all(|pair| pair[0].end <= pair[1].start);
    assert!(rising && read.finished.iter().all(|run| run.start < run.end), "{read:?}");
    let first = read.finished.first().map(|run| run.start);
    let tried = read.tried.keys().next().copied();
    let Some(base) = first.into_iter().chain(tried).min() else { return };
    let written = read.encode(base, identity, LIMIT);
    assert!(written.len() <= LIMIT, "{} bytes", written.len());
    let again = Written::decode(&written).expect("what was written is read").map(|again| again.progress).unwrap_or_default();
    assert!(again.finished.iter().eq(read.finished.iter().take(again.finished.len())), "{read:?}, then {again:?}");
    assert!(again.tried.iter().eq(read.tried.iter().take(again.tried.len())), "{read:?}, then {again:?}");
});
