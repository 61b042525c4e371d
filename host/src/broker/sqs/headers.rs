//! All headers of a message as its attributes, and back.
//!
//! SQS takes ten attributes, each name once, and only names of its alphabet; Kafka takes anything. What does not go
//! as an attribute of its own goes, with others of its kind, into one attribute [`FOLDED`], so that no message is too
//! odd to be sent: a JSON list with `[name, value, type]` for each header, `null` where it has no value, and a fourth
//! element `"base64"` where its value is no text. A name that is no text is `{"base64": ...}`.

use std::collections::HashMap;

use aws_sdk_sqs::types::MessageAttributeValue;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use cofferdam_core::message::{Header, Headers, Kind};
use serde_json::{Value, json};

use super::attribute;
use super::body::{ENCODING, is_allowed};

/// The attribute that holds the headers which cannot be attributes, and those beyond the tenth attribute.
pub const FOLDED: &str = "cofferdam-headers";

/// Headers of the host itself: they stay visible, so they are the last to be folded.
const OWN: &str = "cofferdam-";

/// The attributes for these headers, and for what [`ENCODING`] says of the body: at most ten. A header that is called so
/// is folded: the attribute is from whoever has written the body.
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

/// The headers of these attributes, sorted by name: attributes come without order, and a message should look the same
/// at every receipt. Headers of one name keep their order.
pub fn decode(attributes: &HashMap<String, MessageAttributeValue>) -> Headers {
    let (mut headers, mut folded) = (Headers::default(), Headers::default());
    for (name, value) in attributes {
        let header = attribute::decode(name, value);
        match Some(header).filter(|header| header.name == FOLDED.as_bytes()).and_then(unfold) {
            Some(list) => folded = list,
            None => headers.push(header),
        }
    }
    // Of headers of one name the first went as an attribute, so the folded ones come after it.
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

/// The headers of a folded attribute; `None` where it is something else under the same name.
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
