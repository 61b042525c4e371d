//! Payloads as message bodies. SQS takes text of a certain alphabet, never none at all; payloads are bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

/// The message attribute that says how a body is to be read; bodies that are what they seem have none.
pub const ENCODING: &str = "cofferdam-encoding";

/// A body of one space, which stands for what [`ENCODING`] says.
const NOTHING: &str = " ";

/// How a body stands for a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The body is the payload.
    Plain,
    /// The payload is bytes, or text with characters that SQS refuses: the body is its base64 form.
    Base64,
    /// The payload is empty; the body is one space.
    Empty,
    /// There is no payload, not even an empty one; the body is one space.
    Tombstone,
}

impl Encoding {
    /// The value of the attribute [`ENCODING`], where it is needed.
    pub const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Base64 => Some("base64"),
            Self::Empty => Some("empty"),
            Self::Tombstone => Some("tombstone"),
        }
    }

    /// How this payload has to be written.
    pub fn of(payload: Option<&Bytes>) -> Self {
        match payload {
            None => Self::Tombstone,
            Some(bytes) if bytes.is_empty() => Self::Empty,
            Some(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) if is_allowed(text) => Self::Plain,
                _ => Self::Base64,
            },
        }
    }
}

/// The body for a payload, and how it is to be read.
pub fn encode(payload: Option<&Bytes>) -> (String, Encoding) {
    let encoding = Encoding::of(payload);
    let body = match (encoding, payload) {
        (Encoding::Plain, Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        (Encoding::Base64, Some(bytes)) => BASE64.encode(bytes),
        _ => NOTHING.to_owned(),
    };
    (body, encoding)
}

/// The payload of a body whose attribute [`ENCODING`] says this; `None` where it says something that cannot be,
/// and the body has to be taken as it is.
pub fn decode(body: &str, encoding: &str) -> Option<Option<Bytes>> {
    match encoding {
        "base64" => BASE64.decode(body).ok().map(|bytes| Some(Bytes::from(bytes))),
        "empty" => Some(Some(Bytes::new())),
        "tombstone" => Some(None),
        _ => None,
    }
}

/// Whether SQS takes this text: the characters of XML 1.0.
pub fn is_allowed(text: &str) -> bool {
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_payload_comes_back() {
        let payloads: [(Option<&[u8]>, Encoding); 8] = [
            (Some(b"{\"a\": 1}\r\n\t"), Encoding::Plain),
            (Some("é\u{10000}\u{FFFD}".as_bytes()), Encoding::Plain),
            (Some(b" "), Encoding::Plain),
            (Some(b"\x00"), Encoding::Base64),
            (Some(b"\xff\xfe"), Encoding::Base64),
            (Some("\u{FFFE}".as_bytes()), Encoding::Base64),
            (Some(b""), Encoding::Empty),
            (None, Encoding::Tombstone),
        ];
        for (payload, expected) in payloads {
            let payload = payload.map(Bytes::copy_from_slice);
            let (body, encoding) = encode(payload.as_ref());
            assert_eq!(encoding, expected, "{payload:?}");
            assert!(!body.is_empty() && is_allowed(&body));
            let back = match encoding.attribute() {
                None => Some(Bytes::from(body)),
                Some(attribute) => decode(&body, attribute).unwrap(),
            };
            assert_eq!(back, payload);
        }
    }

    #[test]
    fn a_body_that_is_not_what_it_claims_stays_as_it_is() {
        assert_eq!(decode("not base64!", "base64"), None);
        assert_eq!(decode("x", "gzip"), None);
    }
}
