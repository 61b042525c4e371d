//! Converts a publication to an entry of a batch, within the limits of SQS.

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

use crate::broker::sqs::queue::Queue;
use crate::broker::sqs::{attribute, body, headers};

/// An entry without its id, and its size in bytes.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) request: SendMessageBatchRequestEntry,
    pub(super) size: usize,
}

/// Converts a publication to a message for this queue.
///
/// # Errors
/// [`Refusal::Rejected`]: `OUTPUT_TOO_LARGE` if the message is larger than the queue accepts, `INVALID_RESULT` if the
/// queue is FIFO and the publication has no message group.
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
        // A standard queue refuses a deduplication id. A message group makes it a fair queue.
        builder = builder.set_message_deduplication_id(publication.deduplication.as_deref().map(shortened));
    }
    if size > queue.largest_message {
        let text = format!("message of {size} bytes exceeds the queue's limit of {}", queue.largest_message);
        return Err(Refusal::Rejected(Code::OUTPUT_TOO_LARGE, text.into()));
    }
    let request = builder.build().map_err(|error| invalid(error.to_string()))?;
    Ok(Entry { request, size })
}

/// Returns the X-Ray trace header if this header is one: its name and the form of its value are those that the source
/// uses.
fn trace(header: Header<'_>) -> Option<SystemValue> {
    if header.name != attribute::TRACE.as_bytes() || header.kind != Kind::Text {
        return None;
    }
    let value = std::str::from_utf8(header.value?).ok()?;
    let value = value.starts_with("Root=").then_some(value)?;
    SystemValue::builder().data_type("String").string_value(value).build().ok()
}

/// Encodes a group name that SQS does not accept: each refused byte becomes `%` and two hexadecimal digits. If the
/// result is too long, the name becomes its SHA-256. All messages of a group get the same name, which keeps their
/// order.
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

/// Replaces a deduplication id that SQS does not accept with its SHA-256. Deduplication ids are compared, never read.
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

/// Returns whether the text has 1 to 128 printable ASCII characters and no space.
fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn invalid(text: String) -> Refusal {
    Refusal::Rejected(Code::INVALID_RESULT, text.into())
}

#[cfg(test)]
mod tests;
