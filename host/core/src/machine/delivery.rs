//! One receipt of one record, and how far it has come.

use std::sync::Arc;

use super::key::PartitionKey;
use crate::action::Fate;
use crate::dead_letter::Attempt;
use crate::envelope::Opened;
use crate::event::Ended;
use crate::lanes::LaneId;
use crate::message::Record;
use crate::outcome::Failure;
use crate::output::{Destination, Publication};
use crate::source::SourceTraits;
use crate::time::Time;
use crate::watermark::Place;

/// One receipt of one record.
///
/// The machine touches each delivery several times, with long pauses, and has thousands of them. So the struct is as small
/// as possible, and fields that most deliveries never need are in `Rare`.
#[derive(Debug)]
pub struct Delivery {
    pub(super) record: Arc<Record>,
    pub(super) attempt: u32,
    pub(super) received: Time,
    /// The sequence number of this receipt.
    pub(super) number: u64,
    pub(super) tenure: Tenure,
    pub(super) state: State,
    /// The lane of the delivery; `None` after it has left the lane, and if no order applies.
    pub(super) lane: Option<LaneId>,
    pub(super) publications: Vec<Publication>,
    /// Whether the publications are a dead letter and an error event.
    pub(super) storing: bool,
    /// Number of unanswered publications.
    pub(super) pending: u32,
    /// Number of holds in a row.
    pub(super) holds: u32,
    pub(super) held: bool,
    /// Whether every destination refuses its dead letter.
    pub(super) stands: bool,
    /// Whether the last form of its dead letter has just been refused.
    pub(super) is_refused_for_good: bool,
    pub(super) trouble: Option<Box<Trouble>>,
    pub(super) ended: Option<Box<Ended>>,
    /// The number of the first commit that contains the number of attempts, or that acknowledges the record before its
    /// handling; 0 if none is needed.
    pub(super) counted: u64,
    /// At most once: whether the message was deleted from the queue before it was handled.
    pub(super) pledged: bool,
    /// Whether the delivery waits for that deletion.
    pub(super) gated: bool,
    rare: Option<Box<Rare>>,
    size: u64,
    outputs: u64,
}

/// Fields that most deliveries never need.
#[derive(Debug, Default)]
struct Rare {
    /// Indices of publications to send again.
    refused: Vec<u32>,
    /// Why an output can never become durable.
    rejection: Option<Failure>,
    /// The last refusal of a publication: destination and text.
    refusal: Option<Box<Refused>>,
    /// Why the store of event ids did not record the event.
    unrecorded: Option<Box<str>>,
    /// The full dead letter, before parts were removed from it.
    letter: Option<Box<Publication>>,
    /// The event id, after the first lookup; the inner `None` means that the message has none.
    event: Option<Option<Box<str>>>,
    /// The decoded envelope, kept for the next attempt.
    opened: Option<Arc<Opened>>,
    /// Whether an earlier one of its lane has gone back to its source while this one ran.
    goes_back: bool,
}

/// A refused publication. The refusal may be temporary or permanent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The topic or queue that refused it.
    pub destination: Destination,
    /// The reason, as the broker gave it.
    pub text: Box<str>,
}

/// The claim of the host on a record: a partition and offset, or the receipt of a queue message.
#[derive(Debug)]
pub(super) enum Tenure {
    Offset {
        partition: PartitionKey,
        /// A copy of the record's offset, because reading the record is slow (it is seldom in the CPU cache).
        offset: i64,
        place: Place,
    },
    Receipt(Box<Receipt>),
}

/// A queue message belongs to the host until it is acknowledged or handed back, or until its lease (if any) ends.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) handle: Arc<str>,
    /// How often the queue has delivered it, if the queue counts.
    pub(super) receives: Option<u32>,
    pub(super) lease: Option<Lease>,
    /// Whether an attempt has begun.
    pub(super) started: bool,
    /// Number of assumed attempts: receives that the queue has counted and this host has not seen.
    pub(super) assumed: u32,
    /// Whether the attempt number is already that of the next attempt, because the last one failed.
    pub(super) ahead: bool,
}

/// The time-limited claim on a queue message.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) until: Time,
    /// The time of the next check of the lease.
    pub(super) check: Time,
    /// The latest end of the running attempt for which the lease is extended.
    pub(super) attempt_until: Option<Time>,
}

impl Receipt {
    pub(super) fn new(handle: Arc<str>, receives: Option<u32>, lease: Option<Lease>) -> Self {
        Self { handle, receives, lease, started: false, assumed: 0, ahead: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Waits behind its key, or is ready to run.
    Waiting,
    /// Runs on a worker.
    Running,
    /// Waits until its backoff is over.
    Parked,
    /// Waits until its publications are durable; then it ends with this fate.
    Publishing(Fate),
    /// Waits until its dead letter, which was refused for good, is sent again; then it ends with this fate.
    Standing(Fate),
    /// Waits until a transaction takes its publications; then it ends with this fate.
    Prepared(Fate),
    /// Is in a transaction; after the commit it ends with this fate.
    Transacting(Fate),
    /// Waits until the event-id store has its event id; then it is settled.
    Recording,
    /// Waits until the queue has deleted it; then it ends with this fate.
    Deleting(Fate),
    /// Does not belong to this host any more, but an action for it is unanswered.
    Forgotten,
    /// Has ended.
    Retired,
}

impl State {
    pub(super) fn has_not_started(self) -> bool {
        matches!(self, Self::Waiting | Self::Parked)
    }
}

/// The failures of a delivery so far.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// The last ones, the newest last; at most [`Trouble::REMEMBERED`].
    pub attempts: Vec<Attempt>,
    /// The newest failure.
    pub failure: Failure,
    /// The fingerprint of the newest fault, and how often in a row it occurred.
    pub(super) fault: Option<(u64, u32)>,
}

impl Trouble {
    /// Maximum number of remembered failures.
    pub const REMEMBERED: usize = 32;

    /// Adds a failure to the earlier ones.
    pub(super) fn add(before: Option<Box<Self>>, failure: Failure, now: Time) -> Box<Self> {
        let (mut attempts, fault) = before.map_or((Vec::new(), None), |before| (before.attempts, before.fault));
        if attempts.len() == Self::REMEMBERED {
            // The first failure is kept, because it shows when the failures began.
            attempts.remove(1);
        }
        attempts.push(Attempt::new(&failure, now));
        let fault = failure.fingerprint().map(|fingerprint| match fault {
            Some((same, times)) if same == fingerprint => (fingerprint, times + 1),
            _ => (fingerprint, 1),
        });
        Box::new(Self { attempts, failure, fault })
    }

    /// How often in a row the newest fault occurred.
    pub(super) fn same_fault(&self) -> u32 {
        self.fault.map_or(0, |(_, times)| times)
    }
}

impl Delivery {
    pub(super) fn new(record: Record, tenure: Tenure, number: u64, now: Time) -> Self {
        Self {
            size: record.size() as u64,
            outputs: 0,
            record: Arc::new(record),
            attempt: 1,
            received: now,
            number,
            tenure,
            state: State::Waiting,
            lane: None,
            publications: Vec::new(),
            storing: false,
            pending: 0,
            holds: 0,
            held: false,
            stands: false,
            is_refused_for_good: false,
            trouble: None,
            ended: None,
            counted: 0,
            pledged: false,
            gated: false,
            rare: None,
        }
    }

    /// The unchanged record.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// The number of the current or next attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The time of receipt.
    pub fn received(&self) -> Time {
        self.received
    }

    /// The failures of the delivery, if there are any.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_deref()
    }

    /// The result of the last attempt; its publications are in [`Delivery::publication`].
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_deref()
    }

    /// A publication by index: an output, or the dead letter followed by the error event.
    pub fn publication(&self, index: u32) -> Option<&Publication> {
        self.publications.get(index as usize)
    }

    /// Whether the publications are a dead letter and an error event instead of outputs.
    pub fn is_stored_as_error(&self) -> bool {
        self.storing
    }

    /// The event id, if the route suppresses duplicates.
    pub fn event(&self) -> Option<&str> {
        self.rare.as_ref()?.event.as_ref()?.as_deref()
    }

    /// The id of its event, which `ask` determines from the record the first time; `None` if the message has none.
    pub(super) fn identify(&mut self, ask: impl FnOnce(&Arc<Record>) -> Option<Box<str>>) -> Option<&str> {
        if self.rare.as_ref().is_none_or(|rare| rare.event.is_none()) {
            let event = ask(&self.record);
            self.rare.get_or_insert_default().event = Some(event);
        }
        self.event()
    }

    /// The decoded envelope that was kept for the next attempt; `None` if that attempt must decode it.
    pub fn opened(&self) -> Option<&Arc<Opened>> {
        self.rare.as_ref()?.opened.as_ref()
    }

    /// Bytes of the decoded envelope that is kept.
    pub(super) fn opened_size(&self) -> u64 {
        self.opened().map_or(0, |opened| opened.size() as u64)
    }

    /// Keeps a decoded envelope for the next attempt.
    pub(super) fn keep_opened(&mut self, opened: Arc<Opened>) {
        self.rare.get_or_insert_default().opened = Some(opened);
    }

    /// Frees the decoded envelope. Returns its bytes.
    pub(super) fn free_opened(&mut self) -> u64 {
        let size = self.opened_size();
        if let Some(rare) = &mut self.rare {
            rare.opened = None;
        }
        size
    }

    /// The number of publications.
    pub fn publications(&self) -> usize {
        self.publications.len()
    }

    /// Bytes that it counts for: those of its record, by [`Record::size`], of its decoded envelope where that is kept, and of
    /// its outputs once there are any.
    pub fn size(&self) -> u64 {
        self.size.saturating_add(self.opened_size()).saturating_add(self.outputs)
    }

    /// Bytes of the record.
    pub(super) fn record_size(&self) -> u64 {
        self.size
    }

    /// Bytes of its outputs.
    pub(super) fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Sets the publications. They count in addition to the record if they have bytes of their own.
    pub(super) fn lead_to(&mut self, publications: Vec<Publication>, has_own_bytes: bool) {
        let outputs = if has_own_bytes { &*publications } else { &[] };
        self.outputs = outputs.iter().map(|output| output.size() as u64).sum();
        self.publications = publications;
    }

    pub(super) fn partition(&self) -> Option<PartitionKey> {
        match self.tenure {
            Tenure::Offset { partition, .. } => Some(partition),
            Tenure::Receipt(_) => None,
        }
    }

    /// Partition and offset, for Kafka records.
    pub(super) fn offset(&self) -> Option<(PartitionKey, i64)> {
        match self.tenure {
            Tenure::Offset { partition, offset, .. } => Some((partition, offset)),
            Tenure::Receipt(_) => None,
        }
    }

    /// The receipt handle, if the source acknowledges each message separately.
    pub fn receipt(&self) -> Option<&Arc<str>> {
        match &self.tenure {
            Tenure::Offset { .. } => None,
            Tenure::Receipt(receipt) => Some(&receipt.handle),
        }
    }

    /// How often the queue has delivered the message, including this time; `None` if the broker does not count.
    pub fn receives(&self) -> Option<u32> {
        match &self.tenure {
            Tenure::Offset { .. } => None,
            Tenure::Receipt(receipt) => receipt.receives,
        }
    }

    /// Whether a source with these abilities moves the message away at the next receive.
    pub fn is_last_receive(&self, source: &SourceTraits) -> bool {
        source.max_receives.zip(self.receives()).is_some_and(|(most, receives)| receives >= most && !self.pledged)
    }

    /// Number of assumed attempts: receives that the queue has counted and this host has not seen.
    pub(super) fn assumed(&self) -> u32 {
        match &self.tenure {
            Tenure::Offset { .. } => 0,
            Tenure::Receipt(receipt) => receipt.assumed,
        }
    }

    /// Whether the lease is over and the message has not been deleted, so the queue may have given it to another consumer.
    pub(super) fn lease_is_over(&self, now: Time) -> bool {
        let Tenure::Receipt(receipt) = &self.tenure else { return false };
        !self.pledged && receipt.lease.as_ref().is_some_and(|lease| lease.until <= now)
    }

    /// The last refusal of a publication since one of its publications became durable.
    pub fn refusal(&self) -> Option<&Refused> {
        self.rare.as_ref()?.refusal.as_deref()
    }

    /// Records which destination refused a publication, and why.
    pub(super) fn note_refusal(&mut self, index: u32, text: &str) {
        let destination = self.publications.get(index as usize).map(|publication| publication.destination.clone());
        let refused = destination.map(|destination| Box::new(Refused { destination, text: text.into() }));
        self.rare.get_or_insert_default().refusal = refused;
    }

    /// Why the store of event ids did not record the event, whose outputs are durable.
    pub fn unrecorded(&self) -> Option<&str> {
        self.rare.as_ref()?.unrecorded.as_deref()
    }

    /// Records why the store of event ids did not record the event.
    pub(super) fn note_unrecorded(&mut self, text: &str) {
        self.rare.get_or_insert_default().unrecorded = Some(text.into());
    }

    /// Keeps the full dead letter before parts are removed from it.
    pub(super) fn keep_letter(&mut self, full: Publication) {
        self.rare.get_or_insert_default().letter.get_or_insert_with(|| Box::new(full));
    }

    /// Restores the full dead letter.
    pub(super) fn restore_letter(&mut self) {
        let full = self.rare.as_mut().and_then(|rare| rare.letter.take());
        if let (Some(full), Some(letter)) = (full, self.publications.first_mut()) {
            *letter = *full;
        }
    }

    /// Marks a publication to be sent again.
    pub(super) fn refuse(&mut self, index: u32) {
        self.rare.get_or_insert_default().refused.push(index);
    }

    /// Whether a publication must be sent again.
    pub(super) fn is_refused(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.refused.is_empty())
    }

    /// Removes and returns the publications to send again, in the order of the handler's outputs.
    pub(super) fn take_refused(&mut self) -> Vec<u32> {
        let mut refused = self.rare.as_mut().map_or_else(Vec::new, |rare| std::mem::take(&mut rare.refused));
        refused.sort_unstable();
        refused
    }

    /// Whether all publications are answered and some must be sent again.
    pub(super) fn waits_to_publish(&self) -> bool {
        matches!(self.state, State::Publishing(_)) && self.pending == 0 && self.is_refused()
    }

    /// Notes that an earlier one of its lane has gone back to its source: its publications would come before those of that
    /// one.
    pub(super) fn go_back_too(&mut self) {
        self.rare.get_or_insert_default().goes_back = true;
    }

    /// Whether an earlier one of its lane has gone back to its source while this one ran.
    pub(super) fn goes_back(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.goes_back)
    }

    /// Records that an output can never become durable. The first reason is kept.
    pub(super) fn reject(&mut self, why: impl FnOnce() -> Failure) {
        self.rare.get_or_insert_default().rejection.get_or_insert_with(why);
    }

    /// Returns why an output can never become durable, and clears the publications to send again.
    pub(super) fn take_rejection(&mut self) -> Option<Failure> {
        let rare = self.rare.as_mut()?;
        let rejection = rare.rejection.take()?;
        rare.refused.clear();
        Some(rejection)
    }

    /// Whether the delivery has neither ended nor been forgotten.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Forgotten | State::Retired)
    }

    /// Whether an attempt, a publication, a transaction or the recording of its event id is unanswered.
    pub(super) fn is_out(&self) -> bool {
        self.state == State::Running || self.pending > 0
    }

    pub(super) fn end_attempt(&mut self) {
        if let Some(lease) = self.lease() {
            lease.attempt_until = None;
        }
    }

    /// Starts an attempt. Returns whether it is the first attempt on this receipt.
    pub(super) fn start_attempt(&mut self, source: &SourceTraits, now: Time) -> bool {
        if let (Some(lease), Some(rules)) = (self.lease(), source.lease) {
            lease.attempt_until = Some(now.after(rules.attempt_limit));
        }
        let Tenure::Receipt(receipt) = &mut self.tenure else { return false };
        receipt.ahead = false;
        !std::mem::replace(&mut receipt.started, true)
    }

    /// The lease, if there is one.
    pub(super) fn lease(&mut self) -> Option<&mut Lease> {
        match &mut self.tenure {
            Tenure::Offset { .. } => None,
            Tenure::Receipt(receipt) => receipt.lease.as_mut(),
        }
    }

    /// Changes the attempt number to that of the next attempt.
    pub(super) fn count_ahead(&mut self) {
        self.attempt += 1;
        if let Tenure::Receipt(receipt) = &mut self.tenure {
            receipt.ahead = true;
        }
    }

    /// Changes the attempt number back to that of the last attempt, because there is no next one.
    pub(super) fn count_back(&mut self) {
        if let Tenure::Receipt(receipt) = &mut self.tenure
            && std::mem::take(&mut receipt.ahead)
        {
            self.attempt -= 1;
        }
    }

    /// Whether it is a queue message on which no attempt has begun since its receipt.
    pub(super) fn is_unstarted(&self) -> bool {
        matches!(&self.tenure, Tenure::Receipt(receipt) if !receipt.started)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{Class, Code};

    /// Faults at a few places, or failures of the handler; all texts differ.
    fn failures() -> impl Strategy<Value = Vec<Option<u64>>> {
        prop::collection::vec(prop::option::weighted(0.9, 0..3_u64), 1..40)
    }

    fn failure(number: usize, place: Option<u64>) -> Failure {
        let class = if place.is_some() { Class::Trapped } else { Class::Retryable };
        Failure { place, ..Failure::new(class, Code::TRAP_OTHER, format!("at {number:#x}")) }
    }

    proptest! {
        #[test]
        fn the_same_fault_is_counted_in_a_row_and_never_across_another(places in failures()) {
            let mut trouble = None;
            for (number, place) in places.iter().enumerate() {
                trouble = Some(Trouble::add(trouble, failure(number, *place), Time::from_millis(number as u64)));
            }
            let trouble = trouble.expect("there was one at least");
            let last = places[places.len() - 1];
            let in_a_row = places.iter().rev().take_while(|place| **place == last).count();
            let expected = if last.is_some() { in_a_row } else { 0 };
            prop_assert_eq!(trouble.same_fault() as usize, expected);
            prop_assert_eq!(trouble.attempts.len(), places.len().min(Trouble::REMEMBERED));
            prop_assert_eq!(trouble.attempts[0].time, Time::from_millis(0));
        }
    }
}
