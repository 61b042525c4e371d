//! Converts a message for a guest: it borrows from the record, and is copied once, into the guest.

use std::sync::OnceLock;
use std::time::SystemTime;

use cofferdam_core::message::{Header, Message, Position};
use smallvec::SmallVec;
use wasmtime::component::{ComponentType, Lower};

/// `record message` of the contract.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(in crate::plugin) struct MessageParameter<'a> {
    id: &'a str,
    source: &'a str,
    position: &'a str,
    key: Option<&'a [u8]>,
    headers: &'a [HeaderParameter<'a>],
    attributes: &'a [(&'a str, &'a str)],
    payload: Option<&'a [u8]>,
    #[component(name = "timestamp-ms")]
    timestamp_ms: u64,
    attempt: u32,
}

/// `record header` of the contract.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(in crate::plugin) struct HeaderParameter<'a> {
    name: &'a str,
    value: &'a [u8],
}

/// Data that [`MessageParameter`] borrows in addition to the message. With at most eight headers and eight attributes, and
/// names that are text, it needs no heap allocation.
pub(in crate::plugin) struct Borrowed<'a> {
    message: &'a Message,
    position: PositionText,
    /// The names of all headers, if one of them is not text. Kafka allows any bytes, the contract does not. Invalid bytes
    /// are replaced here; the record keeps them.
    names: OnceLock<Vec<String>>,
    attributes: SmallVec<[(&'a str, &'a str); 8]>,
}

impl<'a> Borrowed<'a> {
    pub(in crate::plugin) fn new(message: &'a Message) -> Self {
        let attributes = message.attributes.iter().map(|(name, value)| (&**name, &**value)).collect();
        Self { message, position: PositionText::new(&message.record.position), names: OnceLock::new(), attributes }
    }

    /// The headers, to pass to [`Borrowed::parameter`].
    pub(in crate::plugin) fn headers(&self) -> SmallVec<[HeaderParameter<'_>; 8]> {
        let headers = &self.message.record.headers;
        let all = || headers.iter().map(|header| String::from_utf8_lossy(header.name).into_owned()).collect();
        let parameter = |(place, header): (usize, Header<'a>)| HeaderParameter {
            name: std::str::from_utf8(header.name).unwrap_or_else(|_| &self.names.get_or_init(all)[place]),
            value: header.value.unwrap_or_default(),
        };
        headers.iter().enumerate().map(parameter).collect()
    }

    /// The message as a parameter of the contract.
    pub(in crate::plugin) fn parameter<'b>(
        &'b self,
        headers: &'b [HeaderParameter<'b>],
        attempt: u32,
    ) -> MessageParameter<'b> {
        let record = &*self.message.record;
        MessageParameter {
            id: &self.message.id,
            source: &record.source,
            position: self.position.of(&record.position),
            key: record.key.as_deref(),
            headers,
            attributes: &self.attributes,
            payload: self.message.payload.as_deref(),
            timestamp_ms: record.timestamp_ms.unwrap_or_else(now_ms),
            attempt,
        }
    }
}

/// `<partition>/<offset>`, without a heap allocation.
struct PositionText {
    /// Two signed decimal numbers of 32 and 64 bits, and a slash.
    bytes: [u8; 11 + 1 + 20],
    length: u8,
}

impl PositionText {
    fn new(position: &Position) -> Self {
        let mut text = Self { bytes: [0; 32], length: 0 };
        if let Position::Offset { partition, offset } = position {
            text.push(itoa::Buffer::new().format(*partition));
            text.push("/");
            text.push(itoa::Buffer::new().format(*offset));
        }
        text
    }

    fn push(&mut self, piece: &str) {
        let start = usize::from(self.length);
        let end = start + piece.len();
        self.bytes[start..end].copy_from_slice(piece.as_bytes());
        self.length = u8::try_from(end).expect("at most 32 bytes, as the array");
    }

    fn of<'a>(&'a self, position: &'a Position) -> &'a str {
        match position {
            Position::Offset { .. } => {
                std::str::from_utf8(&self.bytes[..usize::from(self.length)]).expect("digits, signs and a slash")
            }
            Position::MessageId(id) => id,
        }
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
