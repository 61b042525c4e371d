//! Converts an SQS message to a record.

use std::sync::Arc;

use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as System};
use bytes::Bytes;
use cofferdam_core::event::Leased;
use cofferdam_core::message::{Header, Position, Record};
use cofferdam_core::time::Time;

use crate::broker::sqs::attribute::TRACE;
use crate::broker::sqs::{body, headers};

/// The system attributes to request.
pub(crate) const SYSTEM: [System; 4] =
    [System::ApproximateReceiveCount, System::MessageGroupId, System::SentTimestamp, System::AwsTraceHeader];

/// Converts a message to a record with its lease. Returns `None` if the server sent no receipt handle, because such a
/// message can be neither deleted nor released.
///
/// The X-Ray trace header, which SQS stores as a system attribute, becomes a header with that name.
pub(crate) fn leased(message: Message, source: &Arc<str>, until: Time) -> Option<Leased> {
    let receipt = message.receipt_handle?.into();
    let mut system = message.attributes.unwrap_or_default();
    let mut attributes = message.message_attributes.unwrap_or_default();
    let body = message.body.unwrap_or_default();
    // Read the attribute itself, because a folded header may have the same name.
    let encoding = attributes.get(body::ENCODING).and_then(|encoding| encoding.string_value());
    let payload = match encoding.and_then(|encoding| body::decode(&body, encoding)) {
        Some(payload) => {
            attributes.remove(body::ENCODING);
            payload
        }
        None => Some(Bytes::from(body)),
    };
    let mut headers = headers::decode(&attributes);
    if let Some(trace) = system.remove(&System::AwsTraceHeader) {
        headers.push(Header::text(TRACE, &trace));
    }
    let record = Record {
        source: source.clone(),
        position: Position::MessageId(message.message_id.unwrap_or_default().into()),
        key: system.remove(&System::MessageGroupId).map(Bytes::from),
        headers,
        payload,
        timestamp_ms: system.get(&System::SentTimestamp).and_then(|sent| sent.parse().ok()),
    };
    let receives = system.get(&System::ApproximateReceiveCount).and_then(|count| count.parse().ok());
    Some(Leased { record, receipt, receives: receives.unwrap_or(1), until: Some(until) })
}
