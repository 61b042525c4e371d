//! Sends dead letters back to their sources.
//!
//! A dead letter is replayed when the broker has acknowledged its copy, and is marked as replayed only then, so nothing is
//! lost. If the process ends between the two, the next replay cannot know that, and some copies are sent a second time:
//!
//! | letters on | marked by | sent a second time after a crash | recognised by |
//! |---|---|---|---|
//! | Kafka | receipts in the topic | at most one batch, [`BATCH`] letters | the same bytes, marker included |
//! | SQS | deleting the message | at most one batch, 10 letters | `letter` and `count` of the marker; FIFO queues drop them within 5 minutes |
//!
//! Replay records name dead letters, not a filter, so any later replay with any filter knows what was sent. Run one replay
//! at a time: two concurrent ones do not see each other.

use std::collections::BTreeMap;

use cofferdam_core::dead_letter::Marker;
use cofferdam_core::event::Refusal;
use cofferdam_core::message::Position;
use cofferdam_core::output::Destination;
use cofferdam_core::time::Time;

use super::filter::Filter;
use super::origins::Origins;
use super::outlet::{Copy, Outlet};
use super::pace::Rate;
use super::{Error, Found};

/// Maximum number of dead letters that are sent at once.
pub const BATCH: usize = 100;

/// Maximum number of refusals, and of origins, that a report names; further ones are only counted.
const NAMED: usize = 20;

/// Options of a replay.
#[derive(Debug, Clone)]
pub struct Order {
    /// Selects the dead letters.
    pub filter: Filter,
    /// Maximum number of dead letters.
    pub limit: u64,
    /// The destination; `None`: the source of each dead letter.
    pub to: Option<Destination>,
    /// The allowed origins; dead letters with other origins stay.
    pub origins: Origins,
    /// Maximum rate.
    pub rate: Option<Rate>,
    /// Whether to send and write nothing.
    pub dry: bool,
    /// The id of the replay.
    pub id: String,
    /// The start of the replay.
    pub time: Time,
}

/// The results of a replay, updated while it runs.
pub struct Report {
    /// Number of dead letters that were sent, or would be, by destination.
    pub sent: BTreeMap<Destination, u64>,
    /// How many of them an interrupted replay may have sent already.
    pub repeated: u64,
    /// Number of copies with the current time as timestamp: with the original one, the topic would soon have deleted them.
    pub retimed: u64,
    /// Number of dead letters that name no origin.
    pub homeless: u64,
    /// Number of dead letters whose origin no route reads, by origin, for the first origins.
    pub unknown: BTreeMap<Destination, u64>,
    /// Total number of these.
    pub unknowns: u64,
    /// Number of messages that this replay has sent and that became dead letters again while it ran.
    pub returned: u64,
    /// Dead letters that their destination rejects for good, and why; the first ones.
    pub refused: Vec<(String, Box<str>)>,
    /// Total number of rejected dead letters.
    pub refusals: u64,
    /// The dead letters at the positions that the filter names, as far as they were seen.
    pub named: Vec<Named>,
    /// On a queue: number of dead letters that were sent and could not be deleted.
    pub undeleted: u64,
    /// On a queue: number of dead letters that were not visible now.
    pub unseen: u64,
    /// Whether the replay was stopped.
    pub stopped: bool,
    /// Called after each step with the number of dead letters seen since the last call.
    progress: Box<dyn FnMut(u64)>,
}

impl Order {
    /// Checks that the common destination exists, if there is one.
    ///
    /// # Errors
    /// The destination does not exist, or the broker cannot be asked.
    pub(crate) async fn find_to(&self, outlet: &mut Outlet) -> Result<(), Error> {
        match &self.to {
            Some(to) => outlet.find(to).await,
            None => Ok(()),
        }
    }

    /// Whether the filter selects this dead letter. One at a position that the filter names is recorded in the report.
    pub(crate) fn takes(&self, found: &Found, report: &mut Report) -> bool {
        let is_taken = self.filter.takes(found);
        if self.filter.positions.contains(&found.position) {
            let is_replayed = found.replays.count > 0 && !found.replays.in_doubt;
            report.named.push(Named { position: found.position.clone(), is_taken, is_replayed });
        }
        is_taken
    }

    /// The destination of a selected dead letter, after a check that it exists; `None` if the dead letter stays, which is
    /// recorded in the report.
    ///
    /// # Errors
    /// The broker cannot be asked.
    pub(crate) async fn way(
        &self,
        found: &Found,
        outlet: &mut Outlet,
        report: &mut Report,
    ) -> Result<Option<Destination>, Error> {
        // On a queue this is another message than the one that was sent, so it would be sent for ever.
        if Marker::of(&found.letter.original).is_some_and(|marker| marker.id == self.id) {
            report.returned += 1;
            return Ok(None);
        }
        let to = match (&self.to, found.origin()) {
            (Some(to), _) => to.clone(),
            (None, Some(origin)) if self.origins.know(&origin) => origin,
            (None, Some(unknown)) => {
                report.unknown(unknown);
                return Ok(None);
            }
            (None, None) => {
                report.homeless += 1;
                return Ok(None);
            }
        };
        Ok(match outlet.find_named(&to).await? {
            Ok(()) => Some(to),
            Err(reason) => {
                report.refused(found, &reason);
                None
            }
        })
    }

    /// The copies of these dead letters, for destinations that were found.
    pub(crate) fn copies<'a>(
        &self,
        letters: impl Iterator<Item = (&'a Found, &'a Destination, Option<&'a (String, String)>)>,
        outlet: &Outlet,
        report: &mut Report,
    ) -> Vec<Copy> {
        let copy = |(found, to, earlier): (&Found, &Destination, _)| {
            let mut copy = self.copy(found, to.clone(), earlier);
            if outlet.is_too_old(to, copy.publication.timestamp_ms) {
                copy.publication.timestamp_ms = None;
                report.retimed += 1;
            }
            copy
        };
        letters.map(copy).collect()
    }

    /// The copy of a dead letter, with the id of this replay or of an interrupted one.
    fn copy(&self, found: &Found, to: Destination, earlier: Option<&(String, String)>) -> Copy {
        let (id, time) = match earlier {
            Some((id, time)) => (id.clone(), time.clone()),
            None => (self.id.clone(), self.time.to_string()),
        };
        let marker = Marker { id, time, count: found.count().saturating_add(1), letter: found.id() };
        let partition = match found.letter.original.position {
            // The producer of the original may have chosen the partition by another rule, so the copy goes to the same one.
            Position::Offset { partition, .. } if Some(&to) == found.origin.as_ref() => Some(partition),
            _ => None,
        };
        Copy { publication: found.letter.replay(to, &marker), partition }
    }
}

impl Report {
    /// Makes an empty report. `progress` is called with the number of dead letters seen since its last call.
    pub fn new(progress: impl FnMut(u64) + 'static) -> Self {
        Self {
            sent: BTreeMap::new(),
            repeated: 0,
            retimed: 0,
            homeless: 0,
            unknown: BTreeMap::new(),
            unknowns: 0,
            returned: 0,
            refused: Vec::new(),
            refusals: 0,
            named: Vec::new(),
            undeleted: 0,
            unseen: 0,
            stopped: false,
            progress: Box::new(progress),
        }
    }

    /// Total number of dead letters that were sent.
    pub fn total(&self) -> u64 {
        self.sent.values().sum()
    }

    pub(crate) fn seen(&mut self, letters: u64) {
        (self.progress)(letters);
    }

    pub(crate) fn sent(&mut self, destination: &Destination) {
        *self.sent.entry(destination.clone()).or_default() += 1;
    }

    fn unknown(&mut self, origin: Destination) {
        self.unknowns += 1;
        if self.unknown.len() < NAMED || self.unknown.contains_key(&origin) {
            *self.unknown.entry(origin).or_default() += 1;
        }
    }

    pub(crate) fn refused(&mut self, found: &Found, reason: &str) {
        self.refusals += 1;
        if self.refused.len() < NAMED {
            self.refused.push((found.id(), reason.into()));
        }
    }

    /// Records the result of a copy.
    pub(crate) fn enter(&mut self, found: &Found, to: &Destination, result: Result<(), Refusal>) -> CopyResult {
        match result {
            Ok(()) => {
                self.sent(to);
                CopyResult::Durable
            }
            Err(Refusal::Rejected(code, text)) => {
                self.refused(found, &format!("{code}: {text}"));
                CopyResult::Refused
            }
            Err(Refusal::Unavailable(text)) => CopyResult::Unknown(text),
        }
    }
}

/// A dead letter at a position that the filter names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its position.
    pub position: Position,
    /// Whether the filter selects it.
    pub is_taken: bool,
    /// Whether it was replayed before.
    pub is_replayed: bool,
}

/// The result of a copy.
pub(crate) enum CopyResult {
    /// The broker has stored it.
    Durable,
    /// The broker rejects it for good.
    Refused,
    /// The broker may have stored it or not.
    Unknown(Box<str>),
}
