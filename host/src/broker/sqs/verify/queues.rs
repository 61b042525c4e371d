//! Creates, reads and removes the queues of a run.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use futures::FutureExt as _;
use futures::future::{BoxFuture, try_join_all};
use tokio::sync::mpsc;

use super::reader::{drain, item};
use super::writer::Writer;
use crate::broker::sqs::queue::depth;
use crate::broker::sqs::words;
use crate::broker::verify::{self, Item, Names, Part, RETENTION, Stage};
use crate::exit::{Exit, Problem};

/// The queues of a run.
pub(super) struct Queues {
    client: Client,
    /// The names, in the order of [`Part::ALL`].
    names: [String; 4],
}

impl Queues {
    /// Sends no request.
    pub(super) fn new(client: Client, names: &Names) -> Self {
        Self { client, names: Part::ALL.map(|part| super::queue(names, part)) }
    }

    fn input(&self) -> &str {
        let [input, ..] = &self.names;
        input
    }

    async fn make_one(&self, name: &str) -> Result<(), Problem> {
        let fifo = name.ends_with(".fifo").then(|| (QueueAttributeName::FifoQueue, "true".to_owned()));
        let retention = (QueueAttributeName::MessageRetentionPeriod, RETENTION.as_secs().to_string());
        let attributes: HashMap<_, _> = fifo.into_iter().chain([retention]).collect();
        let made = self.client.create_queue().queue_name(name).set_attributes(Some(attributes)).send().await;
        made.map(drop).map_err(|error| failed("create", name, &words::of(&error)))
    }

    async fn remove_one(&self, name: &str) -> Result<(), Problem> {
        let url = match self.client.get_queue_url().queue_name(name).send().await {
            Ok(found) => found.queue_url,
            Err(error) if error.as_service_error().is_some_and(|error| error.is_queue_does_not_exist()) => None,
            Err(error) => return Err(failed("remove", name, &words::of(&error))),
        };
        let Some(url) = url else { return Ok(()) };
        let removed = self.client.delete_queue().queue_url(url).send().await;
        removed.map(drop).map_err(|error| failed("remove", name, &words::of(&error)))
    }
}

impl Stage for Queues {
    fn make(&self) -> BoxFuture<'_, Result<(), Problem>> {
        async {
            for name in &self.names {
                self.make_one(name).await?;
            }
            Ok(())
        }
        .boxed()
    }

    fn writer(&self) -> BoxFuture<'_, Result<Box<dyn verify::Writer>, Problem>> {
        async {
            let writer = Writer::new(&self.client, self.input()).await?;
            Ok(Box::new(writer) as Box<dyn verify::Writer>)
        }
        .boxed()
    }

    fn left(&self) -> BoxFuture<'_, Result<u64, Problem>> {
        async {
            let depth = depth(&self.client, self.input()).await;
            let depth = depth.map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))?;
            Ok(depth.total())
        }
        .boxed()
    }

    fn read(&self, to: mpsc::Sender<Item>) -> BoxFuture<'_, Result<(), Problem>> {
        async move {
            let read = try_join_all(self.names.iter().map(|queue| drain(&self.client, queue))).await?;
            for ((part, queue), messages) in Part::ALL.into_iter().zip(&self.names).zip(read) {
                for message in messages {
                    let sent = to.send(item(part, queue, message)).await;
                    sent.map_err(|_| Problem::new(Exit::Unavailable, "nobody receives what was read", ""))?;
                }
            }
            Ok(())
        }
        .boxed()
    }

    /// Continues after an error, and returns the last error.
    fn remove(&self) -> BoxFuture<'_, Result<(), Problem>> {
        async {
            let mut result = Ok(());
            for name in &self.names {
                result = self.remove_one(name).await.and(result);
            }
            result
        }
        .boxed()
    }
}

fn failed(what: &str, name: &str, text: &str) -> Problem {
    Problem::new(Exit::Unavailable, format!("failed to {what} queue {name}: {text}"), "")
}
