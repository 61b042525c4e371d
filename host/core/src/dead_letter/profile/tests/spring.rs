//! The header names of Spring for Apache Kafka, as a second profile: numbers are bytes, not text, and what Spring has no name
//! for is left out, except for what the original needs to come back.

use bytes::Bytes;

use super::super::Profile;
use crate::dead_letter::reasons::{OriginalKey, Reasons};
use crate::message::{Header, Headers, Position};
use crate::output::Layout;
use crate::time::Time;

const PREFIX: &str = "kafka_dlt-";
const TOPIC: &str = "kafka_dlt-original-topic";
const PARTITION: &str = "kafka_dlt-original-partition";
const OFFSET: &str = "kafka_dlt-original-offset";
const MESSAGE_ID: &str = "kafka_dlt-original-message-id";
const TIMESTAMP: &str = "kafka_dlt-original-timestamp";
const GROUP: &str = "kafka_dlt-original-consumer-group";
const OUTCOME: &str = "kafka_dlt-exception-fqcn";
const CODE: &str = "kafka_dlt-exception-cause-fqcn";
const MESSAGE: &str = "kafka_dlt-exception-message";
const STACK: &str = "kafka_dlt-exception-stacktrace";
const KEY: &str = "kafka_dlt-x-key";
const TYPES: &str = "kafka_dlt-x-types";
const ORDER: &str = "kafka_dlt-x-order";
const BARE: &str = "kafka_dlt-x-bare";

#[derive(Debug)]
pub(crate) struct Spring;

/// The reasons that have a name in this profile.
pub(super) fn known(reasons: Reasons) -> Reasons {
    Reasons {
        broker: None,
        route: None,
        handler: None,
        digest: None,
        attempt: None,
        attempts: None,
        first_failure: None,
        last_failure: None,
        usage: None,
        trace: None,
        correlation: None,
        ..reasons
    }
}

impl Profile for Spring {
    fn write(&self, reasons: &Reasons, _: Layout, headers: &mut Headers) {
        let mut put = |name: &str, value: Option<&[u8]>| headers.push(Header { value, ..Header::bytes(name, &[]) });
        let texts = [
            (TOPIC, reasons.source.as_deref()),
            (GROUP, reasons.group.as_deref()),
            (OUTCOME, reasons.outcome.as_deref()),
            (CODE, reasons.code.as_deref()),
            (MESSAGE, reasons.text.as_deref()),
            (STACK, reasons.backtrace.as_deref()),
        ];
        for (name, text) in texts {
            text.into_iter().for_each(|text| put(name, Some(text.as_bytes())));
        }
        match &reasons.position {
            Some(Position::Offset { partition, offset }) => {
                put(PARTITION, Some(&partition.to_be_bytes()));
                put(OFFSET, Some(&offset.to_be_bytes()));
            }
            Some(Position::MessageId(id)) => put(MESSAGE_ID, Some(id.as_bytes())),
            None => {}
        }
        if let Some(time) = reasons.timestamp {
            put(TIMESTAMP, Some(&time.as_millis().to_be_bytes()));
        }
        match &reasons.key {
            Some(OriginalKey::Missing) => put(KEY, None),
            Some(OriginalKey::Bytes(key)) => put(KEY, Some(key)),
            None => {}
        }
        if let Some(types) = &reasons.header_types {
            put(TYPES, Some(&serde_json::to_vec(types).expect("JSON")));
        }
        if let Some(order) = &reasons.header_order {
            put(ORDER, Some(&serde_json::to_vec(order).expect("JSON")));
        }
        if reasons.bare {
            put(BARE, Some(b"1"));
        }
    }

    fn read(&self, _: Layout, headers: &mut Headers) -> Option<Reasons> {
        let (mut reasons, mut found) = (Reasons::default(), false);
        let (mut partition, mut offset) = (None, None);
        headers.retain(|header| {
            let Ok(name) = std::str::from_utf8(header.name) else { return true };
            if !name.starts_with(PREFIX) {
                return true;
            }
            found = true;
            let text = || Some(String::from_utf8_lossy(header.value?).into_owned());
            let long = || Some(i64::from_be_bytes(header.value?.try_into().ok()?));
            match name {
                TOPIC => reasons.source = text().map(Into::into),
                GROUP => reasons.group = text().map(Into::into),
                OUTCOME => reasons.outcome = text().map(Into::into),
                CODE => reasons.code = text().map(Into::into),
                MESSAGE => reasons.text = text().map(Into::into),
                STACK => reasons.backtrace = text().map(Into::into),
                PARTITION => {
                    partition = header.value.and_then(|value| Some(i32::from_be_bytes(value.try_into().ok()?)))
                }
                OFFSET => offset = long(),
                MESSAGE_ID => reasons.position = text().map(|id| Position::MessageId(id.into())),
                TIMESTAMP => {
                    reasons.timestamp = long().and_then(|millis| Some(Time::from_millis(millis.try_into().ok()?)));
                }
                KEY => {
                    let bytes = |value| OriginalKey::Bytes(Bytes::copy_from_slice(value));
                    reasons.key = Some(header.value.map_or(OriginalKey::Missing, bytes));
                }
                TYPES => reasons.header_types = header.value.and_then(|value| serde_json::from_slice(value).ok()),
                ORDER => reasons.header_order = header.value.and_then(|value| serde_json::from_slice(value).ok()),
                BARE => reasons.bare = true,
                _ => {}
            }
            false
        });
        if let (Some(partition), Some(offset)) = (partition, offset) {
            reasons.position = Some(Position::Offset { partition, offset });
        }
        found.then_some(reasons)
    }

    fn is_reserved(&self, name: &[u8]) -> bool {
        name.get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX.as_bytes()))
    }
}
