//! A publication as an entry of a batch, checked against what SQS takes.

use std::fmt::Write;

use aws_sdk_sqs::types::{
    MessageSystemAttributeNameForSends as SystemName, MessageSystemAttributeValue as SystemValue,
    SendMessageBatchRequestEntry,
};
use cofferdam_core::event::Refusal;
use cofferdam_core::message::{Header, Kind};
use cofferdam_core::outcome::Code;
use cofferdam_core::output::Publication;
use sha2::{Digest, Sha256};

use crate::aws::queue::Queue;
use crate::aws::{attribute, body, headers};

/// An entry whose id is still to be given, and the bytes it counts for.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) request: SendMessageBatchRequestEntry,
    pub(super) size: usize,
}

/// Writes a publication as a message of this queue.
///
/// # Errors
/// [`Refusal::Rejected`]: `OUTPUT_TOO_LARGE` where it is larger than the queue's largest message, `INVALID_RESULT` where
/// it has no message group and the queue is FIFO.
pub(super) fn write(queue: &Queue, publication: &Publication) -> Result<Entry, Refusal> {
    let (body, encoding) = body::encode(publication.payload.as_ref());
    let mut size = body.len();
    let mut builder = SendMessageBatchRequestEntry::builder().id("").message_body(body);

    let (traces, others): (Vec<_>, Vec<_>) = publication.headers.iter().partition(|header| trace(*header).is_some());
    if let Some(trace) = traces.first().and_then(|header| trace(*header)) {
        builder = builder.message_system_attributes(SystemName::AwsTraceHeader, trace);
    }
    for (name, value) in headers::encode(others.into_iter().chain(traces.into_iter().skip(1)), encoding.attribute()) {
        size += attribute::size(&name, &value);
        builder = builder.message_attributes(name, value);
    }

    let group = publication.group.as_deref().filter(|group| !group.is_empty());
    builder = builder.set_message_group_id(group.map(spelled));
    if queue.fifo {
        if group.is_none() {
            return Err(invalid("missing message group for a FIFO queue".into()));
        }
        // A standard queue has no use for a deduplication id and refuses it; a group makes it a fair one.
        builder = builder.set_message_deduplication_id(publication.deduplication.as_deref().map(shortened));
    }
    if size > queue.largest_message {
        let text = format!("message of {size} bytes exceeds the queue's limit of {}", queue.largest_message);
        return Err(Refusal::Rejected(Code::OUTPUT_TOO_LARGE, text.into()));
    }
    let request = builder.build().map_err(|error| invalid(error.to_string()))?;
    Ok(Entry { request, size })
}

/// The X-Ray trace header, if this header is it: text of its name and form, as the source gives it.
fn trace(header: Header<'_>) -> Option<SystemValue> {
    if header.name != attribute::TRACE.as_bytes() || header.kind != Kind::Text {
        return None;
    }
    let value = std::str::from_utf8(header.value?).ok()?;
    let value = value.starts_with("Root=").then_some(value)?;
    SystemValue::builder().data_type("String").string_value(value).build().ok()
}

/// A group that SQS does not take is written with `%` and two hexadecimal digits for each byte that it refuses; one that
/// is too long then, as its SHA-256. It stays one group, which is what counts.
fn spelled(group: &str) -> String {
    if is_id(group) {
        return group.to_owned();
    }
    let mut spelled = String::with_capacity(group.len() + 16);
    for byte in group.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            spelled.push(char::from(byte));
        } else {
            let _ = write!(spelled, "%{byte:02X}");
        }
    }
    if is_id(&spelled) { spelled } else { digest(group) }
}

/// A deduplication id is compared and never read: one that SQS does not take becomes its SHA-256.
fn shortened(id: &str) -> String {
    if is_id(id) { id.to_owned() } else { digest(id) }
}

fn digest(text: &str) -> String {
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        let _ = write!(digest, "{byte:02x}");
    }
    digest
}

/// 1 to 128 printable ASCII characters other than the space.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn invalid(text: String) -> Refusal {
    Refusal::Rejected(Code::INVALID_RESULT, text.into())
}

#[cfg(test)]
mod tests;
