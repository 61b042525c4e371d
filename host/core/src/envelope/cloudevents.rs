//! CloudEvents 1.0: the JSON format, and the Kafka binding's two content modes. SQS has no binding of its own:
//! message attributes take the place of headers.
//!
//! <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md>

use std::borrow::Cow;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::object::{self, Object};
use super::{Malformed, Wrapped};
use crate::message::{Header, Headers, Message, Record, Unique};

const REQUIRED: [&str; 4] = ["id", "source", "specversion", "type"];
const STRUCTURED: &str = "application/cloudevents";
const BATCH: &str = "application/cloudevents-batch";

/// Attribute names are lower-case letters and digits, by the specification.
pub fn is_attribute_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

pub(super) fn decode(record: &Arc<Record>) -> Result<Message, Malformed> {
    let content_type = record.text_header("content-type").unwrap_or_default();
    if content_type.starts_with(BATCH) {
        return Err(Malformed("the value is a batch of CloudEvents; expected one event in each message".into()));
    }
    if content_type.starts_with(STRUCTURED) {
        return decode_structured(record);
    }
    // Many producers forget the content type; an event in binary mode always has its version in a header.
    if record.text_header("ce_specversion").is_some() {
        return decode_binary(record, content_type);
    }
    if let Some(name) = misspelled(record) {
        return Err(Malformed(format!(
            "the header `{name}` is not a CloudEvents attribute; expected headers that begin with `ce_`"
        )));
    }
    decode_structured(record)
}

/// The event version in a header with another spelling, as over HTTP (`ce-specversion`).
fn misspelled(record: &Record) -> Option<String> {
    let name = |header: Header<'_>| std::str::from_utf8(header.name).ok().map(str::to_owned);
    let is_version = |name: &String| {
        let lower = name.to_ascii_lowercase();
        matches!(lower.strip_prefix("ce"), Some("-specversion" | "_specversion" | ".specversion" | ":specversion"))
    };
    record.headers.iter().filter_map(name).find(is_version)
}

fn decode_structured(record: &Arc<Record>) -> Result<Message, Malformed> {
    let bytes =
        record.payload.as_ref().ok_or_else(|| Malformed("a structured CloudEvent cannot be a tombstone".into()))?;
    let fields =
        Object::read(bytes).map_err(|error| Malformed(format!("the value is not a CloudEvent: it is {error}")))?;
    let mut attributes = Vec::new();
    let mut payload = None;
    for (name, raw) in fields.members() {
        match name {
            // By the JSON format, null is the same as absent.
            _ if raw.get() == "null" => {}
            "id" | "source" if object::no_name(raw).is_some() => {
                let what = object::no_name(raw).unwrap_or_default();
                return Err(Malformed(format!(
                    "the attribute `{name}` of the CloudEvent is {what}; expected a string"
                )));
            }
            "data" => payload = data(bytes, raw, content_is_json(&fields))?,
            "data_base64" => {
                let text: String =
                    serde_json::from_str(raw.get()).map_err(|_| Malformed("`data_base64` is not a string".into()))?;
                let data = STANDARD.decode(text).map_err(|error| Malformed(format!("`data_base64`: {error}")))?;
                payload = Some(Bytes::from(data));
            }
            _ => attributes.extend(attribute_text(name, raw)?.map(|text| (name.into(), text))),
        }
    }
    let is_there = |name| fields.get(name).is_some_and(|raw| raw.get() != "null");
    if is_there("data") && is_there("data_base64") {
        return Err(Malformed("`data` and `data_base64` are both set; expected one of them".into()));
    }
    finish(record, attributes, payload)
}

fn content_is_json(fields: &Object<'_>) -> bool {
    let declared = fields.get("datacontenttype").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    declared.is_none_or(|declared| {
        let kind = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        kind.ends_with("/json") || kind.ends_with("+json")
    })
}

/// Returns JSON data unchanged; data of another type is the content of a JSON string.
fn data(bytes: &Bytes, raw: &RawValue, is_json: bool) -> Result<Option<Bytes>, Malformed> {
    let text = raw.get();
    if is_json || !text.starts_with('"') {
        return Ok(Some(bytes.slice_ref(text.as_bytes())));
    }
    let content: String = serde_json::from_str(text).map_err(|error| Malformed(format!("`data`: {error}")))?;
    Ok(Some(Bytes::from(content)))
}

/// The text of an attribute. Arrays and objects violate the specification but are common; they are passed on as JSON.
fn attribute_text(name: &str, raw: &RawValue) -> Result<Option<Box<str>>, Malformed> {
    object::text(raw).map_err(|error| Malformed(format!("`{name}`: {error}")))
}

fn decode_binary(record: &Arc<Record>, content_type: &str) -> Result<Message, Malformed> {
    let mut attributes: Vec<(Box<str>, Box<str>)> = Vec::with_capacity(record.headers.len());
    for header in record.headers.iter() {
        let Ok(name) = std::str::from_utf8(header.name) else { continue };
        // The prefix is accepted in any letter case, like that of the version. Attribute names themselves are lower-case.
        let Some(name) = name.get(..3).filter(|head| head.eq_ignore_ascii_case("ce_")).map(|_| &name[3..]) else {
            continue;
        };
        let name = if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::from(name.to_ascii_lowercase())
        } else {
            Cow::from(name)
        };
        attributes.retain(|(other, _)| **other != *name);
        // A header without a value counts as absent.
        let Some(value) = header.value else { continue };
        let Ok(value) = std::str::from_utf8(value) else {
            return Err(Malformed(format!("header `ce_{name}` is not text")));
        };
        attributes.push((name.as_ref().into(), value.into()));
    }
    if !content_type.is_empty() {
        attributes.push(("datacontenttype".into(), content_type.into()));
    }
    finish(record, attributes, record.payload.clone())
}

fn finish(
    record: &Arc<Record>,
    attributes: Vec<(Box<str>, Box<str>)>,
    payload: Option<Bytes>,
) -> Result<Message, Malformed> {
    let value = |name: &str| attributes.iter().find(|(key, _)| &**key == name).map(|(_, value)| value);
    for name in REQUIRED {
        if value(name).is_none_or(|value| value.is_empty()) {
            return Err(Malformed(format!("missing required CloudEvents attribute `{name}`")));
        }
    }
    if value("specversion").is_some_and(|version| &**version != "1.0") {
        return Err(Malformed("unsupported CloudEvents specversion; expected 1.0".into()));
    }
    let id = value("id").map_or_else(Arc::default, |id| Arc::from(&**id));
    Ok(Message { id, unique: Unique::Attribute, record: Arc::clone(record), attributes, payload })
}

/// An event to write.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) attributes: Vec<(&'a str, &'a str)>,
    pub(crate) headers: Headers,
    pub(crate) payload: Option<Bytes>,
}

/// Binary mode: attributes in headers, data in the value.
pub(crate) fn binary(event: Event<'_>) -> Wrapped {
    let mut headers = event.headers;
    for (name, value) in event.attributes {
        if name == "datacontenttype" {
            headers.push(Header::text("content-type", value));
        } else {
            headers.push(Header::text(&format!("ce_{name}"), value));
        }
    }
    Wrapped { headers, payload: event.payload }
}

/// Structured mode: one JSON object in the value. JSON data is included unchanged.
pub(crate) fn structured(event: Event<'_>) -> Wrapped {
    let attributes: Map<String, Value> =
        event.attributes.iter().map(|(name, value)| ((*name).to_owned(), Value::String((*value).to_owned()))).collect();
    let mut text = Value::Object(attributes).to_string();
    if let Some(payload) = &event.payload {
        text.truncate(text.len() - 1);
        match serde_json::from_slice::<&RawValue>(payload) {
            Ok(json) => text.push_str(&format!(r#","data":{}}}"#, json.get())),
            Err(_) => text.push_str(&format!(r#","data_base64":"{}"}}"#, STANDARD.encode(payload))),
        }
    }
    let mut headers = event.headers;
    headers.push(Header::text("content-type", "application/cloudevents+json"));
    Wrapped { headers, payload: Some(Bytes::from(text)) }
}
