//! Parts of an original that have no place of their own in the layout of its dead letter; they travel among the reasons.
//!
//! A queue has no keys, and its attributes no order; a topic has headers without types. Without these a dead letter of
//! another layout would not be the original byte for byte.
//!
//! | reason | where | what |
//! |---|---|---|
//! | `key` or `key-base64` | SQS | the key, where it is not the message's group; null where there is none |
//! | `header-order` | SQS | the places that the headers, sorted by name, had, where that is another order |
//! | `header-types` | Kafka, of a message from SQS | the data type of each attribute |

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::message::{Header, Headers, Kind, Record};
use crate::output::{Layout, Publication};

const KEY: &str = "key";
const KEY_BASE64: &str = "key-base64";
const ORDER: &str = "header-order";
const TYPES: &str = "header-types";

/// Adds to the reasons what `letter`, which is the original alone, does not keep of `record`, which came in the layout `from`.
pub(super) fn put(record: &Record, from: Layout, letter: &Publication, reasons: &mut Map<String, Value>) {
    match (letter.destination.layout(), from) {
        (Layout::Attributes, _) => {
            put_key(record.key.as_ref(), letter.group.as_deref(), reasons);
            let order = sorted(&letter.headers);
            if !order.is_sorted() {
                reasons.insert(ORDER.to_owned(), json!(order));
            }
        }
        (Layout::Record, Layout::Attributes) if !record.headers.is_empty() => {
            let types = record.headers.iter().map(|header| header.kind.as_str());
            reasons.insert(TYPES.to_owned(), types.collect());
        }
        (Layout::Record, _) => {}
    }
}

fn put_key(key: Option<&Bytes>, group: Option<&str>, reasons: &mut Map<String, Value>) {
    if key.map(|key| &key[..]) == group.map(str::as_bytes) {
        return;
    }
    match key.map(|key| (key, std::str::from_utf8(key))) {
        None => reasons.insert(KEY.to_owned(), Value::Null),
        Some((_, Ok(text))) => reasons.insert(KEY.to_owned(), text.into()),
        Some((key, Err(_))) => reasons.insert(KEY_BASE64.to_owned(), STANDARD.encode(key).into()),
    };
}

/// The key of the original, of a letter whose group is `group`.
pub(super) fn key(reasons: &Map<String, Value>, group: Option<&Bytes>) -> Option<Bytes> {
    let coded = reasons.get(KEY_BASE64).and_then(|coded| STANDARD.decode(coded.as_str()?).ok());
    match (coded, reasons.get(KEY)) {
        (Some(bytes), _) => Some(bytes.into()),
        (None, Some(key)) => key.as_str().map(|text| Bytes::from(text.to_owned())),
        (None, None) => group.cloned(),
    }
}

/// Puts the headers of the original, as they came from the broker, back to how they were.
pub(super) fn restore(headers: &mut Headers, reasons: &Map<String, Value>) {
    if let Some(types) = list(reasons, TYPES).filter(|types| types.len() == headers.len()) {
        let kinds = types.iter().map(|kind| Kind::of(kind.as_str().unwrap_or_default()));
        *headers = headers.iter().zip(kinds).map(|(header, kind)| Header { kind, ..header }).collect();
    }
    let Some(order) = list(reasons, ORDER).filter(|order| order.len() == headers.len()) else { return };
    // A queue gives the trace header last, whatever its name.
    headers.sort_by_name();
    let places = order.iter().filter_map(|place| usize::try_from(place.as_u64()?).ok());
    let mut placed: Vec<(usize, Header<'_>)> = places.zip(headers.iter()).collect();
    placed.sort_unstable_by_key(|(place, _)| *place);
    if placed.iter().map(|(place, _)| *place).eq(0..headers.len()) {
        *headers = placed.into_iter().map(|(_, header)| header).collect();
    }
}

/// On Kafka it is a text that holds JSON.
fn list(reasons: &Map<String, Value>, name: &str) -> Option<Vec<Value>> {
    match reasons.get(name)? {
        Value::Array(list) => Some(list.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// The places of the headers in the order of their names, as a queue gives them back.
fn sorted(headers: &Headers) -> Vec<usize> {
    let names: Vec<&[u8]> = headers.iter().map(|header| header.name).collect();
    let mut places: Vec<usize> = (0..names.len()).collect();
    places.sort_by_key(|place| names[*place]);
    places
}
