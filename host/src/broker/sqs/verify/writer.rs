//! Writes messages to the queue that the hosts read.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry as Entry;
use futures::FutureExt as _;
use futures::future::BoxFuture;

use super::{unavailable, url};
use crate::broker::sqs::words;
use crate::broker::verify::{self, Message, Written};
use crate::exit::{Exit, Problem};

/// The largest number of messages in one call.
const BATCH: usize = 10;

/// Attempts of one call.
const TRIES: usize = 5;

/// Writes messages to the queue that the hosts read.
pub(super) struct Writer {
    client: Client,
    url: String,
    /// The number of each message, and the message.
    batch: Vec<(u64, Message)>,
}

impl Writer {
    pub(super) async fn new(client: &Client, queue: &str) -> Result<Self, Problem> {
        let url = url(client, queue).await?;
        Ok(Self { client: client.clone(), url, batch: Vec::new() })
    }

    async fn send(&mut self) -> Result<Vec<Written>, Problem> {
        let entries = self.batch.iter().map(|(number, message)| {
            // SQS drops a second message with the same deduplication id within five minutes, so a retry makes no
            // duplicate.
            let entry = Entry::builder().id(number.to_string()).message_deduplication_id(number.to_string());
            entry.message_group_id(&message.key).message_body(&message.payload).build().expect("id and body are set")
        });
        let send = self.client.send_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        let answer = send.send().await.map_err(|error| unavailable(&words::of(&error)))?;
        let mut there = Vec::new();
        for taken in answer.successful {
            if let Some(place) = self.batch.iter().position(|(number, _)| number.to_string() == taken.id) {
                let (number, message) = self.batch.remove(place);
                there.push(Written { number, key: message.key, record: taken.message_id });
            }
        }
        Ok(there)
    }
}

impl verify::Writer for Writer {
    fn write(&mut self, number: u64, message: Message) -> BoxFuture<'_, Result<Vec<Written>, Problem>> {
        async move {
            self.batch.push((number, message));
            if self.batch.len() >= BATCH { self.arrive().await } else { Ok(Vec::new()) }
        }
        .boxed()
    }

    fn arrive(&mut self) -> BoxFuture<'_, Result<Vec<Written>, Problem>> {
        async {
            let mut there = Vec::new();
            for _ in 0..TRIES {
                if self.batch.is_empty() {
                    break;
                }
                there.extend(self.send().await?);
            }
            match self.batch.is_empty() {
                true => Ok(there),
                false => Err(Problem::new(Exit::Unavailable, "the queue rejects messages", "")),
            }
        }
        .boxed()
    }
}
