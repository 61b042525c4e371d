//! Converts headers to message attributes and back.
//!
//! SQS allows less than Kafka: the name of an attribute has a restricted alphabet and is unique in its message, and the
//! value is never missing or empty. A label of the data type stores what SQS cannot express, so that the header is
//! restored unchanged: `.cofferdam-empty` marks an empty value, `.cofferdam-null` a missing value, and
//! `Binary.cofferdam-text` a text with characters that SQS refuses in a `String`. A name that SQS does not accept is an
//! error.

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use cofferdam_core::message::{Header, Kind};

use super::body::is_allowed;

/// The header for the X-Ray trace header, which SQS stores as a system attribute, not among the attributes of a
/// message.
pub const TRACE: &str = "AWSTraceHeader";

/// The largest number of attributes of a message.
pub const MOST: usize = 10;

const EMPTY: &str = ".cofferdam-empty";
const NULL: &str = ".cofferdam-null";
const BINARY_TEXT: &str = "Binary.cofferdam-text";

/// The reason why a header cannot be a message attribute.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The name is not valid. A valid name has 1 to 256 characters of `A-Z a-z 0-9 _ - .`, has no dot at either end or
    /// twice in a row, and does not begin with `AWS.` or `Amazon.`.
    #[error("invalid message attribute name {0:?}")]
    Name(Box<str>),
    /// The value of a `Number`, or of a type with a label, is not text that SQS accepts.
    #[error("the value of the message attribute `{name}` of type `{data_type}` is not text")]
    Value {
        /// The name of the header.
        name: Box<str>,
        /// The data type.
        data_type: Box<str>,
    },
    /// The base of a labelled data type is not `String`, `Number` or `Binary`.
    #[error("the message attribute `{name}` has the type `{data_type}`, which SQS does not support")]
    Type {
        /// The name of the header.
        name: Box<str>,
        /// The data type.
        data_type: Box<str>,
    },
}

/// Converts a header to an attribute and its name.
///
/// # Errors
/// [`Error`]. The error is permanent for this header.
pub fn encode(header: Header<'_>) -> Result<(String, MessageAttributeValue), Error> {
    let name = name(header)?;
    let data_type = header.kind.as_str();
    let binary = match data_type.split('.').next() {
        Some("Binary") => true,
        Some("String" | "Number") => false,
        _ => return Err(Error::Type { name: name.into(), data_type: data_type.into() }),
    };
    let builder = MessageAttributeValue::builder();
    let builder = match header.value.filter(|value| !value.is_empty()) {
        None => {
            let mark = if header.value.is_some() { EMPTY } else { NULL };
            let builder = builder.data_type(format!("{data_type}{mark}"));
            if binary { builder.binary_value(Blob::new([0])) } else { builder.string_value("0") }
        }
        Some(value) if binary => builder.data_type(data_type).binary_value(Blob::new(value)),
        Some(value) => match std::str::from_utf8(value) {
            Ok(text) if is_allowed(text) => builder.data_type(data_type).string_value(text),
            _ if header.kind == Kind::Text => builder.data_type(BINARY_TEXT).binary_value(Blob::new(value)),
            _ => return Err(Error::Value { name: name.into(), data_type: data_type.into() }),
        },
    };
    Ok((name.to_owned(), builder.build().expect("the data type is set above")))
}

/// Converts an attribute to a header.
pub fn decode<'a>(name: &'a str, attribute: &'a MessageAttributeValue) -> Header<'a> {
    let MessageAttributeValue { string_value, binary_value, data_type, .. } = attribute;
    let value = match (string_value, binary_value) {
        (Some(text), _) => Some(text.as_bytes()),
        (None, Some(blob)) => Some(blob.as_ref()),
        (None, None) => None,
    };
    let name = name.as_bytes();
    if data_type == BINARY_TEXT {
        return Header { name, value, kind: Kind::Text };
    }
    if let Some(kind) = data_type.strip_suffix(EMPTY) {
        return Header { name, value: Some(b""), kind: Kind::of(kind) };
    }
    if let Some(kind) = data_type.strip_suffix(NULL) {
        return Header { name, value: None, kind: Kind::of(kind) };
    }
    Header { name, value, kind: Kind::of(data_type) }
}

/// Returns the bytes by which an attribute adds to the size of its message.
pub fn size(name: &str, attribute: &MessageAttributeValue) -> usize {
    let text = attribute.string_value.as_ref().map_or(0, String::len);
    let bytes = attribute.binary_value.as_ref().map_or(0, |blob| blob.as_ref().len());
    name.len() + attribute.data_type.len() + text + bytes
}

fn name(header: Header<'_>) -> Result<&str, Error> {
    let refused = || Error::Name(String::from_utf8_lossy(header.name).into());
    let name = std::str::from_utf8(header.name).map_err(|_| refused())?;
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let reserved = |prefix: &str| name.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    let dots = name.starts_with('.') || name.ends_with('.') || name.contains("..");
    if (1..=256).contains(&name.len())
        && name.bytes().all(alphabet)
        && !dots
        && !reserved("AWS.")
        && !reserved("Amazon.")
    {
        Ok(name)
    } else {
        Err(refused())
    }
}

#[cfg(test)]
mod tests;
