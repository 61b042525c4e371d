//! One header: a view into the headers of a message, or into other data.

use std::fmt;

/// Size of a header for limits, besides name and value, in bytes.
pub(super) const EACH: usize = 32;

/// A Kafka header or an SQS message attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, as bytes: Kafka does not promise that it is text.
    pub name: &'a [u8],
    /// The value; on Kafka it can be absent.
    pub value: Option<&'a [u8]>,
    /// The data type on SQS; always [`Kind::Bytes`] on Kafka.
    pub kind: Kind<'a>,
}

/// The data type of an SQS message attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kind<'a> {
    /// `Binary`, and every Kafka header.
    #[default]
    Bytes,
    /// `String`.
    Text,
    /// `Number`.
    Number,
    /// A type with a custom label, such as `Number.int`, in full.
    Labelled(&'a str),
}

impl<'a> Header<'a> {
    /// A header whose value is text: on Kafka its bytes, on SQS a `String` attribute.
    pub fn text(name: &'a str, value: &'a str) -> Self {
        Self { name: name.as_bytes(), value: Some(value.as_bytes()), kind: Kind::Text }
    }

    /// A header of bytes: on SQS a `Binary` attribute.
    pub fn bytes(name: &'a str, value: &'a [u8]) -> Self {
        Self { name: name.as_bytes(), value: Some(value), kind: Kind::Bytes }
    }

    /// Size for limits, in bytes: name, value, and 32.
    pub fn size(&self) -> usize {
        EACH + self.name.len() + self.value.map_or(0, <[u8]>::len)
    }
}

impl<'a> Kind<'a> {
    /// The name of the type on SQS.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Bytes => "Binary",
            Self::Text => "String",
            Self::Number => "Number",
            Self::Labelled(label) => label,
        }
    }

    /// The type for a name on SQS.
    pub fn of(data_type: &'a str) -> Self {
        match data_type {
            "Binary" => Self::Bytes,
            "String" => Self::Text,
            "Number" => Self::Number,
            other => Self::Labelled(other),
        }
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name.escape_ascii(), self.kind.as_str())?;
        self.value.map_or(Ok(()), |value| write!(f, ": {}", value.escape_ascii()))
    }
}
