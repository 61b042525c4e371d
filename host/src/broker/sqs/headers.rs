//! Converts all headers of a message to attributes and back.
//!
//! SQS accepts ten attributes with unique names of a restricted alphabet; Kafka accepts any headers. Headers that do
//! not fit are stored together in one attribute [`FOLDED`], so that every message can be sent. Its value is a JSON list
//! with `[name, value, type]` for each header: `null` is a missing value, and a fourth element `"base64"` marks a value
//! that is not text. A name that is not text is `{"base64": ...}`.

use std::collections::HashMap;

use aws_sdk_sqs::types::MessageAttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam_core::message::{Header, Headers, Kind};
use serde_json::{Value, json};

use super::attribute;
use super::body::{ENCODING, is_allowed};

/// The attribute that holds the headers which cannot be attributes, and those beyond the limit of ten attributes.
pub const FOLDED: &str = "cofferdam-headers";

/// Prefix of the headers of the host. They are folded last, so that they stay visible.
const OWN: &str = "cofferdam-";

/// Returns at most ten attributes for these headers and for the [`ENCODING`] of the body. A header with the name of
/// that attribute is folded, because the attribute belongs to the writer of the body.
pub fn encode<'a>(
    headers: impl Iterator<Item = Header<'a>>,
    encoding: Option<&'a str>,
) -> Vec<(String, MessageAttributeValue)> {
    let foreign = |header: Header<'a>| header.name == FOLDED.as_bytes() || header.name == ENCODING.as_bytes();
    let own = encoding.map(|encoding| Header::text(ENCODING, encoding));
    let headers: Vec<(Header<'_>, bool)> =
        headers.map(|header| (header, foreign(header))).chain(own.map(|own| (own, false))).collect();
    let mut attributes: Vec<(usize, String, MessageAttributeValue)> = Vec::with_capacity(headers.len());
    let mut folded: Vec<usize> = Vec::new();
    for (place, (header, is_foreign)) in headers.iter().copied().enumerate() {
        match attribute::encode(header) {
            Ok((name, value)) if attributes.iter().all(|(_, other, _)| *other != name) && !is_foreign => {
                attributes.push((place, name, value));
            }
            _ => folded.push(place),
        }
    }
    let mut room = attribute::MOST - usize::from(!folded.is_empty());
    if attributes.len() > room {
        room = attribute::MOST - 1;
        attributes.sort_by_key(|(place, name, _)| (!name.starts_with(OWN), *place));
        folded.extend(attributes.drain(room..).map(|(place, ..)| place));
    }
    let mut encoded: Vec<_> = attributes.into_iter().map(|(_, name, value)| (name, value)).collect();
    if !folded.is_empty() {
        folded.sort_unstable();
        let list: Value = folded.into_iter().map(|place| fold(headers[place].0)).collect();
        let list = list.to_string();
        encoded.push(attribute::encode(Header::text(FOLDED, &list)).expect("a text under a good name is an attribute"));
    }
    encoded
}

/// Returns the headers of these attributes, sorted by name, because attributes have no order and a message should look
/// the same at every receipt. Headers with the same name keep their order.
pub fn decode(attributes: &HashMap<String, MessageAttributeValue>) -> Headers {
    let (mut headers, mut folded) = (Headers::default(), Headers::default());
    for (name, value) in attributes {
        let header = attribute::decode(name, value);
        match Some(header).filter(|header| header.name == FOLDED.as_bytes()).and_then(unfold) {
            Some(list) => folded = list,
            None => headers.push(header),
        }
    }
    // Of several headers with one name the first became an attribute, so the folded ones come after it.
    headers.extend(folded.iter());
    headers.sort_by_name();
    headers
}

fn fold(header: Header<'_>) -> Value {
    let name = match std::str::from_utf8(header.name) {
        Ok(name) => json!(name),
        Err(_) => json!({ "base64": BASE64.encode(header.name) }),
    };
    let kind = header.kind.as_str();
    let Some(value) = header.value else { return json!([name, null, kind]) };
    match std::str::from_utf8(value) {
        Ok(text) if is_allowed(text) => json!([name, text, kind]),
        _ => json!([name, BASE64.encode(value), kind, "base64"]),
    }
}

/// Returns the headers of a folded attribute; `None` if the attribute has another format.
fn unfold(folded: Header<'_>) -> Option<Headers> {
    let list: Vec<Value> = serde_json::from_slice(folded.value?).ok()?;
    let mut headers = Headers::default();
    list.iter().try_for_each(|item| unfold_one(item, &mut headers))?;
    Some(headers)
}

fn unfold_one(item: &Value, headers: &mut Headers) -> Option<()> {
    let (name, value, kind, coded) = match item.as_array()?.as_slice() {
        [name, value, kind] => (name, value, kind, false),
        [name, value, kind, coded] if coded == "base64" => (name, value, kind, true),
        _ => return None,
    };
    let value = match value {
        Value::Null => None,
        Value::String(text) if coded => Some(BASE64.decode(text).ok()?),
        Value::String(text) => Some(text.clone().into_bytes()),
        _ => return None,
    };
    let name = match name.as_str() {
        Some(name) => name.as_bytes().to_vec(),
        None => BASE64.decode(name.get("base64")?.as_str()?).ok()?,
    };
    headers.push(Header { name: &name, value: value.as_deref(), kind: Kind::of(kind.as_str()?) });
    Some(())
}

#[cfg(test)]
mod tests;
