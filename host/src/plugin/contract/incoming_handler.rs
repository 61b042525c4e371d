//! `wasi:messaging@0.2.0-draft`, which is also `wasmcloud:messaging@0.3.0` of wasmCloud 1: a message is a resource of the
//! host, and messages that the handler sends through the producer are outputs.
//!
//! Values for which the interface has no field are in the metadata, under names of the host: [`ID`] and others.

mod host;

use bytes::Bytes;
use cofferdam_core::message::{self, Header, Position};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::output::Output;
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::plugin::secrets::Secrets;

pub(super) use host::{WASI, WASMCLOUD, add_to_linker};

/// The error for a guest that requests the reply to a message. Replies are not supported.
pub(super) const NO_REPLIES: &str = "replies are not supported; send to an output of the route";

const ID: &str = "cofferdam-id";
const KEY: &str = "cofferdam-key";
const POSITION: &str = "cofferdam-position";
const ATTEMPT: &str = "cofferdam-attempt";
const TIMESTAMP: &str = "cofferdam-timestamp-ms";
const ATTRIBUTE: &str = "cofferdam-attribute-";

const CONTENT_TYPE: &str = "content-type";
/// The name of this attribute in CloudEvents.
const DATA_CONTENT_TYPE: &str = "datacontenttype";

/// `resource message`.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Message {
    topic: Option<String>,
    content_type: Option<String>,
    data: Bytes,
    /// `None` if there is no metadata.
    metadata: Option<Vec<(String, String)>>,
    /// Bytes that count against the guest's limit; 0 for an unchanged incoming message.
    charged: usize,
}

impl Message {
    /// Converts the message to handle. Headers that are not text are omitted.
    pub(super) fn incoming(message: &message::Message, attempt: u32) -> Self {
        let record = &*message.record;
        let mut metadata: Vec<(String, String)> = record.headers.iter().filter_map(text).collect();
        let mut add = |name: &str, value: String| metadata.push((name.to_owned(), value));
        add(ID, message.id.to_string());
        add(POSITION, position(&record.position));
        add(ATTEMPT, attempt.to_string());
        if let Some(timestamp) = record.timestamp_ms {
            add(TIMESTAMP, timestamp.to_string());
        }
        if let Some(key) = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()) {
            add(KEY, key.to_owned());
        }
        for (name, value) in &message.attributes {
            add(&format!("{ATTRIBUTE}{name}"), value.to_string());
        }
        let content_type = message.attribute(DATA_CONTENT_TYPE).or_else(|| record.text_header(CONTENT_TYPE));
        Self {
            topic: Some(record.source.to_string()),
            content_type: content_type.map(str::to_owned),
            data: message.payload.clone().unwrap_or_default(),
            metadata: Some(metadata),
            charged: 0,
        }
    }

    /// Bytes that count against the limit on output bytes, for sent and held messages.
    fn size(&self) -> usize {
        let pair = |(name, value): &(String, String)| 32 + name.len() + value.len();
        let metadata: usize = self.metadata.iter().flatten().map(pair).sum();
        self.data.len()
            + metadata
            + self.content_type.as_ref().map_or(0, |text| 2 * (32 + CONTENT_TYPE.len() + text.len()))
    }

    /// The output that is equivalent to sending the message.
    fn output(self, topic: String) -> Output {
        let mut output = Output { to: topic.into(), payload: Some(self.data), ..Output::default() };
        for (name, value) in self.metadata.into_iter().flatten() {
            if name == KEY {
                output.key = Some(Bytes::from(value));
            } else if let Some(name) = name.strip_prefix(ATTRIBUTE) {
                // Metadata may contain a name twice, an output may not.
                output.attributes.retain(|(known, _)| **known != *name);
                output.attributes.push((name.into(), value.into()));
            } else if !is_ours(&name) {
                output.headers.push(Header::text(&name, &value));
            }
        }
        if let Some(content_type) = self.content_type {
            output.headers.retain(|header| !header.name.eq_ignore_ascii_case(CONTENT_TYPE.as_bytes()));
            output.headers.push(Header::text(CONTENT_TYPE, &content_type));
            output.attributes.retain(|(known, _)| **known != *DATA_CONTENT_TYPE);
            output.attributes.push((DATA_CONTENT_TYPE.into(), content_type.into()));
        }
        output
    }
}

/// Whether the host defines the meaning of this metadata name.
fn is_ours(name: &str) -> bool {
    [ID, KEY, POSITION, ATTEMPT, TIMESTAMP].contains(&name) || name.starts_with(ATTRIBUTE)
}

/// The header as metadata, if it is text and cannot be confused with metadata of the host.
fn text(header: Header<'_>) -> Option<(String, String)> {
    let name = std::str::from_utf8(header.name).ok().filter(|name| !is_ours(name))?;
    let value = std::str::from_utf8(header.value.unwrap_or_default()).ok()?;
    Some((name.to_owned(), value.to_owned()))
}

fn position(position: &Position) -> String {
    match position {
        Position::Offset { partition, offset } => format!("{partition}/{offset}"),
        Position::MessageId(id) => id.to_string(),
    }
}

/// `result<_, error>`.
pub(in crate::plugin) type Answer = Result<(), Error>;

/// `variant error`.
#[derive(Debug, ComponentType, Lift, Lower)]
#[component(variant)]
pub(in crate::plugin) enum Error {
    #[component(name = "timeout")]
    Timeout,
    #[component(name = "connection")]
    Connection(String),
    #[component(name = "permission-denied")]
    PermissionDenied(String),
    #[component(name = "other")]
    Other(String),
}

/// None of these errors says that the message is the cause, so the message is retried; the route can define the code as
/// permanent.
impl Error {
    pub(super) fn told_without(self, secrets: &Secrets) -> Failure {
        let (code, text) = match self {
            Self::Timeout => ("HANDLER_TIMEOUT", "the handler reports a timeout".to_owned()),
            Self::Connection(text) => ("HANDLER_CONNECTION", text),
            Self::PermissionDenied(text) => ("HANDLER_PERMISSION_DENIED", text),
            Self::Other(text) => ("HANDLER_ERROR", text),
        };
        Failure::new(Class::Retryable, Code::of_handler(code), secrets.redact(&text))
    }
}
