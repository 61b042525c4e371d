//! What a replay writes of itself into the dead-letter topic, into the partition of the letters that it is about.
//!
//! Why there: a receipt lives as long as the letters before it in the log, while offsets of a group without members are
//! dropped after a week; it has room for any selection, while the metadata of a commit ends at 4096 bytes; and it needs
//! no topic and no right that the letters did not need. Two are written for each batch: `sending` before its copies are
//! sent, `replayed` when all of them are durable. What was being sent and was not replayed is in doubt.

use std::collections::BTreeSet;

use bytes::Bytes;
use cofferdam_core::message::{Header, Position, Record};
use cofferdam_core::output::{Destination, Publication};
use cofferdam_core::time::Time;
use serde::{Deserialize, Serialize};

/// The header that tells a receipt from a letter; its value is the state.
const RECEIPT: &str = "cofferdam-dlq-receipt";

/// Headers of a receipt.
const HEADERS: usize = 2;

/// Longest receipt, in bytes: far below what makes a letter lose its reasons.
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
    /// `3-7,9`: offsets in the partition of the receipt.
    pub(super) offsets: String,
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
    ///
    /// An original may claim to be one. As a dead letter it has its reasons with it, or was too large for them.
    pub(super) fn read(record: &Record) -> Option<(Self, i32)> {
        record.headers.text(RECEIPT)?;
        let payload = record.payload.as_ref().filter(|payload| payload.len() <= LARGEST)?;
        if record.headers.len() != HEADERS {
            return None;
        }
        let receipt: Self = serde_json::from_slice(payload).ok()?;
        match record.position {
            Position::Offset { partition, .. } if *receipt.topic == *record.source => Some((receipt, partition)),
            _ => None,
        }
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
            destination: Destination::Kafka(self.topic.as_str().into()),
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

/// `3-7,9`
pub(super) fn write(offsets: &BTreeSet<i64>) -> String {
    let mut ranges: Vec<(i64, i64)> = Vec::new();
    for &offset in offsets {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == offset => *last = offset,
            _ => ranges.push((offset, offset)),
        }
    }
    let range = |(first, last): (i64, i64)| if first == last { first.to_string() } else { format!("{first}-{last}") };
    ranges.into_iter().map(range).collect::<Vec<_>>().join(",")
}

/// The offsets of `3-7,9`; what is no range is passed over.
pub(super) fn offsets(text: &str) -> impl Iterator<Item = i64> {
    text.split(',').flat_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.parse::<i64>(), last.parse::<i64>()) {
            (Ok(first), Ok(last)) => first..last.saturating_add(1),
            _ => 0..0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_written_as_ranges_and_come_back() {
        for (numbers, text) in [(vec![], ""), (vec![7], "7"), (vec![3, 4, 5, 9, 11, 12], "3-5,9,11-12")] {
            let set: BTreeSet<i64> = numbers.into_iter().collect();
            assert_eq!(write(&set), text);
            assert_eq!(offsets(text).collect::<BTreeSet<_>>(), set);
        }
        assert_eq!(offsets("x,4,9-2").collect::<Vec<_>>(), [4]);
    }

    #[test]
    fn a_receipt_comes_back_from_its_topic_and_from_no_other() {
        let receipt = Receipt {
            state: State::Replayed,
            replay: "r".into(),
            time: Time::from_millis(5).to_string(),
            topic: "dead".into(),
            offsets: "1-2".into(),
        };
        let publication = receipt.publication();
        let record = |source: &str| Record {
            source: source.into(),
            position: Position::Offset { partition: 4, offset: 9 },
            key: publication.key.clone(),
            headers: publication.headers.clone(),
            payload: publication.payload.clone(),
            timestamp_ms: None,
        };
        assert_eq!(Receipt::read(&record("dead")), Some((receipt.clone(), 4)));
        assert_eq!(Receipt::read(&record("mirror.dead")), None);
        let mut letter = record("dead");
        letter.headers.push(Header::text("cofferdam-dlq-outcome", "permanent"));
        assert_eq!(Receipt::read(&letter), None, "an original that claims to be a receipt");
        assert_eq!(receipt.began(), Some(Time::from_millis(5)));
    }
}
