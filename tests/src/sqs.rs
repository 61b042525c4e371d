//! An SQS server (ElasticMQ), and its use in tests.

mod private;
mod queue;
mod server;

use std::sync::OnceLock;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};

pub use aws_sdk_sqs::types::Message as Received;
pub use private::{Private, private};
pub use queue::{Message, Queue, QueueSpec};

use crate::Need;

/// The region of a local server.
pub const REGION: &str = "eu-west-1";

/// A running server, with a client for this test.
pub struct Sqs {
    endpoint: String,
    client: Client,
}

/// The number of messages in a queue, as the server counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that can be received.
    pub visible: usize,
    /// Messages that were received and are neither deleted nor visible again.
    pub in_flight: usize,
    /// Messages whose delay has not ended.
    pub delayed: usize,
}

/// Returns ElasticMQ 1.7.1 with the limits of AWS, shared with all other tests, or the server that `SQS_ENDPOINT`
/// names.
///
/// # Errors
/// [`Need::Missing`] if no server is available, [`Need::Broken`] if it does not start.
pub fn sqs() -> Result<Sqs, Need> {
    static SERVER: OnceLock<Result<server::Found, Need>> = OnceLock::new();
    let endpoint = SERVER.get_or_init(server::find).as_ref().map_err(Need::clone)?.endpoint.clone();
    Ok(at(endpoint))
}

/// Returns a handle of the server at this address.
fn at(endpoint: String) -> Sqs {
    // Each test has its own client, because connections belong to the event loop of the test that opened them.
    let variable = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let (id, secret) = (variable("AWS_ACCESS_KEY_ID", "test"), variable("AWS_SECRET_ACCESS_KEY", "test"));
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&endpoint)
        .region(Region::new(variable("AWS_REGION", REGION)))
        .credentials_provider(Credentials::new(id, secret, std::env::var("AWS_SESSION_TOKEN").ok(), None, "kit"))
        .build();
    Sqs { endpoint, client: Client::from_conf(config) }
}

impl Sqs {
    /// Returns `http://host:port`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Returns the client, for calls that this kit does not wrap.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Creates a queue with a unique name.
    ///
    /// # Panics
    /// The server refuses the queue.
    pub async fn create(&self, spec: QueueSpec) -> Queue {
        let name = spec.unique_name();
        let create = self.client.create_queue().queue_name(&name).set_attributes(spec.attributes());
        let url = create.send().await.expect("the server makes the queue").queue_url.expect("a new queue has a url");
        let asked = self.client.get_queue_attributes().queue_url(&url).attribute_names(QueueAttributeName::QueueArn);
        let mut attributes = asked.send().await.expect("the queue is there").attributes.unwrap_or_default();
        let arn = attributes.remove(&QueueAttributeName::QueueArn).expect("a queue has an arn");
        Queue { name, url, arn }
    }

    /// Sends a message and returns its id.
    ///
    /// # Panics
    /// The server refuses the message.
    pub async fn send(&self, queue: &Queue, message: Message) -> String {
        let text = |value: String| {
            let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            attribute.expect("a text with its type is an attribute")
        };
        let attributes = message.attributes.into_iter().map(|(name, value)| (name, text(value))).collect();
        let send = self.client.send_message().queue_url(&queue.url).message_body(message.body);
        let send = send.set_message_group_id(message.group).set_message_deduplication_id(message.deduplication);
        let sent = send.set_message_attributes(Some(attributes)).send().await;
        sent.expect("the server takes the message").message_id.expect("a message has an id")
    }

    /// Receives up to ten messages without deleting them. Waits up to `wait` (whole seconds, at most 20) for the first.
    ///
    /// # Panics
    /// The server refuses the call.
    pub async fn receive(&self, queue: &Queue, wait: Duration) -> Vec<Received> {
        let receive = self.client.receive_message().queue_url(&queue.url).max_number_of_messages(10);
        let seconds = i32::try_from(wait.as_secs()).expect("a long poll ends after 20 seconds");
        let receive = receive.wait_time_seconds(seconds).message_attribute_names("All");
        let received = receive.message_system_attribute_names(MessageSystemAttributeName::All).send().await;
        received.expect("the server answers").messages.unwrap_or_default()
    }

    /// Receives and deletes until no message is visible; returns the messages in the order of receipt.
    ///
    /// # Panics
    /// The server refuses a call.
    pub async fn receive_all(&self, queue: &Queue) -> Vec<Received> {
        let mut all = Vec::new();
        loop {
            let some = self.receive(queue, Duration::from_secs(1)).await;
            if some.is_empty() {
                return all;
            }
            for message in &some {
                self.delete(queue, message).await;
            }
            all.extend(some);
        }
    }

    /// Deletes a received message.
    ///
    /// # Panics
    /// The server refuses the call.
    pub async fn delete(&self, queue: &Queue, message: &Received) {
        let handle = message.receipt_handle().expect("a received message has a handle");
        let delete = self.client.delete_message().queue_url(&queue.url).receipt_handle(handle);
        delete.send().await.expect("the server deletes what was just received");
    }

    /// Returns the number of messages in the queue.
    ///
    /// # Panics
    /// The server refuses the call.
    pub async fn counts(&self, queue: &Queue) -> Counts {
        use QueueAttributeName::{
            ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible,
        };
        let names =
            [ApproximateNumberOfMessages, ApproximateNumberOfMessagesDelayed, ApproximateNumberOfMessagesNotVisible];
        let asked = self.client.get_queue_attributes().queue_url(&queue.url).set_attribute_names(Some(names.to_vec()));
        let attributes = asked.send().await.expect("the queue is there").attributes.unwrap_or_default();
        let [visible, delayed, in_flight] =
            names.map(|name| attributes.get(&name).and_then(|count| count.parse().ok()).expect("a count is a number"));
        Counts { visible, in_flight, delayed }
    }
}
