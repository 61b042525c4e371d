//! Reads the messages in the queues of a run.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use cofferdam_core::dead_letter::profile::cofferdam;
use futures::future::try_join_all;
use serde_json::Value;
use tokio::sync::Mutex;

use super::{unavailable, url};
use crate::broker::sqs::words;
use crate::broker::verify::{Item, Part, Stored};
use crate::exit::Problem;

/// The largest number of messages in one call.
const BATCH: i32 = 10;

/// Concurrent readers of a queue. SQS gives a message group to one reader at a time, so the order of a group is kept.
const READERS: usize = 8;

/// Visibility timeout of received messages until they are deleted, in seconds.
const HIDDEN_SECONDS: i32 = 60;

/// Converts a message in the queue of this part to an item.
pub(super) fn item(part: Part, queue: &str, message: Message) -> Item {
    if part == Part::In {
        return Item::Outstanding(message.message_id.unwrap_or_default());
    }
    let group = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
    Item::Stored(Stored {
        part,
        place: queue.to_owned(),
        key: group.map(|group| group.clone().into_bytes()),
        origin: origin(&message).filter(|_| part == Part::Dead),
        payload: message.body.map(String::into_bytes),
    })
}

/// Returns the id of the record that a dead letter names as its origin.
fn origin(message: &Message) -> Option<String> {
    let reason = message.message_attributes()?.get(cofferdam::FOLDED)?.string_value()?;
    let reason: Value = serde_json::from_str(reason).ok()?;
    reason.get(cofferdam::POSITION)?.as_str().map(str::to_owned)
}

/// Receives and deletes until the queue returns no more messages.
pub(super) async fn drain(client: &Client, queue: &str) -> Result<Vec<Message>, Problem> {
    let url = url(client, queue).await?;
    let all = Mutex::new(Vec::new());
    try_join_all((0..READERS).map(|_| drain_alone(client, &url, &all))).await?;
    Ok(all.into_inner())
}

async fn drain_alone(client: &Client, url: &str, all: &Mutex<Vec<Message>>) -> Result<(), Problem> {
    let mut silence = 0;
    while silence < 2 {
        let receive = client.receive_message().queue_url(url).max_number_of_messages(BATCH).wait_time_seconds(1);
        let receive = receive.visibility_timeout(HIDDEN_SECONDS).message_attribute_names("All");
        let receive = receive.message_system_attribute_names(MessageSystemAttributeName::MessageGroupId);
        let answer = receive.send().await.map_err(|error| unavailable(&words::of(&error)))?;
        let messages = answer.messages.unwrap_or_default();
        silence = if messages.is_empty() { silence + 1 } else { 0 };
        let entries = messages.iter().enumerate().filter_map(|(index, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
            entry.set_receipt_handle(message.receipt_handle.clone()).build().ok()
        });
        let entries: Vec<_> = entries.collect();
        // Store the messages before deleting them: after the delete, another reader may receive the next ones of their
        // groups.
        all.lock().await.extend(messages);
        if !entries.is_empty() {
            let delete = client.delete_message_batch().queue_url(url).set_entries(Some(entries));
            delete.send().await.map_err(|error| unavailable(&words::of(&error)))?;
        }
    }
    Ok(())
}
