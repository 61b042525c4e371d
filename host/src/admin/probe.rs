//! Health probes of the brokers, with a bounded rate and duration.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// How long a broker may take to answer.
pub const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// How long an answer is good for.
const FRESH: Duration = Duration::from_secs(1);

/// Asks a broker. It is called at most once a second, never twice at once, and dropped after [`PROBE_LIMIT`]: what it
/// starts on other threads has to end by itself by then.
pub type Probe<T> = Arc<dyn Fn() -> BoxFuture<'static, T> + Send + Sync>;

/// How Kafka is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KafkaHealth {
    /// A broker answers.
    pub connected: bool,
    /// Topics that the routes read and write.
    pub expected: Vec<String>,
    /// Those of them that there are not.
    pub missing: Vec<String>,
    /// Topics of dead letters, as they were at the last look.
    pub dead_letters: Vec<LetterHealth>,
    /// Why it is not connected, for people.
    pub error: Option<String>,
}

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

/// How SQS is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SqsHealth {
    /// The server answers.
    pub connected: bool,
    /// The queues that the routes read and write.
    pub queues: Vec<QueueHealth>,
    /// Queues of dead letters, as they were at the last look.
    pub dead_letters: Vec<LetterHealth>,
    /// Why it is not connected, for people.
    pub error: Option<String>,
}

/// How a queue is; the numbers are the queue's own estimates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueHealth {
    /// Its name.
    pub name: String,
    /// Messages that can be received.
    pub available: Option<u64>,
    /// Messages that somebody has received and not deleted.
    pub in_flight: Option<u64>,
    /// Messages that cannot be received yet.
    pub delayed: Option<u64>,
    /// The queue that it hands over to what was received too often, where it has one.
    pub dead_letters: Option<DeadLetters>,
    /// Why there are no numbers, for people.
    pub error: Option<String>,
}

/// A dead-letter queue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeadLetters {
    /// Its name.
    pub queue: String,
    /// Messages in it.
    pub available: Option<u64>,
}

/// What a broker answers.
pub(super) trait Answer: Clone + Serialize + Send + 'static {
    /// The answer of one that does not answer.
    fn none(error: String) -> Self;
    fn is_connected(&self) -> bool;
    fn is_well(&self) -> bool;
}

impl Answer for KafkaHealth {
    fn none(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    fn is_connected(&self) -> bool {
        self.connected
    }

    fn is_well(&self) -> bool {
        self.connected && self.missing.is_empty()
    }
}

impl Answer for SqsHealth {
    fn none(error: String) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    fn is_connected(&self) -> bool {
        self.connected
    }

    fn is_well(&self) -> bool {
        self.connected && self.queues.iter().all(|queue| queue.error.is_none())
    }
}

/// A probe and its last answer.
pub(super) struct Asked<T> {
    probe: Probe<T>,
    last: Mutex<Option<(Instant, T)>>,
}

impl<T: Answer> Asked<T> {
    pub(super) fn new(probe: Probe<T>) -> Self {
        Self { probe, last: Mutex::default() }
    }

    /// The broker's answer, at most [`FRESH`] old. Whoever asks while another waits gets the same answer.
    pub(super) async fn answer(&self) -> T {
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < FRESH
        {
            return answer.clone();
        }
        let answer = match timeout(PROBE_LIMIT, (self.probe)()).await {
            Ok(answer) => answer,
            Err(_) => T::none(format!("no answer within {} s", PROBE_LIMIT.as_secs())),
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
        let asked = Asked::<KafkaHealth>::new(Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(KafkaHealth { connected: true, ..KafkaHealth::default() }).boxed()
        }));
        let (one, two) = tokio::join!(asked.answer(), asked.answer());
        assert!(one.is_connected() && one == two);
        assert_eq!(count.load(Ordering::Relaxed), 1);
        tokio::time::advance(FRESH).await;
        asked.answer().await;
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_broker_that_does_not_answer_in_time_is_not_connected() {
        let asked = Asked::<SqsHealth>::new(Arc::new(|| std::future::pending().boxed()));
        let start = Instant::now();
        let (one, two) = tokio::join!(asked.answer(), asked.answer());
        // The second has waited for the first one's answer, not for one of its own.
        assert_eq!(start.elapsed(), PROBE_LIMIT);
        assert_eq!(one.error.as_deref(), Some("no answer within 2 s"));
        assert!(!one.is_connected() && one == two);
    }
}
