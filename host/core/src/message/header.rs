//! One header: a view into those of a message, or into what somebody has at hand.

use std::fmt;

/// Bytes that a header counts for beside those of its name and its value.
pub(super) const EACH: usize = 32;

/// A Kafka header or an SQS message attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// The name, as bytes: Kafka does not promise that it is text.
    pub name: &'a [u8],
    /// The value; Kafka knows headers without one.
    pub value: Option<&'a [u8]>,
    /// What SQS calls the data type; always [`Kind::Bytes`] on Kafka.
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
    /// One with a label of the user's own, such as `Number.int`, spelled out.
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

    /// Bytes it counts for: name, value, and 32.
    pub fn size(&self) -> usize {
        EACH + self.name.len() + self.value.map_or(0, <[u8]>::len)
    }
}

impl<'a> Kind<'a> {
    /// The word of SQS for it.
    pub fn as_str(self) -> &'a str {
        match self {
            Self::Bytes => "Binary",
            Self::Text => "String",
            Self::Number => "Number",
            Self::Labelled(label) => label,
        }
    }

    /// What SQS means by this word.
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
