//! Headers as message attributes, and back.
//!
//! SQS is narrower than Kafka: an attribute has a name of a certain alphabet that stands once, and a value that is
//! never missing and never empty. What can be told by the data type's label is told there, so that it comes back as
//! it was: `.cofferdam-empty` marks an empty value, `.cofferdam-null` none at all, and `Binary.cofferdam-text` is
//! text with characters that SQS refuses in a `String`. A name that SQS does not take is an error.

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use cofferdam_core::message::{Header, Kind};

use super::body::is_allowed;

/// The header that stands for the X-Ray trace header, which SQS keeps beside the attributes of a message.
pub const TRACE: &str = "AWSTraceHeader";

/// Most attributes of a message.
pub const MOST: usize = 10;

const EMPTY: &str = ".cofferdam-empty";
const NULL: &str = ".cofferdam-null";
const BINARY_TEXT: &str = "Binary.cofferdam-text";

/// Why a header cannot be a message attribute.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 1 to 256 of `A-Z a-z 0-9 _ - .`, no dot at the ends or twice in a row, not `AWS.` or `Amazon.` in front.
    #[error("invalid message attribute name {0:?}")]
    Name(Box<str>),
    /// A `Number`, or a type with a label, whose value is not text that SQS takes.
    #[error("the value of the message attribute `{name}` of type `{data_type}` is not text")]
    Value {
        /// Its name.
        name: Box<str>,
        /// Its data type.
        data_type: Box<str>,
    },
    /// A label on something other than `String`, `Number` and `Binary`.
    #[error("the message attribute `{name}` has the type `{data_type}`, which SQS does not support")]
    Type {
        /// Its name.
        name: Box<str>,
        /// Its data type.
        data_type: Box<str>,
    },
}

/// The attribute for a header, under its name.
///
/// # Errors
/// [`Error`]; the same header will never do.
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

/// The header for an attribute.
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

/// Bytes that an attribute counts for in the size of its message.
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
