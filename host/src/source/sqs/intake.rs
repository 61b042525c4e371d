//! The long polls.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::{Event, Leased};
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::aws::backoff::{Backoff, Seldom};
use crate::aws::batch::MOST;
use crate::aws::fault::Fault;

use super::balance::{Balance, Share};
use super::desk::Desk;
use super::message::{SYSTEM, leased};

/// How long a balance of less than a full poll waits for more: a poll per message would cost a call per message.
const GATHER: Duration = Duration::from_millis(20);

/// How much longer than its wait a poll may take before people are told.
const LATE: Duration = Duration::from_secs(4);

/// Polls as long as there is room, and hands over what they bring, in the order in which they end.
pub(super) struct Intake {
    pub(super) desk: Arc<Desk>,
    pub(super) balance: Arc<Balance>,
    pub(super) stop: CancellationToken,
    /// Seconds.
    pub(super) lease: i32,
    /// Seconds.
    pub(super) wait: i32,
    pub(super) pollers: usize,
    pub(super) patience: Duration,
}

/// Polls under way.
type Polls = FuturesUnordered<BoxFuture<'static, Polled>>;

/// What a poll brought.
struct Polled {
    share: Share,
    result: Result<Vec<Leased>, Fault>,
}

/// Whether the server answers.
struct Weather {
    backoff: Backoff,
    /// No poll before, after a failed one.
    pause: Option<Instant>,
    /// There was no queue of this name.
    missing: bool,
    seldom: Seldom,
}

impl Intake {
    pub(super) async fn run(self) {
        let mut polls = Polls::new();
        let mut wanted = 1;
        // Until when a small balance waits for more.
        let mut gathered = None;
        let mut weather = Weather {
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
            pause: None,
            missing: false,
            seldom: Seldom::default(),
        };
        loop {
            let mut wake = None;
            while polls.len() < wanted {
                let now = Instant::now();
                wake = weather.pause.filter(|pause| *pause > now);
                if wake.is_some() {
                    break;
                }
                let least = if gathered.is_some_and(|until| until <= now) { 1 } else { MOST as i32 };
                if let Some(share) = self.balance.take(least) {
                    gathered = None;
                    polls.push(poll(self.desk.clone(), share, self.lease, self.wait).boxed());
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
                Some(polled) = polls.next() => wanted = self.hand_over(polled, wanted, &mut weather).await,
                () = self.balance.changed(), if polls.len() < wanted => {}
                () = sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
            }
        }
        self.end(polls).await;
    }

    /// Hands over what a poll brought; how many polls there should be from now on.
    async fn hand_over(&self, polled: Polled, wanted: usize, weather: &mut Weather) -> usize {
        let queue = &self.desk.queue.name;
        let asked = polled.share.messages as usize;
        match polled.result {
            Ok(messages) => {
                self.balance.settle(polled.share, messages.iter().map(|leased| leased.record.size()));
                if weather.pause.take().is_some() {
                    weather.backoff.reset();
                    tracing::info!(%queue, "receiving messages again");
                    if std::mem::take(&mut weather.missing) {
                        metrics::counter!("cofferdam_queue_recreated_total", "queue" => queue.to_string()).increment(1);
                        tracing::error!(event = "queue_recreated", %queue, "the queue was deleted and recreated");
                    }
                }
                let count = messages.len();
                if count > 0 {
                    self.desk.tell(Event::Messages(messages)).await;
                }
                match count {
                    0 => 1,
                    full if full >= asked => (wanted + 1).min(self.pollers),
                    _ => (wanted - 1).max(1),
                }
            }
            Err(reason) => {
                self.balance.settle(polled.share, std::iter::empty());
                weather.missing |= reason.is_missing_queue();
                let wait = weather.backoff.wait();
                weather.pause = Some(Instant::now() + wait);
                if let Some(kept) = weather.seldom.say(Instant::now()) {
                    let url = &*self.desk.queue.url;
                    tracing::warn!(%queue, url, %reason, again_in = ?wait, kept, "failed to receive messages");
                }
                1
            }
        }
    }

    /// Waits for the polls under way and hands over what they bring.
    async fn end(&self, mut polls: Polls) {
        let until = Instant::now() + self.patience;
        while let Ok(Some(polled)) = timeout_at(until, polls.next()).await {
            let Ok(messages) = polled.result else { continue };
            if !messages.is_empty() {
                self.desk.tell(Event::Messages(messages)).await;
            }
        }
        if !polls.is_empty() {
            tracing::info!(queue = %self.desk.queue.name, polls = polls.len(), "abandoned polls: their messages become visible again after the visibility timeout");
        }
    }
}

async fn poll(desk: Arc<Desk>, share: Share, lease: i32, wait: i32) -> Polled {
    // The lease starts when the server hands a message out, so counting from here errs on the safe side.
    let until = desk.clock.now().after(Duration::from_secs(lease.unsigned_abs().into()));
    let request = desk
        .client
        .receive_message()
        .queue_url(&*desk.queue.url)
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
            // The poll goes on: what the server gives away to nobody is hidden until its lease ends.
            desk.say_late(patience);
            answer.await
        }
    };
    let result = match answer {
        Ok(answer) => {
            let messages = answer.messages.unwrap_or_default().into_iter();
            Ok(messages.filter_map(|message| leased(message, &desk.queue.name, until)).collect())
        }
        Err(error) => Err(Fault::of_call(&error)),
    };
    Polled { share, result }
}
