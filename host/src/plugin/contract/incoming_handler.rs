//! `wasi:messaging@0.2.0-draft`, which is also `wasmcloud:messaging@0.3.0` of wasmCloud 1: a message is a resource of the
//! host, and what the handler sends through the producer is an output.
//!
//! What the interface has no words for goes through the metadata, under names of the host's own: [`ID`] and the like.

mod host;

use bytes::Bytes;
use cofferdam_core::message::{self, Header, Position};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::output::Output;
use wasmtime::component::{ComponentType, Lift, Lower};

use crate::plugin::secrets::Secrets;

pub(super) use host::{WASI, WASMCLOUD, add_to_linker};

/// What a guest is told that asks for the reply to a message: here nobody waits for one.
pub(super) const NO_REPLIES: &str = "replies are not supported; send to an output of the route";

const ID: &str = "cofferdam-id";
const KEY: &str = "cofferdam-key";
const POSITION: &str = "cofferdam-position";
const ATTEMPT: &str = "cofferdam-attempt";
const TIMESTAMP: &str = "cofferdam-timestamp-ms";
const ATTRIBUTE: &str = "cofferdam-attribute-";

const CONTENT_TYPE: &str = "content-type";
/// The name that CloudEvents have for it.
const DATA_CONTENT_TYPE: &str = "datacontenttype";

/// `resource message`.
#[derive(Debug, Default)]
pub(in crate::plugin) struct Message {
    topic: Option<String>,
    content_type: Option<String>,
    data: Bytes,
    /// `None` until there is any.
    metadata: Option<Vec<(String, String)>>,
    /// Bytes that the guest is charged with; nothing for a message as it came.
    charged: usize,
}

impl Message {
    /// The message to handle, as far as this contract can say it: headers that are no text are left out.
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

    /// What it takes of the limit on output bytes, sent or held.
    fn size(&self) -> usize {
        let pair = |(name, value): &(String, String)| 32 + name.len() + value.len();
        let metadata: usize = self.metadata.iter().flatten().map(pair).sum();
        self.data.len()
            + metadata
            + self.content_type.as_ref().map_or(0, |text| 2 * (32 + CONTENT_TYPE.len() + text.len()))
    }

    /// The output that sending it asks for.
    fn output(self, topic: String) -> Output {
        let mut output = Output { to: topic.into(), payload: Some(self.data), ..Output::default() };
        for (name, value) in self.metadata.into_iter().flatten() {
            if name == KEY {
                output.key = Some(Bytes::from(value));
            } else if let Some(name) = name.strip_prefix(ATTRIBUTE) {
                // Metadata may have a name twice, an output may not.
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

/// Names of metadata that the host gives a meaning to.
fn is_ours(name: &str) -> bool {
    [ID, KEY, POSITION, ATTEMPT, TIMESTAMP].contains(&name) || name.starts_with(ATTRIBUTE)
}

/// A header that metadata can say, unless it would pass for one of the host's.
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

/// None of them says that the message is at fault, so another attempt is made; the route can say otherwise, by the code.
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
