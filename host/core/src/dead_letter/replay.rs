//! Replays of dead letters.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Letter, copy, fifo_id, group};
use crate::message::{Header, Position, Record};
use crate::output::{Destination, Layout, Publication};

/// The header of a replayed record: a [`Marker`] in JSON.
pub const MARKER: &str = "cofferdam-replay";

/// The replay marker of a replayed record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The id of the replay.
    pub id: String,
    /// The start of the replay, in ISO 8601.
    pub time: String,
    /// The number of replays of this message, this one included.
    pub count: u32,
    /// The dead letter: destination and position. Two copies by one replay have the same.
    #[serde(default)]
    pub letter: String,
}

impl Marker {
    /// The marker of a record that was replayed.
    pub fn of(record: &Record) -> Option<Self> {
        serde_json::from_str(record.headers.text(MARKER)?).ok()
    }
}

impl Letter {
    /// The topic or queue that the original came from; `None` where the letter does not say.
    pub fn origin(&self) -> Option<&Arc<str>> {
        let reasons = self.reasons.as_ref()?;
        reasons.source.as_ref().filter(|_| reasons.position.is_some())
    }

    /// The original for `to`, byte for byte, with `marker` in place of that of an earlier replay.
    ///
    /// A FIFO queue drops the second of two copies of the same letter and count within its five minutes, whatever the
    /// replay that sent them.
    pub fn replay(&self, to: Destination, marker: &Marker) -> Publication {
        let mut publication = copy(&self.original, to);
        publication.headers.retain(|header| header.name != MARKER.as_bytes());
        let text = serde_json::to_string(marker).expect("texts and a number are JSON");
        publication.headers.push(Header::text(MARKER, &text));
        if publication.destination.layout() == Layout::Attributes {
            let key = self.original.key.as_ref().and_then(|key| std::str::from_utf8(key).ok());
            let of_queue = matches!(self.original.position, Position::MessageId(_));
            publication.group = match key {
                // The group that the queue itself once took, on a queue without order too.
                Some(key) if of_queue => Some(key.into()),
                _ => publication.destination.is_fifo().then(|| group(&self.original)),
            };
        }
        // Of one that is too long the end is kept, where it differs most.
        let id = fifo_id(&format!("{}/{}", marker.letter, marker.count));
        publication.deduplication = publication.deduplication.map(|_| id);
        publication
    }
}
