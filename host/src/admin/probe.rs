//! Health probes of the brokers, with a bounded rate and duration.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// Maximum time for an answer of a broker.
pub const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// Time for which an answer is reused.
const FRESH: Duration = Duration::from_secs(1);

/// Asks a broker. It is called at most once a second, never twice at once, and dropped after [`PROBE_LIMIT`]: what it
/// starts on other threads has to end by itself by then.
pub type Probe = Arc<dyn Fn() -> BoxFuture<'static, BrokerHealth> + Send + Sync>;

/// How full a topic or queue of dead letters is. Many of them are work for people and no fault of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LetterHealth {
    /// `kafka:orders.placed.dlq`
    pub destination: String,
    /// Letters that were not replayed; none where it could not be asked.
    pub letters: Option<u64>,
    /// More than this is an alert.
    pub limit: u64,
    /// Whether there is one.
    pub alert: bool,
}

/// The state of a broker, as `/<broker>/health` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct BrokerHealth {
    /// The broker answers.
    pub connected: bool,
    /// Nothing is missing or failing.
    pub well: bool,
    /// An object with what this broker shows.
    pub page: Value,
}

impl BrokerHealth {
    /// A state. `page` is serialized as an object.
    pub fn of(connected: bool, well: bool, page: &impl Serialize) -> Self {
        Self { connected, well, page: serde_json::to_value(page).unwrap_or_default() }
    }

    /// The state of a broker that does not answer.
    fn none(error: String) -> Self {
        Self { connected: false, well: false, page: json!({ "connected": false, "error": error }) }
    }
}

/// A probe and its last answer.
pub(super) struct Asked {
    probe: Probe,
    last: Mutex<Option<(Instant, BrokerHealth)>>,
}

impl Asked {
    pub(super) fn new(probe: Probe) -> Self {
        Self { probe, last: Mutex::default() }
    }

    /// The broker's answer, at most [`FRESH`] old. Requests during a probe get its answer.
    pub(super) async fn answer(&self) -> BrokerHealth {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = match timeout(PROBE_LIMIT, (self.probe)()).await {
            Ok(answer) => answer,
            Err(_) => BrokerHealth::none(format!("no answer within {} s", PROBE_LIMIT.as_secs())),
        };
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_broker_is_asked_once_a_second_whoever_asks() {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let asked = Asked::new(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(BrokerHealth::of(true, true, &json!({}))).boxed()
        }));
        let (one, two) = tokio::join!(asked.answer(), asked.answer());
        assert!(one.connected && one == two);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        tokio::time::advance(FRESH).await;
        asked.answer().await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_does_not_answer_in_time_is_not_connected() {
        let asked = Asked::new(Arc::new(|| std::future::pending().boxed()));
        let start = Instant::now();
        let (one, two) = tokio::join!(asked.answer(), asked.answer());
        // The second has waited for the first one's answer, not for one of its own.
        assert_eq!(start.elapsed(), PROBE_LIMIT);
        assert_eq!(one.page["error"], "no answer within 2 s");
        assert!(!one.connected && one == two);
    }
}
