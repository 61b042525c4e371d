//! A queue: where it is, what it is like, how full it is.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;
use tokio::time::{Instant, timeout};

use super::words;

/// What SQS takes where a queue does not say: 1 MiB, since 2025.
const LARGEST_MESSAGE: usize = 1024 * 1024;

/// How long a server may take to say what a queue is like. People wait for it.
const ANSWER_LIMIT: Duration = Duration::from_secs(8);

/// For how long a queue that cannot be reached is asked for again, beyond the tries of the SDK, which are over within a
/// second: a connection that is reset ends no start.
const PATIENCE: Duration = Duration::from_secs(3);
/// Time between two such tries.
const AGAIN: Duration = Duration::from_secs(1);

/// A queue and those of its attributes that the host goes by, as they were when it was resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Its name.
    pub name: Arc<str>,
    /// Its address.
    pub url: Arc<str>,
    /// Whether it keeps order within a message group.
    pub fifo: bool,
    /// Its name for AWS, where the server tells it.
    pub arn: Option<Arc<str>>,
    /// The name of the queue that its redrive policy moves messages to, where it has one.
    pub redrive: Option<Arc<str>>,
    /// How often a message is received before it is moved there.
    pub max_receives: Option<u32>,
    /// How long a received message stays hidden where the receiver does not say.
    pub visibility_timeout: Duration,
    /// The largest message it takes, in bytes: body and attributes together.
    pub largest_message: usize,
}

/// How many messages a queue holds, approximately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Waiting to be received.
    pub available: u64,
    /// Received, neither deleted nor visible again.
    pub in_flight: u64,
    /// Sent with a delay that is not over.
    pub delayed: u64,
}

impl Depth {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.available + self.in_flight + self.delayed
    }
}

/// Why a queue cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such queue, in this region and account.
    #[error("no queue `{queue}`: {text}")]
    Missing {
        /// Its name or address.
        queue: Box<str>,
        /// What the server said.
        text: Box<str>,
    },
    /// The server answers and says no: credentials, or a permission.
    #[error("queue `{queue}`: {action} was denied: {text}")]
    Refused {
        /// Its name or address.
        queue: Box<str>,
        /// The call, as in an access policy.
        action: &'static str,
        /// What the server said.
        text: Box<str>,
    },
    /// The server cannot be reached, or cannot answer now.
    #[error("failed to reach queue `{queue}` ({action}): {text}")]
    Unreachable {
        /// Its name or address.
        queue: Box<str>,
        /// The call, as in an access policy.
        action: &'static str,
        /// What went wrong.
        text: Box<str>,
    },
    /// The server's answer makes no sense.
    #[error("queue `{queue}` has an invalid attribute: {text}")]
    Answer {
        /// Its name or address.
        queue: Box<str>,
        /// Which, and what it says.
        text: Box<str>,
    },
}

impl Error {
    /// The name or address of the queue, as it was asked for.
    pub fn queue(&self) -> &str {
        let (Self::Missing { queue, .. }
        | Self::Refused { queue, .. }
        | Self::Unreachable { queue, .. }
        | Self::Answer { queue, .. }) = self;
        queue
    }
}

impl Queue {
    /// Finds a queue by name, or by address (`http...`), and reads its attributes.
    ///
    /// # Errors
    /// [`Error`], by what the caller can do about it.
    pub async fn resolve(client: &Client, queue: &str) -> Result<Self, Error> {
        let begun = Instant::now();
        loop {
            let resolved = Self::resolve_once(client, queue).await;
            let Err(Error::Unreachable { text, .. }) = &resolved else { return resolved };
            // Where the sentence has a remedy, waiting is none.
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

    /// Creates a queue of this name; FIFO where the name says so. One that was created before with the same attributes is no
    /// error. `redrive` is where it moves messages to, as AWS calls that queue, and after how many receives.
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

/// How full a queue is now; by name, or by address (`http...`).
///
/// # Errors
/// [`Error`], by what the caller can do about it.
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

/// The name of the redrive queue and the number of receives; some servers write the number as text.
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
        // One more than the SDK tries by itself.
        let client = crate::aws::fake::client_after(4, |_, _| Err("nobody asks")).await;
        let queue = Queue::resolve(&client, "tasks.fifo").await.expect("it is asked for again");
        assert!(queue.fifo);
    }
}
