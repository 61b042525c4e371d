//! SQS as the world sees it: messages written, what is left to do, what stands there at the end.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message as Received, MessageSystemAttributeName,
    SendMessageBatchRequestEntry as Entry,
};
use cofferdam_guarantees::{Effect, RecordId};
use futures::future::try_join_all;
use serde_json::Value;
use tokio::sync::Mutex;

use super::found::{Found, error_event, output};
use super::stage::{Names, Part};
use super::workload::{Message, Workload};
use super::writer::Taken;
use crate::aws::queue::{Depth, depth};
use crate::aws::words;
use crate::exit::{Exit, Problem};

/// Messages in one call, at most.
const BATCH: usize = 10;

/// Calls at once while a queue is read; each group is with one of them at a time, so its order stays.
const READERS: usize = 8;

/// How long what was read stays hidden until it is deleted.
const HIDDEN_SECONDS: i32 = 60;

/// Tries of one call.
const TRIES: usize = 5;

/// Writes messages to the queue that the hosts read.
pub(super) struct Writer {
    client: Client,
    url: String,
    /// Number, message.
    batch: Vec<(u64, Message)>,
}

impl Writer {
    pub(super) async fn new(client: &Client, names: &Names) -> Result<Self, Problem> {
        let url = address(client, &names.queue(Part::In)).await?;
        Ok(Self { client: client.clone(), url, batch: Vec::new() })
    }

    /// Takes a message on its way behind all before.
    pub(super) async fn write(&mut self, number: u64, message: Message, taken: &mut Taken) -> Result<(), Problem> {
        self.batch.push((number, message));
        if self.batch.len() >= BATCH { self.arrive(taken).await } else { Ok(()) }
    }

    /// Waits until everything written is there.
    pub(super) async fn arrive(&mut self, to: &mut Taken) -> Result<(), Problem> {
        for _ in 0..TRIES {
            if self.batch.is_empty() {
                return Ok(());
            }
            let entries = self.batch.iter().map(|(number, message)| {
                // A second one of the same number within five minutes is none.
                let entry = Entry::builder().id(number.to_string()).message_deduplication_id(number.to_string());
                entry
                    .message_group_id(&message.key)
                    .message_body(&message.payload)
                    .build()
                    .expect("id and body are set")
            });
            let send = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
            let answer = send.send().await.map_err(|error| unavailable(&words::of(&error)))?;
            for taken in answer.successful {
                let Some(place) = self.batch.iter().position(|(number, _)| number.to_string() == taken.id) else {
                    continue;
                };
                let (number, message) = self.batch.remove(place);
                to.tell(number, lane(&message.key), taken.message_id.into())?;
            }
        }
        match self.batch.is_empty() {
            true => Ok(()),
            false => Err(Problem::new(Exit::Unavailable, "the queue rejects messages", "")),
        }
    }
}

/// Messages that the hosts have not deleted.
pub(super) async fn outstanding(client: &Client, names: &Names) -> Result<Depth, Problem> {
    let depth = depth(client, &names.queue(Part::In)).await;
    depth.map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))
}

/// Reads outputs, dead letters and error events, each group in its order, and what is left of the input.
pub(super) async fn read(
    client: &Client,
    names: &Names,
    workload: &Workload,
    found: &mut Found,
) -> Result<(), Problem> {
    let queues = Part::ALL.map(|part| names.queue(part));
    let read = try_join_all(queues.iter().map(|queue| drain(client, queue))).await?;
    for ((part, queue), messages) in Part::ALL.into_iter().zip(&queues).zip(read) {
        for message in messages {
            let found_here = match part {
                Part::In => {
                    found.outstanding(message.message_id.unwrap_or_default().into())?;
                    continue;
                }
                Part::Out => recognise_output(&message),
                Part::Dead => recognise_dead_letter(&message, workload),
                Part::Errors => recognise_error_event(&message),
            };
            let group = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
            let lane = group.map(|group| lane(group)).filter(|_| part != Part::Errors);
            found.take(found_here, lane, queue)?;
        }
    }
    Ok(())
}

/// The lane of a message group.
fn lane(group: &str) -> String {
    format!("sqs:{group}")
}

fn recognise_output(message: &Received) -> Option<(RecordId, Effect)> {
    let (record, index) = output(message.body()?.as_bytes())?;
    Some((record, Effect::Output(index)))
}

/// The original to the last byte, and the record that it says it comes from.
fn recognise_dead_letter(message: &Received, workload: &Workload) -> Option<(RecordId, Effect)> {
    workload.recognise(message.body()?.as_bytes())?;
    let reason = message.message_attributes()?.get("cofferdam-dlq")?.string_value()?;
    let reason: Value = serde_json::from_str(reason).ok()?;
    Some((reason.get("position")?.as_str()?.into(), Effect::DeadLetter))
}

fn recognise_error_event(message: &Received) -> Option<(RecordId, Effect)> {
    Some((error_event(message.body()?.as_bytes())?, Effect::ErrorEvent))
}

/// Receives and deletes until nothing comes any more.
async fn drain(client: &Client, queue: &str) -> Result<Vec<Received>, Problem> {
    let url = address(client, queue).await?;
    let all = Mutex::new(Vec::new());
    try_join_all((0..READERS).map(|_| drain_alone(client, &url, &all))).await?;
    Ok(all.into_inner())
}

async fn drain_alone(client: &Client, url: &str, all: &Mutex<Vec<Received>>) -> Result<(), Problem> {
    let mut silence = 0;
    while silence < 2 {
        let receive = client.receive_message().queue_url(url).max_number_of_messages(BATCH as i32).wait_time_seconds(1);
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
        // Before they are deleted: then the next of their groups may come to another reader.
        all.lock().await.extend(messages);
        if !entries.is_empty() {
            let delete = client.delete_message_batch().queue_url(url).set_entries(Some(entries));
            delete.send().await.map_err(|error| unavailable(&words::of(&error)))?;
        }
    }
    Ok(())
}

async fn address(client: &Client, queue: &str) -> Result<String, Problem> {
    let found = client.get_queue_url().queue_name(queue).send().await;
    let url = found.map_err(|error| unavailable(&words::of(&error)))?.queue_url;
    url.ok_or_else(|| Problem::new(Exit::Unavailable, format!("no URL for queue {queue}"), ""))
}

fn unavailable(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Exit::Unavailable, format!("sqs: {error}"), "")
}
