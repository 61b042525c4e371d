//! Sending letters back to where they came from.
//!
//! A letter is replayed when the broker has acknowledged its copy, and is marked as replayed only then: nothing is lost.
//! Between the two the process may end, and then some copies are sent a second time, which it cannot know:
//!
//! | letters on | marked by | sent a second time after a crash | recognised by |
//! |---|---|---|---|
//! | Kafka | receipts in the topic | at most one batch, [`BATCH`] letters | the same bytes, marker included |
//! | SQS | deleting the message | at most one batch, 10 letters | `letter` and `count` of the marker; FIFO queues drop them within 5 minutes |
//!
//! Receipts are about letters, not about a filter, so any later replay with any filter knows what was sent. One replay
//! at a time: two at once do not see each other.

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

/// Most letters that are under way at once.
pub const BATCH: usize = 100;

/// Refusals, and places, that a report names; further ones are counted.
const NAMED: usize = 20;

/// What is to be sent back, and how.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which letters.
    pub filter: Filter,
    /// Most of them.
    pub limit: u64,
    /// Where to, in place of where each came from.
    pub to: Option<Destination>,
    /// Where letters may say that they came from; others stay.
    pub origins: Origins,
    /// Most letters in a time.
    pub rate: Option<Rate>,
    /// Nothing is sent and nothing is written.
    pub dry: bool,
    /// The id of the replay.
    pub id: String,
    /// When it began.
    pub time: Time,
}

/// What came of it; kept up to date while it goes on.
pub struct Report {
    /// Letters that were sent, or would be, by destination.
    pub sent: BTreeMap<Destination, u64>,
    /// Letters among them that an interrupted replay may have sent already.
    pub repeated: u64,
    /// Letters that got the present as their timestamp: with their own, their topic would soon have deleted them.
    pub retimed: u64,
    /// Letters that do not say where they came from.
    pub homeless: u64,
    /// Letters that say that they came from where no route reads, by what they say; the first places of them.
    pub unknown: BTreeMap<Destination, u64>,
    /// All of those.
    pub unknowns: u64,
    /// Letters that this replay has sent, and that came back as letters while it was at work.
    pub returned: u64,
    /// Letters that their destination will never take, and why; the first of them.
    pub refused: Vec<(String, Box<str>)>,
    /// All that were refused.
    pub refusals: u64,
    /// On a queue: letters that could not be deleted after they were sent.
    pub undeleted: u64,
    /// On a queue: letters that are there and could not be seen now.
    pub unseen: u64,
    /// Whether it was stopped.
    pub stopped: bool,
    /// Called after each step.
    progress: Box<dyn FnMut(u64)>,
}

impl Order {
    /// Finds where all letters are to go, where that is one place.
    ///
    /// # Errors
    /// Where it is not there, or cannot be asked.
    pub(crate) async fn find_to(&self, outlet: &mut Outlet) -> Result<(), Error> {
        match &self.to {
            Some(to) => outlet.find(to).await,
            None => Ok(()),
        }
    }

    /// Where a letter goes that the filter takes, and that it is there; `None` where the letter stays, which is entered.
    ///
    /// # Errors
    /// Where its broker cannot be asked.
    pub(crate) async fn way(
        &self,
        found: &Found,
        outlet: &mut Outlet,
        report: &mut Report,
    ) -> Result<Option<Destination>, Error> {
        // On a queue it is another message than the one that was sent, and would be sent for ever.
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

    /// The copies of these letters, for destinations that were found.
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

    /// The copy of a letter, under this replay's id or that of an interrupted one.
    fn copy(&self, found: &Found, to: Destination, earlier: Option<&(String, String)>) -> Copy {
        let (id, time) = match earlier {
            Some((id, time)) => (id.clone(), time.clone()),
            None => (self.id.clone(), self.time.to_string()),
        };
        let marker = Marker { id, time, count: found.count().saturating_add(1), letter: found.id() };
        let partition = match found.letter.original.position {
            // Its key may have been put there by another rule than ours.
            Position::Offset { partition, .. } if Some(&to) == found.origin.as_ref() => Some(partition),
            _ => None,
        };
        Copy { publication: found.letter.replay(to, &marker), partition }
    }
}

impl Report {
    /// An empty one; `progress` hears the number of letters seen since it was last called.
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
            undeleted: 0,
            unseen: 0,
            stopped: false,
            progress: Box::new(progress),
        }
    }

    /// All letters that were sent.
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

    /// Enters what became of a copy. `Err` with the reason where its broker takes nothing for now.
    pub(crate) fn enter(&mut self, found: &Found, to: &Destination, result: Result<(), Refusal>) -> Became {
        match result {
            Ok(()) => {
                self.sent(to);
                Became::Durable
            }
            Err(Refusal::Rejected(code, text)) => {
                self.refused(found, &format!("{code}: {text}"));
                Became::Refused
            }
            Err(Refusal::Unavailable(text)) => Became::Unknown(text),
        }
    }
}

/// What became of a copy.
pub(crate) enum Became {
    /// The broker has it.
    Durable,
    /// The broker will never take it.
    Refused,
    /// It may have it or not.
    Unknown(Box<str>),
}
