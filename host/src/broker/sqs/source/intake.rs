//! Runs the long polls.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::{Event, Leased};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::broker::sqs::backoff::{Backoff, Seldom};
use crate::broker::sqs::batch::MOST;
use crate::broker::sqs::fault::Fault;

use super::balance::{Balance, Share};
use super::message::{SYSTEM, leased};
use super::shared::Shared;

/// How long a balance of less than a full poll waits for more. Without it, every single message would cost a call.
const GATHER: Duration = Duration::from_millis(20);

/// How much longer than its wait time a poll may take before it is logged.
const LATE: Duration = Duration::from_secs(4);

/// Polls while the balance allows it, and returns the messages in the order in which the polls end.
pub(super) struct Intake {
    pub(super) shared: Arc<Shared>,
    pub(super) balance: Arc<Balance>,
    pub(super) stop: CancellationToken,
    /// Visibility timeout, in seconds.
    pub(super) lease: i32,
    /// Wait time of a long poll, in seconds.
    pub(super) wait: i32,
    pub(super) pollers: usize,
    pub(super) patience: Duration,
}

/// The running polls.
type Polls = FuturesUnordered<BoxFuture<'static, Polled>>;

/// The result of a poll.
struct Polled {
    share: Share,
    result: Result<Vec<Leased>, Fault>,
}

/// The state of the connection to the server.
struct ServerState {
    backoff: Backoff,
    /// After a failed poll: the time before which no poll starts.
    pause: Option<Instant>,
    /// Whether the queue did not exist at the last poll.
    missing: bool,
    seldom: Seldom,
}

impl Intake {
    pub(super) async fn run(self) {
        let mut polls = Polls::new();
        let mut wanted = 1;
        // The time until which a small balance waits for more.
        let mut gathered = None;
        let mut server = ServerState {
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
            pause: None,
            missing: false,
            seldom: Seldom::default(),
        };
        loop {
            let mut wake = None;
            while polls.len() < wanted {
                let now = Instant::now();
                wake = server.pause.filter(|pause| *pause > now);
                if wake.is_some() {
                    break;
                }
                let least = if gathered.is_some_and(|until| until <= now) { 1 } else { MOST as i32 };
                if let Some(share) = self.balance.take(least) {
                    gathered = None;
                    polls.push(poll(self.shared.clone(), share, self.lease, self.wait).boxed());
                } else if self.balance.is_empty() {
                    gathered = None;
                    break;
                } else {
                    wake = Some(*gathered.get_or_insert(now + GATHER));
                    break;
                }
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                Some(polled) = polls.next() => wanted = self.hand_over(polled, wanted, &mut server).await,
                () = self.balance.changed(), if polls.len() < wanted => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        self.end(polls).await;
    }

    /// Sends the messages of a poll to the flow; returns how many polls should run from now on.
    async fn hand_over(&self, polled: Polled, wanted: usize, server: &mut ServerState) -> usize {
        let queue = &self.shared.queue.name;
        let asked = polled.share.messages as usize;
        match polled.result {
            Ok(messages) => {
                self.balance.settle(polled.share, messages.iter().map(|leased| leased.record.size()));
                if server.pause.take().is_some() {
                    server.backoff.reset();
                    tracing::info!(%queue, "receiving messages again");
                    if std::mem::take(&mut server.missing) {
                        metrics::counter!("cofferdam_queue_recreated_total", "queue" => queue.to_string()).increment(1);
                        tracing::error!(event = "queue_recreated", %queue, "the queue was deleted and recreated");
                    }
                }
                let count = messages.len();
                if count > 0 {
                    self.shared.tell(Event::Messages(messages)).await;
                }
                match count {
                    0 => 1,
                    full if full >= asked => (wanted + 1).min(self.pollers),
                    _ => (wanted - 1).max(1),
                }
            }
            Err(reason) => {
                self.balance.settle(polled.share, std::iter::empty());
                server.missing |= reason.is_missing_queue();
                let wait = server.backoff.wait();
                server.pause = Some(Instant::now() + wait);
                if let Some(kept) = server.seldom.say(Instant::now()) {
                    let url = &*self.shared.queue.url;
                    tracing::warn!(%queue, url, %reason, again_in = ?wait, kept, "failed to receive messages");
                }
                1
            }
        }
    }

    /// Waits for the running polls and sends their messages to the flow.
    async fn end(&self, mut polls: Polls) {
        let until = Instant::now() + self.patience;
        while let Ok(Some(polled)) = timeout_at(until, polls.next()).await {
            let Ok(messages) = polled.result else { continue };
            if !messages.is_empty() {
                self.shared.tell(Event::Messages(messages)).await;
            }
        }
        if !polls.is_empty() {
            tracing::info!(queue = %self.shared.queue.name, polls = polls.len(), "abandoned polls: their messages become visible again after the visibility timeout");
        }
    }
}

async fn poll(shared: Arc<Shared>, share: Share, lease: i32, wait: i32) -> Polled {
    // The visibility timeout starts when the server returns a message, so a deadline counted from here is on the safe
    // side.
    let until = shared.clock.now().after(Duration::from_secs(lease.unsigned_abs().into()));
    let request = shared
        .client
        .receive_message()
        .queue_url(&*shared.queue.url)
        .max_number_of_messages(share.messages)
        .visibility_timeout(lease)
        .wait_time_seconds(wait)
        .message_attribute_names("All")
        .set_message_system_attribute_names(Some(SYSTEM.to_vec()));
    let mut answer = pin!(request.send());
    let patience = Duration::from_secs(wait.unsigned_abs().into()) + LATE;
    let answer = match timeout(patience, &mut answer).await {
        Ok(answer) => answer,
        Err(_) => {
            // Keep polling: if the poll were abandoned, its messages would be hidden until their visibility timeout
            // ends.
            shared.say_late(patience);
            answer.await
        }
    };
    let result = match answer {
        Ok(answer) => {
            let messages = answer.messages.unwrap_or_default().into_iter();
            Ok(messages.filter_map(|message| leased(message, &shared.queue.name, until)).collect())
        }
        Err(error) => Err(Fault::of_call(&error)),
    };
    Polled { share, result }
}
