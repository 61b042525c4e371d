//! The message a handler is given.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;

use crate::Failure;

/// One header: a Kafka header or an SQS message attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Names may repeat within a message.
    pub name: String,
    /// The bytes as they are on the broker.
    pub value: Vec<u8>,
}

/// One message. The host keeps the record as it came aside; this is the handler's copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The same at every attempt and every redelivery: the key to recognise a repeat by.
    pub id: String,
    /// Name of the topic or queue.
    pub source: String,
    /// `<partition>/<offset>` on Kafka, the message id on SQS.
    pub position: String,
    /// The Kafka key or the SQS message group.
    pub key: Option<Vec<u8>>,
    /// All headers in the order of the broker's record.
    pub headers: Vec<Header>,
    /// What the envelope says, each name once; empty for the raw envelope.
    pub attributes: Vec<(String, String)>,
    /// What the envelope carries; none is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Milliseconds since 1970 in UTC, by the broker's clock.
    pub timestamp_ms: u64,
    /// 1 for the first attempt.
    pub attempt: u32,
}

impl Message {
    /// The payload as JSON.
    ///
    /// # Errors
    ///
    /// Permanent `VALIDATION_ERROR`: a tombstone, not JSON, or not of the shape of `T`; the text says where.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        // As text, because from_slice does not look at the strings of members that `T` has not.
        serde_json::from_str(self.text()?)
            .map_err(|error| Failure::validation(format!("the payload is not the JSON expected: {error}")))
    }

    /// The payload as text.
    ///
    /// # Errors
    ///
    /// Permanent `VALIDATION_ERROR`: a tombstone, or not UTF-8; the text says where.
    pub fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(self.bytes()?)
            .map_err(|error| Failure::validation(format!("the payload is no text: {error}")))
    }

    /// The payload as bytes.
    ///
    /// # Errors
    ///
    /// Permanent `VALIDATION_ERROR`: a tombstone.
    pub fn bytes(&self) -> Result<&[u8], Failure> {
        self.payload.as_deref().ok_or_else(|| Failure::validation("the message is a tombstone: it has no payload"))
    }

    /// The key as text; none where there is no key or it is not UTF-8.
    pub fn key_text(&self) -> Option<&str> {
        self.key.as_deref().and_then(|key| std::str::from_utf8(key).ok())
    }

    /// The envelope's attribute of that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The envelope's attribute of that name.
    ///
    /// # Errors
    ///
    /// Permanent `VALIDATION_ERROR`: there is none.
    pub fn required_attribute(&self, name: &str) -> Result<&str, Failure> {
        self.attribute(name).ok_or_else(|| Failure::validation(format!("the attribute {name:?} is missing")))
    }

    /// The value of the last header of that name, letter case aside: whoever adds a header again means the new value.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rfind(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value.as_slice())
    }

    /// The broker's timestamp.
    pub fn timestamp(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.timestamp_ms)
    }
}

#[cfg(test)]
mod tests {
    use crate::{FailureKind, test};

    #[test]
    fn a_payload_of_another_shape_is_a_permanent_validation_error_that_says_where() {
        #[derive(Debug, serde::Deserialize)]
        struct Order {
            #[allow(dead_code, reason = "only the shape matters here")]
            total: u64,
        }
        for (payload, expected) in
            [("nonsense", "line 1 column 2"), ("{}", "missing field `total`"), (r#"{"total":"x"}"#, "invalid type")]
        {
            let failure = test::message().payload(payload).build().json::<Order>().unwrap_err();
            assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "VALIDATION_ERROR"));
            assert!(failure.text.contains(expected), "{}", failure.text);
        }
    }

    #[test]
    fn a_tombstone_is_told_from_an_empty_payload() {
        assert_eq!(test::message().payload("").build().text(), Ok(""));
        assert!(test::message().build().text().unwrap_err().text.contains("tombstone"));
    }

    #[test]
    fn the_last_of_repeated_headers_counts_letter_case_aside() {
        let message = test::message().header("trace", "a").header("Trace", "b").build();
        assert_eq!(message.header("trace"), Some(&b"b"[..]));
        assert_eq!(message.header("traces"), None);
        assert_eq!(message.headers.len(), 2);
    }

    #[test]
    fn a_missing_attribute_is_named() {
        let message = test::message().attribute("type", "t").build();
        assert_eq!(message.attribute("type"), Some("t"));
        assert!(message.required_attribute("subject").unwrap_err().text.contains("\"subject\""));
    }
}
