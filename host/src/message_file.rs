//! Messages as JSON: for `invoke`, and for the input of `dev`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cofferdam_core::message::{Header, Headers, Kind};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A message as a person writes it. All fields are optional.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MessageFile {
    /// The message's id.
    pub id: Option<String>,
    /// The topic or queue that it comes from.
    pub source: Option<String>,
    /// The key.
    pub key: Option<Bytes>,
    /// Headers, in order.
    pub headers: Headers,
    /// Attributes of the envelope.
    pub attributes: Vec<(Box<str>, Box<str>)>,
    /// The payload; `None` is a tombstone.
    pub payload: Option<Bytes>,
    /// Milliseconds since the Unix epoch.
    pub timestamp_ms: Option<u64>,
    /// Number of the attempt, from 1.
    pub attempt: Option<u32>,
}

/// Why a text is not a message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Invalid JSON, or a key or type that a message does not have.
    #[error("{}", plain(.0))]
    Json(#[from] serde_json::Error),
    /// A field has an invalid value.
    #[error("`{key}`: {what}")]
    Value {
        /// The field.
        key: &'static str,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// Returns the location: `name`, with line and column if they are known. `line` is the line of the file in which
    /// the text begins.
    pub fn place(&self, name: &str, line: usize) -> String {
        match self {
            Self::Json(error) => format!("{name}:{}:{}", line + error.line().saturating_sub(1), error.column()),
            Self::Value { .. } if line > 1 => format!("{name}:{line}"),
            Self::Value { .. } => name.to_owned(),
        }
    }
}

/// Returns the text without the byte order mark that some editors write.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Returns the text without the location that `serde_json` appends; see [`Error::place`].
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    id: Option<String>,
    source: Option<String>,
    key: Option<String>,
    key_base64: Option<String>,
    #[serde(default)]
    headers: Vec<Vec<Option<String>>>,
    #[serde(default)]
    attributes: Map<String, Value>,
    payload: Option<Value>,
    payload_base64: Option<String>,
    timestamp_ms: Option<u64>,
    attempt: Option<u32>,
}

impl MessageFile {
    /// Parses one message.
    ///
    /// # Errors
    /// If the text is not a JSON object of this form, or a value is invalid.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let written: Written = serde_json::from_str(without_mark(text))?;
        let payload = match (written.payload, written.payload_base64) {
            (Some(_), Some(_)) => return Err(both("payload_base64", "payload")),
            (None | Some(Value::Null), None) => None,
            (Some(Value::String(text)), None) => Some(Bytes::from(text)),
            // Without whitespace, in the given order.
            (Some(value), None) => Some(Bytes::from(value.to_string())),
            (None, Some(coded)) => Some(decode("payload_base64", &coded)?),
        };
        let key = match (written.key, written.key_base64) {
            (Some(_), Some(_)) => return Err(both("key_base64", "key")),
            (key, None) => key.map(Bytes::from),
            (None, Some(coded)) => Some(decode("key_base64", &coded)?),
        };
        if written.attempt == Some(0) {
            return Err(Error::Value { key: "attempt", what: "expected 1 or more".into() });
        }
        let mut headers = Headers::default();
        written.headers.iter().try_for_each(|parts| add_header(parts, &mut headers))?;
        Ok(Self {
            id: written.id,
            source: written.source,
            key,
            headers,
            attributes: written.attributes.into_iter().filter_map(attribute).collect(),
            payload,
            timestamp_ms: written.timestamp_ms,
            attempt: written.attempt,
        })
    }
}

fn both(key: &'static str, other: &str) -> Error {
    Error::Value { key, what: format!("cannot be combined with `{other}`; set one of them") }
}

fn decode(key: &'static str, coded: &str) -> Result<Bytes, Error> {
    let decoded =
        STANDARD.decode(coded).map_err(|error| Error::Value { key, what: format!("invalid base64: {error}") })?;
    Ok(Bytes::from(decoded))
}

fn add_header(parts: &[Option<String>], headers: &mut Headers) -> Result<(), Error> {
    let shape = || Error::Value {
        key: "headers",
        what: r#"expected each header as ["name", "value"], ["name", null] or ["name", "...", "base64"]"#.into(),
    };
    match parts {
        [Some(name), Some(text)] => headers.push(Header::text(name, text)),
        [Some(name), None] => headers.push(Header { name: name.as_bytes(), value: None, kind: Kind::Bytes }),
        [Some(name), Some(coded), Some(coding)] if coding == "base64" => {
            headers.push(Header::bytes(name, &decode("headers", coded)?));
        }
        _ => return Err(shape()),
    }
    Ok(())
}

/// As in envelopes: null means absent.
fn attribute((name, value): (String, Value)) -> Option<(Box<str>, Box<str>)> {
    let value = match value {
        Value::Null => return None,
        Value::String(text) => text,
        other => other.to_string(),
    };
    Some((name.into(), value.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_text_json_bytes_or_nothing() {
        let payload = |text: &str| MessageFile::parse(text).expect(text).payload;
        assert_eq!(payload(r#"{"payload": "plain"}"#).as_deref(), Some(&b"plain"[..]));
        assert_eq!(payload(r#"{"payload": {"b": 1, "a": [true]}}"#).as_deref(), Some(&br#"{"b":1,"a":[true]}"#[..]));
        assert_eq!(payload(r#"{"payload_base64": "/w=="}"#).as_deref(), Some(&b"\xff"[..]));
        assert_eq!(payload(r#"{"payload": null}"#), None);
        assert_eq!(payload("{}"), None);
    }

    #[test]
    fn headers_repeat_and_may_be_bytes_or_null() {
        let text = r#"{"headers": [["a", "1"], ["a", "/w==", "base64"], ["n", null]]}"#;
        let headers = MessageFile::parse(text).expect("headers").headers;
        let none = Header { name: b"n", value: None, kind: Kind::Bytes };
        assert_eq!(headers, [Header::text("a", "1"), Header::bytes("a", b"\xff"), none].into());
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let error = |text: &str| {
            let error = MessageFile::parse(text).expect_err(text);
            format!("{}: {error}", error.place("m.jsonl", 3))
        };
        assert_eq!(
            error("{\n  \"paylod\": 1}").split(", expected").next(),
            Some("m.jsonl:4:10: unknown field `paylod`")
        );
        assert_eq!(
            error(r#"{"payload": 1, "payload_base64": ""}"#),
            "m.jsonl:3: `payload_base64`: cannot be combined with `payload`; set one of them"
        );
        assert!(error(r#"{"headers": [["only"]]}"#).starts_with("m.jsonl:3: `headers`: expected each header as"));
        assert_eq!(error(r#"{"attempt": 0}"#), "m.jsonl:3: `attempt`: expected 1 or more");
    }

    #[test]
    fn a_byte_order_mark_is_passed_over() {
        let marked = MessageFile::parse("\u{feff}{\"payload\": \"\u{feff}1\"}").expect("a message");
        assert_eq!(
            marked.payload.as_deref(),
            Some("\u{feff}1".as_bytes()),
            "that of the file, not that of the payload"
        );
    }
}
