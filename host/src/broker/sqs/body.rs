//! Converts payloads to message bodies and back. A payload is any bytes; a body is non-empty text with a restricted
//! alphabet.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;

/// The message attribute with the encoding of the body. A plain body has none.
pub const ENCODING: &str = "cofferdam-encoding";

/// The body of a message without a payload or with an empty one: one space. [`ENCODING`] tells which.
const NOTHING: &str = " ";

/// The encoding of a payload as a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// The body is the payload.
    Plain,
    /// The payload is not text, or has characters that SQS refuses; the body is its base64 form.
    Base64,
    /// The payload is empty; the body is one space.
    Empty,
    /// There is no payload (a tombstone); the body is one space.
    Tombstone,
}

impl Encoding {
    /// The value of the attribute [`ENCODING`]; `None` for a plain body.
    pub const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Base64 => Some("base64"),
            Self::Empty => Some("empty"),
            Self::Tombstone => Some("tombstone"),
        }
    }

    /// Chooses the encoding for a payload.
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

/// Returns the body for a payload, and its encoding.
pub fn encode(payload: Option<&Bytes>) -> (String, Encoding) {
    let encoding = Encoding::of(payload);
    let body = match (encoding, payload) {
        (Encoding::Plain, Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
        (Encoding::Base64, Some(bytes)) => BASE64.encode(bytes),
        _ => NOTHING.to_owned(),
    };
    (body, encoding)
}

/// Returns the payload of a body whose attribute [`ENCODING`] has this value. Returns `None` if the two do not fit
/// together; the caller then takes the body as it is.
pub fn decode(body: &str, encoding: &str) -> Option<Option<Bytes>> {
    match encoding {
        "base64" => BASE64.decode(body).ok().map(|bytes| Some(Bytes::from(bytes))),
        "empty" => Some(Some(Bytes::new())),
        "tombstone" => Some(None),
        _ => None,
    }
}

/// Returns whether SQS accepts this text: all its characters are characters of XML 1.0.
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
