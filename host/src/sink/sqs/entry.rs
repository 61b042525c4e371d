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

use crate::aws::attribute;
use crate::aws::body;
use crate::aws::queue::Queue;

/// An entry whose id is still to be given, and the bytes it counts for.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) request: SendMessageBatchRequestEntry,
    pub(super) size: usize,
}

/// Writes a publication as a message of this queue.
///
/// # Errors
/// [`Refusal::Rejected`]: `INVALID_RESULT` where it has a header that cannot be an attribute, a header twice, more than
/// ten attributes (the body's encoding takes one where it is needed), or no message group that a FIFO queue takes;
/// `OUTPUT_TOO_LARGE` where it is larger than the queue's largest message.
pub(super) fn write(queue: &Queue, publication: &Publication) -> Result<Entry, Refusal> {
    let mut builder = SendMessageBatchRequestEntry::builder().id("");
    let (body, encoding) = body::encode(publication.payload.as_ref());
    let encoding = encoding.attribute().map(|value| Header::text(body::ENCODING, value));

    let mut size = body.len();
    let mut names = Vec::with_capacity(attribute::MOST);
    for header in publication.headers.iter().chain(&encoding) {
        if let Some(trace) = trace(header) {
            builder = builder.message_system_attributes(SystemName::AwsTraceHeader, trace);
            continue;
        }
        let (name, value) = attribute::encode(header).map_err(|error| invalid(error.to_string()))?;
        if names.contains(&&header.name) {
            return Err(invalid(format!("the header `{name}` stands twice, and a message attribute once")));
        }
        names.push(&header.name);
        if names.len() > attribute::MOST {
            return Err(invalid(format!("more than {} message attributes", attribute::MOST)));
        }
        size += attribute::size(&name, &value);
        builder = builder.message_attributes(name, value);
    }

    if queue.fifo {
        let group = publication.group.as_deref().ok_or_else(|| invalid("no message group for a fifo queue".into()))?;
        let deduplication = publication.deduplication.as_deref();
        builder = builder.message_group_id(checked(group)?).set_message_deduplication_id(deduplication.map(shortened));
    } else if let Some(group) = &publication.group {
        // Fair queues; a standard queue has no use for a deduplication id and refuses it.
        builder = builder.message_group_id(checked(group)?);
    }
    if size > queue.largest_message {
        let text = format!("{size} bytes, and the queue takes {}", queue.largest_message);
        return Err(Refusal::Rejected(Code::OUTPUT_TOO_LARGE, text.into()));
    }
    let request = builder.message_body(body).build().map_err(|error| invalid(error.to_string()))?;
    Ok(Entry { request, size })
}

/// The X-Ray trace header, if this header is it: text of its name and form, as the source gives it.
fn trace(header: &Header) -> Option<SystemValue> {
    if header.name != attribute::TRACE.as_bytes() || header.kind != Kind::Text {
        return None;
    }
    let value = std::str::from_utf8(header.value.as_ref()?).ok()?;
    let value = value.starts_with("Root=").then_some(value)?;
    SystemValue::builder().data_type("String").string_value(value).build().ok()
}

fn checked(group: &str) -> Result<&str, Refusal> {
    if is_id(group) { Ok(group) } else { Err(invalid(format!("{group:?} cannot be a message group"))) }
}

/// A deduplication id is compared and never read: one that SQS does not take becomes its SHA-256.
fn shortened(id: &str) -> String {
    if is_id(id) {
        return id.to_owned();
    }
    let mut digest = String::with_capacity(64);
    for byte in Sha256::digest(id) {
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
