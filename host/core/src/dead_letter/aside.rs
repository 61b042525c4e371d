//! Parts of an original that have no place of their own in the layout of its dead letter; they travel among the reasons.
//!
//! A queue has no keys, and its attributes no order; a topic has headers without types. Without these a dead letter of
//! another layout would not be the original byte for byte.
//!
//! | reason | where | what |
//! |---|---|---|
//! | `key` | SQS | the key, if it is not the message's group |
//! | `header_order` | SQS | the places that the headers, sorted by name, had, where that is another order |
//! | `header_types` | Kafka, of a message from SQS | the data type of each attribute |

use super::reasons::{OriginalKey, Reasons};
use crate::message::{Header, Headers, Kind, Record};
use crate::output::{Layout, Publication};

/// Adds to the reasons what `letter`, which is the original alone, does not keep of `record`, which came in the layout `from`.
pub(super) fn put(record: &Record, from: Layout, letter: &Publication, reasons: &mut Reasons) {
    match (letter.destination.layout(), from) {
        (Layout::Attributes, _) => {
            let is_group = record.key.as_deref() == letter.group.as_deref().map(str::as_bytes);
            let key = record.key.clone().map_or(OriginalKey::Missing, OriginalKey::Bytes);
            reasons.key = (!is_group).then_some(key);
            let order = sorted(&letter.headers);
            reasons.header_order = (!order.is_sorted()).then_some(order);
        }
        (Layout::Record, Layout::Attributes) if !record.headers.is_empty() => {
            let types = record.headers.iter().map(|header| header.kind.as_str().into());
            reasons.header_types = Some(types.collect());
        }
        (Layout::Record, _) => {}
    }
}

/// Puts the headers of the original, as they came from the broker, back to how they were.
pub(super) fn restore(headers: &mut Headers, reasons: &Reasons) {
    if let Some(types) = reasons.header_types.as_ref().filter(|types| types.len() == headers.len()) {
        let kinds = types.iter().map(|kind| Kind::of(kind));
        *headers = headers.iter().zip(kinds).map(|(header, kind)| Header { kind, ..header }).collect();
    }
    let Some(order) = reasons.header_order.as_ref().filter(|order| order.len() == headers.len()) else { return };
    // A queue gives the trace header last, whatever its name.
    headers.sort_by_name();
    let mut placed: Vec<(usize, Header<'_>)> = order.iter().copied().zip(headers.iter()).collect();
    placed.sort_unstable_by_key(|(place, _)| *place);
    if placed.iter().map(|(place, _)| *place).eq(0..headers.len()) {
        *headers = placed.into_iter().map(|(_, header)| header).collect();
    }
}

/// The places of the headers in the order of their names, as a queue gives them back.
fn sorted(headers: &Headers) -> Vec<usize> {
    let names: Vec<&[u8]> = headers.iter().map(|header| header.name).collect();
    let mut places: Vec<usize> = (0..names.len()).collect();
    places.sort_by_key(|place| names[*place]);
    places
}
