//! Receipts: records that a replay writes into the dead-letter topic, into the partition of the letters that they
//! concern.
//!
//! Receipts are stored there for three reasons. A receipt lives as long as the letters before it in the log, while the
//! offsets of a group without members are deleted after a week. It has room for any selection, while commit metadata is
//! limited to 4096 bytes. And it needs no topic and no permission beyond those for the letters. A replay writes two
//! receipts for each batch: `sending` before it sends the copies, `replayed` when all copies are durable. A letter with
//! `sending` and without `replayed` is in doubt.
//!
//! A record counts as a receipt only if it is byte for byte what a host writes, and names only offsets before itself. A
//! writer of the source cannot forge one, because a letter hides such headers of its original. A writer of the
//! dead-letter topic can, but such a writer can also write letters.

mod offsets;

use crate::broker::kafka;
use bytes::Bytes;
use cofferdam_core::dead_letter::profile::cofferdam::RECEIPT;
use cofferdam_core::message::{Header, Position, Record};
use cofferdam_core::output::Publication;
use cofferdam_core::time::Time;
use serde::{Deserialize, Serialize};

pub(super) use offsets::Offsets;

/// The number of headers of a receipt.
const HEADERS: usize = 2;

/// The largest size of a receipt, in bytes; the receipt of a batch has a few hundred.
const LARGEST: usize = 64 << 10;

/// The content of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    /// The state of the batch.
    pub(super) state: State,
    /// The id of the replay.
    pub(super) replay: String,
    /// When the replay began, in ISO 8601.
    pub(super) time: String,
    /// The topic. In a copy of the topic under another name, the offsets differ.
    pub(super) topic: String,
    /// The offsets of the letters, in the partition of the receipt and before it.
    pub(super) offsets: Offsets,
}

/// The state of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// The copies are about to be sent.
    Sending,
    /// The copies are durable.
    Replayed,
    /// The destination refuses the copies; none was sent.
    Refused,
}

impl State {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sending => "sending",
            Self::Replayed => "replayed",
            Self::Refused => "refused",
        }
    }
}

impl Receipt {
    /// Returns the receipt in a record, and its partition; `None` for a letter.
    pub(super) fn read(record: &Record) -> Option<(Self, i32)> {
        let Position::Offset { partition, offset } = record.position else { return None };
        if record.headers.len() != HEADERS || record.headers.iter().next()?.name != RECEIPT.as_bytes() {
            return None;
        }
        let payload = record.payload.as_ref().filter(|payload| payload.len() <= LARGEST)?;
        let receipt: Self = serde_json::from_slice(payload).ok()?;
        let speaks_of_earlier = receipt.offsets.last().is_some_and(|last| last < offset);
        let own = *receipt.topic == *record.source && receipt.began().is_some();
        (own && speaks_of_earlier && receipt.is_written_as(record)).then_some((receipt, partition))
    }

    /// Returns whether the record is byte for byte what a host writes for this receipt.
    fn is_written_as(&self, record: &Record) -> bool {
        let written = self.publication();
        let parts = |header: Header<'_>| (header.name.to_vec(), header.value.map(<[u8]>::to_vec));
        (&record.key, &record.payload) == (&written.key, &written.payload)
            && record.headers.iter().map(parts).eq(written.headers.iter().map(parts))
    }

    /// Returns the time at which the replay began.
    pub(super) fn began(&self) -> Option<Time> {
        self.time.parse().ok()
    }

    /// Returns the record to publish. Its key is unique, so that compaction keeps it.
    pub(super) fn publication(&self) -> Publication {
        let json = serde_json::to_string(self).expect("texts are JSON");
        let key = format!("{RECEIPT}/{}/{}/{}", self.replay, self.state.as_str(), self.offsets);
        Publication {
            destination: kafka::topic(self.topic.as_str()),
            key: Some(Bytes::from(key)),
            headers: [Header::text(RECEIPT, self.state.as_str()), Header::text("content-type", "application/json")]
                .into(),
            payload: Some(Bytes::from(json)),
            timestamp_ms: None,
            group: None,
            deduplication: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a record with this content at this offset.
    fn record(publication: &Publication, offset: i64) -> Record {
        Record {
            source: "dead".into(),
            position: Position::Offset { partition: 4, offset },
            key: publication.key.clone(),
            headers: publication.headers.clone(),
            payload: publication.payload.clone(),
            timestamp_ms: None,
        }
    }

    fn receipt(offsets: &str) -> Receipt {
        Receipt {
            state: State::Replayed,
            replay: "r".into(),
            time: Time::from_millis(5).to_string(),
            topic: "dead".into(),
            offsets: offsets.to_owned().try_into().expect("ranges"),
        }
    }

    #[test]
    fn a_receipt_comes_back_from_its_topic_and_from_no_other() {
        let receipt = receipt("1-2");
        let written = record(&receipt.publication(), 9);
        assert_eq!(Receipt::read(&written), Some((receipt.clone(), 4)));
        assert_eq!(Receipt::read(&Record { source: "mirror.dead".into(), ..written }), None);
        assert_eq!(receipt.began(), Some(Time::from_millis(5)));
    }

    #[test]
    fn a_receipt_speaks_only_of_what_stands_before_it() {
        let publication = receipt("3-7").publication();
        assert!(Receipt::read(&record(&publication, 8)).is_some());
        for offset in [0, 3, 5, 7] {
            assert_eq!(Receipt::read(&record(&publication, offset)), None, "at {offset}");
        }
        let all = receipt("0-9223372036854775806").publication();
        assert_eq!(Receipt::read(&record(&all, 10)), None);
    }

    #[test]
    fn what_is_not_byte_for_byte_as_a_host_writes_it_is_no_receipt() {
        let written = record(&receipt("1-2").publication(), 9);
        let payload = |text: String| Record { payload: Some(text.into()), ..written.clone() };
        let json = String::from_utf8_lossy(written.payload.as_ref().expect("JSON")).into_owned();
        let mut forged = vec![
            Record { key: Some("k".into()), ..written.clone() },
            Record { key: None, ..written.clone() },
            payload(format!(" {json}")),
            payload(json.replace('}', r#","do":"permanent"}"#)),
            payload(json.replace("replayed", "refused")),
            payload(json.replace("1-2", "1-3")),
            payload(json.replace("1-2", "")),
            Record { payload: None, ..written.clone() },
        ];
        let with = |headers: &[Header<'_>]| Record { headers: headers.iter().copied().collect(), ..written.clone() };
        let own: Vec<_> = written.headers.iter().collect();
        forged.push(with(&[own[0], Header::text("x", "y")]));
        forged.push(with(&[own[1], own[0]]));
        forged.push(with(&own[..1]));
        forged.push(with(&[own[0], own[1], Header::text("cofferdam-dlq-outcome", "permanent")]));
        forged.push(with(&[Header::text("_cofferdam-dlq-receipt", "replayed"), own[1]]));
        for record in forged {
            assert_eq!(Receipt::read(&record), None, "{record:?}");
        }
    }
}
