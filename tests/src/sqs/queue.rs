//! Queues to create and messages to send.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use crate::unique;

/// An existing queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// The name; that of a FIFO queue ends in `.fifo`.
    pub name: String,
    /// The URL.
    pub url: String,
    /// The ARN, for redrive policies.
    pub arn: String,
}

/// A queue to create.
#[derive(Clone, Debug)]
pub struct QueueSpec {
    stem: String,
    fifo: bool,
    attributes: HashMap<QueueAttributeName, String>,
}

/// A message to send.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub(super) body: String,
    pub(super) group: Option<String>,
    pub(super) deduplication: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
}

impl QueueSpec {
    /// Specifies a standard queue whose name begins with `stem`.
    pub fn standard(stem: &str) -> QueueSpec {
        QueueSpec { stem: stem.to_owned(), fifo: false, attributes: HashMap::new() }
    }

    /// Specifies a FIFO queue whose name begins with `stem` and ends in `.fifo`.
    pub fn fifo(stem: &str) -> QueueSpec {
        let attributes = HashMap::from([(QueueAttributeName::FifoQueue, "true".to_owned())]);
        QueueSpec { stem: stem.to_owned(), fifo: true, attributes }
    }

    /// Sets the visibility timeout (whole seconds, at most 12 hours); 30 s by default.
    pub fn visibility_timeout(self, timeout: Duration) -> QueueSpec {
        self.attribute(QueueAttributeName::VisibilityTimeout, timeout.as_secs().to_string())
    }

    /// Sets the redrive policy: after `receipts` receives, a message moves to this queue.
    pub fn dead_letters(self, queue: &Queue, receipts: u32) -> QueueSpec {
        let policy = json!({ "deadLetterTargetArn": queue.arn, "maxReceiveCount": receipts });
        self.attribute(QueueAttributeName::RedrivePolicy, policy.to_string())
    }

    /// Sets any other attribute.
    pub fn attribute(mut self, name: QueueAttributeName, value: impl Into<String>) -> QueueSpec {
        self.attributes.insert(name, value.into());
        self
    }

    pub(super) fn unique_name(&self) -> String {
        let name = unique(&self.stem);
        if self.fifo { format!("{name}.fifo") } else { name }
    }

    pub(super) fn attributes(&self) -> Option<HashMap<QueueAttributeName, String>> {
        Some(self.attributes.clone()).filter(|attributes| !attributes.is_empty())
    }
}

impl Message {
    /// Creates a message with this body.
    pub fn new(body: impl Into<String>) -> Message {
        Message { body: body.into(), ..Message::default() }
    }

    /// Sets the message group id, which a FIFO queue requires.
    pub fn group(mut self, group: impl Into<String>) -> Message {
        self.group = Some(group.into());
        self
    }

    /// Sets the deduplication id. The queue drops a second message with the same id within five minutes.
    pub fn deduplication(mut self, id: impl Into<String>) -> Message {
        self.deduplication = Some(id.into());
        self
    }

    /// Removes the properties that only FIFO queues accept.
    pub fn standard(self) -> Message {
        Message { group: None, deduplication: None, ..self }
    }

    /// Adds a message attribute of type `String`.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Message {
        self.attributes.push((name.into(), value.into()));
        self
    }
}
