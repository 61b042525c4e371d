//! A queue: its URL, its attributes and its depth.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use tokio::time::{Instant, timeout};

use super::words;

/// The largest message of a queue without the attribute `MaximumMessageSize`: 1 MiB, the default of SQS since 2025.
const LARGEST_MESSAGE: usize = 1024 * 1024;

/// Time limit of one call. It is short because users wait for the result.
const ANSWER_LIMIT: Duration = Duration::from_secs(8);

/// How long the lookup of an unreachable queue is retried, so that a reset connection does not end the start. The
/// retries of the SDK, which end within a second, come first.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time between two such retries.
const AGAIN: Duration = Duration::from_secs(1);

/// A queue and the attributes that the host uses, as they were when the queue was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// The name of the queue.
    pub name: Arc<str>,
    /// The URL of the queue.
    pub url: Arc<str>,
    /// Whether the queue is FIFO: it keeps the order within a message group.
    pub fifo: bool,
    /// The ARN of the queue, if the server returns it.
    pub arn: Option<Arc<str>>,
    /// The name of the dead-letter queue of its redrive policy, if any.
    pub redrive: Option<Arc<str>>,
    /// How often a message is received before it is moved to that queue (`maxReceiveCount`).
    pub max_receives: Option<u32>,
    /// How long a received message is hidden, unless the receive call sets another time.
    pub visibility_timeout: Duration,
    /// The largest message, in bytes: body and attributes together.
    pub largest_message: usize,
}

/// The approximate number of messages in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Messages that can be received.
    pub available: u64,
    /// Messages that were received and are neither deleted nor visible again.
    pub in_flight: u64,
    /// Messages whose delay has not ended.
    pub delayed: u64,
}

impl Depth {
    /// Returns the sum of all three.
    pub fn total(&self) -> u64 {
        self.available + self.in_flight + self.delayed
    }
}

/// The reason why a queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The queue does not exist in this region and account.
    #[error("no queue `{queue}`: {text}")]
    Missing {
        /// The name or URL of the queue.
        queue: Box<str>,
        /// The error text of the server.
        text: Box<str>,
    },
    /// The server denied the call: wrong credentials, or a missing permission.
    #[error("queue `{queue}`: {action} was denied: {text}")]
    Refused {
        /// The name or URL of the queue.
        queue: Box<str>,
        /// The action, as in an access policy.
        action: &'static str,
        /// The error text of the server.
        text: Box<str>,
    },
    /// The server is unreachable, or cannot answer at present.
    #[error("failed to reach queue `{queue}` ({action}): {text}")]
    Unreachable {
        /// The name or URL of the queue.
        queue: Box<str>,
        /// The action, as in an access policy.
        action: &'static str,
        /// The cause.
        text: Box<str>,
    },
    /// The response of the server is not valid.
    #[error("queue `{queue}` has an invalid attribute: {text}")]
    Answer {
        /// The name or URL of the queue.
        queue: Box<str>,
        /// The invalid attribute and its value.
        text: Box<str>,
    },
}

impl Error {
    /// Returns the name or URL of the queue, as it was requested.
    pub fn queue(&self) -> &str {
        let (Self::Missing { queue, .. }
        | Self::Refused { queue, .. }
        | Self::Unreachable { queue, .. }
        | Self::Answer { queue, .. }) = self;
        queue
    }
}

impl Queue {
    /// Resolves a queue by name or by URL (`http...`), and reads its attributes.
    ///
    /// # Errors
    /// [`Error`]; the variant tells what the caller can do.
    pub async fn resolve(client: &Client, queue: &str) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            let resolved = Self::resolve_once(client, queue).await;
            let Err(Error::Unreachable { text, .. }) = &resolved else { return resolved };
            // If the text has a remedy, waiting does not help.
            if text.contains(';') || begun.elapsed() > PATIENCE {
                return resolved;
            }
            tracing::debug!(queue, reason = %text, "looking up the queue again");
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn resolve_once(client: &Client, queue: &str) -> Result<Self, Error> {
        let url = address(client, queue).await?;
        let attributes = attributes(client, queue, &url, QueueAttributeName::All).await?;
        Self::read(queue, &url, &attributes)
    }

    /// Creates a queue with this name; it is FIFO if the name ends in `.fifo`. An existing queue with the same
    /// attributes is no error. `redrive` is the ARN of the dead-letter queue and the `maxReceiveCount`.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Unreachable`].
    pub async fn create(client: &Client, name: &str, redrive: Option<(&str, u32)>) -> Result<(), Error> {
        const ACTION: &str = "sqs:CreateQueue";
        let mut attributes = HashMap::new();
        if name.ends_with(".fifo") {
            attributes.insert(QueueAttributeName::FifoQueue, "true".to_owned());
        }
        if let Some((arn, receives)) = redrive {
            let policy = serde_json::json!({ "deadLetterTargetArn": arn, "maxReceiveCount": receives });
            attributes.insert(QueueAttributeName::RedrivePolicy, policy.to_string());
        }
        // Some servers refuse an empty map.
        let attributes = Some(attributes).filter(|attributes| !attributes.is_empty());
        let call = client.create_queue().queue_name(name).set_attributes(attributes);
        let answer = timeout(ANSWER_LIMIT, call.send()).await;
        answer.map_err(|_| late(name, ACTION))?.map(drop).map_err(|error| failed(name, ACTION, &error))
    }

    fn read(queue: &str, url: &str, attributes: &HashMap<QueueAttributeName, String>) -> Result<Self, Error> {
        let name: Arc<str> = url.trim_end_matches('/').rsplit('/').next().unwrap_or(queue).into();
        let number = |attribute: QueueAttributeName, default: u64| match attributes.get(&attribute) {
            None => Ok(default),
            Some(text) => text.parse().map_err(|_| nonsense(queue, &format!("{attribute}: {text}"))),
        };
        let policy = attributes.get(&QueueAttributeName::RedrivePolicy);
        let policy = policy.map(|text| redrive(text).ok_or_else(|| nonsense(queue, &format!("RedrivePolicy: {text}"))));
        let (redrive, max_receives) = policy.transpose()?.unzip();
        Ok(Self {
            fifo: name.ends_with(".fifo"),
            arn: attributes.get(&QueueAttributeName::QueueArn).map(|arn| arn.as_str().into()),
            redrive,
            max_receives: max_receives.flatten(),
            visibility_timeout: Duration::from_secs(number(QueueAttributeName::VisibilityTimeout, 30)?),
            largest_message: usize::try_from(number(QueueAttributeName::MaximumMessageSize, LARGEST_MESSAGE as u64)?)
                .unwrap_or(LARGEST_MESSAGE),
            name,
            url: url.into(),
        })
    }
}

/// Returns the depth of a queue, by name or by URL (`http...`).
///
/// # Errors
/// [`Error`]; the variant tells what the caller can do.
pub async fn depth(client: &Client, queue: &str) -> Result<Depth, Error> {
    use QueueAttributeName::{
        ApproximateNumberOfMessages as Available, ApproximateNumberOfMessagesDelayed as Delayed,
        ApproximateNumberOfMessagesNotVisible as InFlight,
    };
    let url = address(client, queue).await?;
    let attributes = attributes(client, queue, &url, QueueAttributeName::All).await?;
    let count = |attribute: QueueAttributeName| match attributes.get(&attribute).map(|text| text.parse()) {
        Some(Ok(count)) => Ok(count),
        other => Err(nonsense(queue, &format!("{attribute}: {other:?}"))),
    };
    Ok(Depth { available: count(Available)?, in_flight: count(InFlight)?, delayed: count(Delayed)? })
}

async fn address(client: &Client, queue: &str) -> Result<String, Error> {
    const ACTION: &str = "sqs:GetQueueUrl";
    if queue.starts_with("http://") || queue.starts_with("https://") {
        return Ok(queue.to_owned());
    }
    let answer = timeout(ANSWER_LIMIT, client.get_queue_url().queue_name(queue).send()).await;
    let found = answer.map_err(|_| late(queue, ACTION))?.map_err(|error| failed(queue, ACTION, &error))?;
    found.queue_url.ok_or_else(|| nonsense(queue, "the server returned no URL"))
}

async fn attributes(
    client: &Client,
    queue: &str,
    url: &str,
    which: QueueAttributeName,
) -> Result<HashMap<QueueAttributeName, String>, Error> {
    const ACTION: &str = "sqs:GetQueueAttributes";
    let call = client.get_queue_attributes().queue_url(url).attribute_names(which);
    let answer = timeout(ANSWER_LIMIT, call.send()).await;
    let answer = answer.map_err(|_| late(queue, ACTION))?.map_err(|error| failed(queue, ACTION, &error))?;
    Ok(answer.attributes.unwrap_or_default())
}

/// Returns the name of the dead-letter queue and `maxReceiveCount` of a redrive policy. Some servers write the number
/// as text.
fn redrive(policy: &str) -> Option<(Arc<str>, Option<u32>)> {
    let policy: serde_json::Value = serde_json::from_str(policy).ok()?;
    let name = policy.get("deadLetterTargetArn")?.as_str()?.rsplit(':').next()?;
    let receives = policy.get("maxReceiveCount");
    let receives = receives.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
    Some((name.into(), receives.and_then(|count| u32::try_from(count).ok())))
}

fn failed<E>(queue: &str, action: &'static str, error: &SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let (queue, text) = (queue.into(), words::of(error).into());
    let SdkError::ServiceError(service) = error else {
        return Error::Unreachable { queue, action, text };
    };
    let code = service.err().code().unwrap_or_default();
    let status = service.raw().status().as_u16();
    if code.contains("NonExistentQueue") || code.contains("QueueDoesNotExist") {
        Error::Missing { queue, text }
    } else if status >= 500 || status == 429 || code.contains("Throttl") {
        Error::Unreachable { queue, action, text }
    } else {
        Error::Refused { queue, action, text }
    }
}

fn late(queue: &str, action: &'static str) -> Error {
    Error::Unreachable { queue: queue.into(), action, text: format!("no answer within {ANSWER_LIMIT:?}").into() }
}

fn nonsense(queue: &str, text: &str) -> Error {
    Error::Answer { queue: queue.into(), text: text.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redrive_policy_names_its_queue() {
        let policy =
            r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:tasks-dlq.fifo","maxReceiveCount":3}"#;
        assert_eq!(redrive(policy), Some(("tasks-dlq.fifo".into(), Some(3))));
        let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:x:0:dlq","maxReceiveCount":"5"}"#;
        assert_eq!(redrive(policy), Some(("dlq".into(), Some(5))));
        assert_eq!(redrive("{}"), None);
    }

    #[test]
    fn the_attributes_of_a_queue_are_read() {
        let attributes = HashMap::from([
            (QueueAttributeName::VisibilityTimeout, "900".to_owned()),
            (QueueAttributeName::MaximumMessageSize, "262144".to_owned()),
        ]);
        let queue = Queue::read("x", "https://sqs.eu-west-1.amazonaws.com/123/tasks.fifo", &attributes).unwrap();
        assert_eq!(&*queue.name, "tasks.fifo");
        assert!(queue.fifo);
        assert_eq!(queue.redrive, None);
        assert_eq!(queue.visibility_timeout, Duration::from_secs(900));
        assert_eq!(queue.largest_message, 262_144);
        let attributes = HashMap::from([(QueueAttributeName::RedrivePolicy, "nonsense".to_owned())]);
        assert!(matches!(Queue::read("x", "https://x/1/q", &attributes), Err(Error::Answer { .. })));
    }

    #[tokio::test]
    async fn connections_that_end_at_the_start_are_no_reason_to_give_up() {
        // One more than the SDK attempts by itself.
        let client = crate::broker::sqs::fake::client_after(4, |_, _| Err("nobody asks")).await;
        let queue = Queue::resolve(&client, "tasks.fifo").await.expect("it is asked for again");
        assert!(queue.fifo);
    }
}
