//! Waits for a condition, and creates unique names.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// Time between two checks.
const PAUSE: Duration = Duration::from_millis(50);

/// Calls the probe repeatedly until it returns a value, and returns the value. Tests wait with this instead of
/// sleeping.
///
/// # Panics
/// The probe has returned nothing after `within`; the message contains `what`.
#[track_caller]
pub fn eventually<T>(
    what: &str,
    within: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + within;
        loop {
            if let Some(answer) = probe().await {
                return answer;
            }
            assert!(Instant::now() < deadline, "not within {within:?}: {what} (waited for at {caller})");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Returns `stem` with a suffix that is unique across all tests, processes and runs, in characters that topics, groups
/// and queues allow.
pub fn unique(stem: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    format!("{stem}-{now:x}-{:x}-{count}", std::process::id())
}
