//! The calls to a dead-letter queue.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
};
use tokio::time::sleep;

use super::{Error, Held, Queue};
use crate::broker::sqs::backoff::Backoff;
use crate::broker::sqs::batch::{MOST, answers};
use crate::broker::sqs::fault::Fault;

/// Visibility timeout of received letters. It is longer than a batch takes. After a killed command, letters stay hidden
/// for this time.
pub(super) const HIDDEN: Duration = Duration::from_secs(60);

/// Wait time of a receive (long polling), so that SQS queries all servers of the queue.
const WAIT_SECONDS: i32 = 1;

/// The largest number of attempts of a call that fails transiently.
const TRIES: u32 = 5;

impl Queue {
    /// Receives up to `most` letters (1 to 10) and hides them for [`HIDDEN`]. The result is empty if no letter is
    /// available.
    pub(super) async fn receive(&self, most: usize) -> Result<Vec<Held>, Error> {
        let request = self
            .client
            .receive_message()
            .queue_url(&*self.queue.url)
            .max_number_of_messages(i32::try_from(most.clamp(1, MOST)).unwrap_or(1))
            .wait_time_seconds(WAIT_SECONDS)
            .visibility_timeout(i32::try_from(HIDDEN.as_secs()).unwrap_or(i32::MAX))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let received = again(async || request.clone().send().await.map_err(|error| Fault::of_call(&error))).await;
        let answer = received.map_err(|fault| self.failed("receive messages", &fault))?;
        Ok(answer.messages.unwrap_or_default().into_iter().filter_map(|message| self.held(message)).collect())
    }

    /// Deletes the messages of these receipt handles. The results have the same order; [`Fault::Gone`] if another
    /// consumer has received the message.
    pub(super) async fn delete(&self, receipts: &[Arc<str>]) -> Vec<Result<(), Fault>> {
        let mut all = Vec::with_capacity(receipts.len());
        for some in receipts.chunks(MOST) {
            let entry = |(place, receipt): (usize, &Arc<str>)| {
                DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(&**receipt).build()
            };
            let entries: Vec<_> = some.iter().enumerate().map(entry).filter_map(Result::ok).collect();
            let request = self.client.delete_message_batch().queue_url(&*self.queue.url).set_entries(Some(entries));
            let call = async || {
                let answer = request.clone().send().await.map_err(|error| Fault::of_call(&error))?;
                Ok(answers(some.len(), answer.successful().iter().map(|entry| entry.id()), answer.failed()))
            };
            all.extend(again(call).await.unwrap_or_else(|fault| vec![Err(fault); some.len()]));
        }
        all
    }

    /// Makes the messages of these receipt handles visible. After a failed call, a message becomes visible when its
    /// visibility timeout ends.
    pub(super) async fn give_back(&self, receipts: &[Arc<str>]) {
        for some in receipts.chunks(MOST) {
            let entry = |(place, receipt): (usize, &Arc<str>)| {
                let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(place.to_string());
                entry.receipt_handle(&**receipt).visibility_timeout(0).build()
            };
            let entries: Vec<_> = some.iter().enumerate().map(entry).filter_map(Result::ok).collect();
            let request = self.client.change_message_visibility_batch().queue_url(&*self.queue.url);
            let request = request.set_entries(Some(entries));
            let given = again(async || request.clone().send().await.map_err(|error| Fault::of_call(&error))).await;
            if let Err(fault) = given {
                tracing::warn!(queue = %self.queue.name, reason = %fault, "failed to make dead letters visible again: they stay hidden for {HIDDEN:?}");
            }
        }
    }
}

/// Repeats a call after transient failures, up to [`TRIES`] times.
async fn again<T>(call: impl AsyncFn() -> Result<T, Fault>) -> Result<T, Fault> {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(5));
    for _ in 1..TRIES {
        match call().await {
            Err(fault) if fault.is_passing() => sleep(backoff.wait()).await,
            answer => return answer,
        }
    }
    call().await
}
