//! Queues to be made and messages to be sent.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use serde_json::json;

use crate::unique;

/// A queue that is there.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its name; that of a FIFO queue ends with `.fifo`.
    pub name: String,
    /// What requests call it.
    pub url: String,
    /// What redrive policies call it.
    pub arn: String,
}

/// A queue to be made.
#[derive(Clone, Debug)]
pub struct QueueSpec {
    stem: String,
    fifo: bool,
    attributes: HashMap<QueueAttributeName, String>,
}

/// A message to be sent.
#[derive(Clone, Debug, Default)]
pub struct Message {
    pub(super) body: String,
    pub(super) group: Option<String>,
    pub(super) deduplication: Option<String>,
    pub(super) attributes: Vec<(String, String)>,
}

impl QueueSpec {
    /// A queue without order whose name begins with `stem`.
    pub fn standard(stem: &str) -> QueueSpec {
        QueueSpec { stem: stem.to_owned(), fifo: false, attributes: HashMap::new() }
    }

    /// A FIFO queue whose name begins with `stem` and ends with `.fifo`.
    pub fn fifo(stem: &str) -> QueueSpec {
        let attributes = HashMap::from([(QueueAttributeName::FifoQueue, "true".to_owned())]);
        QueueSpec { stem: stem.to_owned(), fifo: true, attributes }
    }

    /// How long a received message stays hidden (whole seconds, at most 12 hours); 30 s where nothing is said.
    pub fn visibility_timeout(self, timeout: Duration) -> QueueSpec {
        self.attribute(QueueAttributeName::VisibilityTimeout, timeout.as_secs().to_string())
    }

    /// A message that was received `receipts` times and is due again goes to this queue.
    pub fn dead_letters(self, queue: &Queue, receipts: u32) -> QueueSpec {
        let policy = json!({ "deadLetterTargetArn": queue.arn, "maxReceiveCount": receipts });
        self.attribute(QueueAttributeName::RedrivePolicy, policy.to_string())
    }

    /// Any further attribute.
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
    /// A message with this body.
    pub fn new(body: impl Into<String>) -> Message {
        Message { body: body.into(), ..Message::default() }
    }

    /// Puts it into this group; FIFO queues ask for one.
    pub fn group(mut self, group: impl Into<String>) -> Message {
        self.group = Some(group.into());
        self
    }

    /// Makes a second one of the same id within five minutes vanish.
    pub fn deduplication(mut self, id: impl Into<String>) -> Message {
        self.deduplication = Some(id.into());
        self
    }

    /// Takes back what only FIFO queues want.
    pub fn standard(self) -> Message {
        Message { group: None, deduplication: None, ..self }
    }

    /// Adds a message attribute of type `String`.
    pub fn attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Message {
        self.attributes.push((name.into(), value.into()));
        self
    }
}
