//! What a replay writes of itself into the dead-letter topic, into the partition of the letters that it is about.
//!
//! Why there: a receipt lives as long as the letters before it in the log, while offsets of a group without members are
//! dropped after a week; it has room for any selection, while the metadata of a commit ends at 4096 bytes; and it needs
//! no topic and no right that the letters did not need. Two are written for each batch: `sending` before its copies are
//! sent, `replayed` when all of them are durable. What was being sent and was not replayed is in doubt.
//!
//! A record counts as a receipt only where it is, byte for byte, what a host writes, and speaks only of what stands before
//! it. Whoever may write to the source cannot make one, since a letter hides such headers of its original; whoever may
//! write to the dead-letter topic itself can, as they can write letters.

mod offsets;

use crate::broker::kafka;
use bytes::Bytes;
use cofferdam_core::message::{Header, Position, Record};
use cofferdam_core::output::Publication;
use cofferdam_core::time::Time;
use serde::{Deserialize, Serialize};

pub(super) use offsets::Offsets;

/// The header that tells a receipt from a letter; its value is the state.
const RECEIPT: &str = "cofferdam-dlq-receipt";

/// Headers of a receipt.
const HEADERS: usize = 2;

/// Longest receipt, in bytes; those of a batch have a few hundred.
const LARGEST: usize = 64 << 10;

/// What a receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Receipt {
    /// How far it is.
    pub(super) state: State,
    /// The id of the replay.
    pub(super) replay: String,
    /// When the replay began, in ISO 8601.
    pub(super) time: String,
    /// The topic: in a copy of it under another name offsets are others.
    pub(super) topic: String,
    /// In the partition of the receipt, before the receipt.
    pub(super) offsets: Offsets,
}

/// How far a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Its copies are about to be sent.
    Sending,
    /// They are durable.
    Replayed,
    /// Their destination will not take them: nothing was sent.
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
    /// The receipt of a record and its partition; `None` for a letter.
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

    /// Whether the record is, byte for byte, what a host writes for this receipt.
    fn is_written_as(&self, record: &Record) -> bool {
        let written = self.publication();
        let parts = |header: Header<'_>| (header.name.to_vec(), header.value.map(<[u8]>::to_vec));
        (&record.key, &record.payload) == (&written.key, &written.payload)
            && record.headers.iter().map(parts).eq(written.headers.iter().map(parts))
    }

    /// When the replay began.
    pub(super) fn began(&self) -> Option<Time> {
        self.time.parse().ok()
    }

    /// Its record. The key is its own, so that a topic that is compacted keeps it.
    pub(super) fn publication(&self) -> Publication {
        let json = serde_json::to_string(self).expect("texts are JSON");
        let key = format!("cofferdam-dlq-receipt/{}/{}/{}", self.replay, self.state.as_str(), self.offsets);
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

    /// A record with these bytes where a receipt would stand.
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
