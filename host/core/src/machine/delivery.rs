//! One receipt of one record, and how far it has come.

use std::sync::Arc;

use super::partition::PartitionKey;
use crate::action::Fate;
use crate::dead_letter::Attempted;
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
/// Each message goes through it several times, far apart, and there are thousands: it is as small as it can be, and what
/// most of them never have lies elsewhere.
#[derive(Debug)]
pub struct Delivery {
    pub(super) record: Arc<Record>,
    pub(super) attempt: u32,
    pub(super) received: Time,
    /// Its place among all receipts.
    pub(super) number: u64,
    pub(super) tenure: Tenure,
    pub(super) state: State,
    /// The lane it is in; `None` once it has stepped aside, and where nothing keeps order.
    pub(super) lane: Option<LaneId>,
    pub(super) publications: Vec<Publication>,
    /// The publications are the dead letter and the error event.
    pub(super) storing: bool,
    /// Publications handed out and not answered.
    pub(super) pending: u32,
    /// How often in a row it was held.
    pub(super) holds: u32,
    pub(super) held: bool,
    /// No destination takes its dead letter.
    pub(super) stands: bool,
    /// Its dead letter has just been refused in its last form.
    pub(super) is_refused_for_good: bool,
    pub(super) trouble: Option<Box<Trouble>>,
    pub(super) ended: Option<Box<Ended>>,
    /// The number of the first commit that says how often it was tried, or that it was taken; 0 where none needs to.
    pub(super) counted: u64,
    /// The queue was rid of it before it was handled: at most once.
    pub(super) pledged: bool,
    /// It waits for that.
    pub(super) gated: bool,
    rare: Option<Box<Rare>>,
    size: u64,
    outputs: u64,
}

/// What most deliveries never have.
#[derive(Debug, Default)]
struct Rare {
    /// Publications to hand out again.
    refused: Vec<u32>,
    /// Why an output can never become durable.
    rejection: Option<Failure>,
    /// The destination of a publication that was refused last, and what it said.
    refusal: Option<Box<Refused>>,
    /// The dead letter with all that was taken from it since.
    letter: Option<Box<Publication>>,
    /// The id of its event, once somebody has asked; `None` inside where there is none.
    event: Option<Option<Box<str>>>,
}

/// A publication that was refused, whether for now or for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// By which topic or queue.
    pub destination: Destination,
    /// In its words.
    pub text: Box<str>,
}

/// By what right the host has it.
#[derive(Debug)]
pub(super) enum Tenure {
    Offset {
        partition: PartitionKey,
        /// The record's own: it stands here too, because the record is far away.
        offset: i64,
        place: Place,
    },
    Receipt(Box<Receipt>),
}

/// A message of a queue is ours until it is acknowledged or returned, or until its lease ends where it has one.
#[derive(Debug)]
pub(super) struct Receipt {
    pub(super) handle: Arc<str>,
    /// How often the queue has handed it out, where it counts.
    pub(super) receives: Option<u32>,
    pub(super) lease: Option<Lease>,
    /// An attempt has begun.
    pub(super) started: bool,
    /// Attempts that were not made here: receives that the queue has counted and nobody here knows of.
    pub(super) assumed: u32,
    /// The attempt's number is that of the next one: the last one failed.
    pub(super) ahead: bool,
}

/// A message is ours for a time.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) until: Time,
    /// When the lease is looked at next.
    pub(super) check: Time,
    /// How long the running attempt may hold it.
    pub(super) attempt_until: Option<Time>,
}

impl Receipt {
    pub(super) fn new(handle: Arc<str>, receives: Option<u32>, lease: Option<Lease>) -> Self {
        Self { handle, receives, lease, started: false, assumed: 0, ahead: false }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Behind its key, or ready to run.
    Waiting,
    /// With a worker.
    Running,
    /// Until its wait is over.
    Parked,
    /// Until what it leads to is durable; then it ends like this.
    Publishing(Fate),
    /// Until its dead letter, which was refused for good, is offered again; then it ends like this.
    Standing(Fate),
    /// Until a transaction takes what it leads to; then it ends like this.
    Prepared(Fate),
    /// In a transaction; when that is committed, it ends like this.
    Transacting(Fate),
    /// Until the store of ids knows its own; then it is settled.
    Recording,
    /// Until the queue has deleted it; then it ends like this.
    Deleting(Fate),
    /// No longer ours, and something of it is still out.
    Forgotten,
    /// At its end.
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
    pub attempts: Vec<Attempted>,
    /// The newest failure.
    pub failure: Failure,
    /// The fingerprint of the newest fault, and how often in a row it came.
    pub(super) fault: Option<(u64, u32)>,
}

impl Trouble {
    /// Failures that are remembered.
    pub const REMEMBERED: usize = 32;

    /// Adds a failure to those before.
    pub(super) fn add(before: Option<Box<Self>>, failure: Failure, now: Time) -> Box<Self> {
        let (mut attempts, fault) = before.map_or((Vec::new(), None), |before| (before.attempts, before.fault));
        if attempts.len() == Self::REMEMBERED {
            // The first stays: it says since when.
            attempts.remove(1);
        }
        attempts.push(Attempted::new(&failure, now));
        let fault = failure.fingerprint().map(|fingerprint| match fault {
            Some((same, times)) if same == fingerprint => (fingerprint, times + 1),
            _ => (fingerprint, 1),
        });
        Box::new(Self { attempts, failure, fault })
    }

    /// How often in a row the newest fault came.
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

    /// The record, untouched.
    pub fn record(&self) -> &Arc<Record> {
        &self.record
    }

    /// Number of the current attempt, or of the next, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// When it was received.
    pub fn received(&self) -> Time {
        self.received
    }

    /// Its failures, if there were any.
    pub fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_deref()
    }

    /// The last attempt's end; its publications stand in [`Delivery::publication`].
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_deref()
    }

    /// What it leads to: the outputs, or the dead letter and then the error event.
    pub fn publication(&self, index: u32) -> Option<&Publication> {
        self.publications.get(index as usize)
    }

    /// Whether it leads to a dead letter and an error event, not to outputs.
    pub fn is_stored_as_error(&self) -> bool {
        self.storing
    }

    /// The id of its event, on a route that suppresses duplicates.
    pub fn event(&self) -> Option<&str> {
        self.rare.as_ref()?.event.as_ref()?.as_deref()
    }

    /// The id of its event, which `ask` finds out the first time; `None` where there is none.
    pub(super) fn identify(&mut self, ask: impl FnOnce(&Arc<Record>) -> Option<Box<str>>) -> Option<&str> {
        let rare = self.rare.get_or_insert_default();
        rare.event.get_or_insert_with(|| ask(&self.record)).as_deref()
    }

    /// How many publications it leads to.
    pub fn publications(&self) -> usize {
        self.publications.len()
    }

    /// Bytes that it counts for: those of its record, by [`Record::size`], and of its outputs once there are any.
    pub fn size(&self) -> u64 {
        self.size.saturating_add(self.outputs)
    }

    /// Bytes of its record.
    pub(super) fn record_size(&self) -> u64 {
        self.size
    }

    /// Bytes of its outputs.
    pub(super) fn outputs(&self) -> u64 {
        self.outputs
    }

    /// Gives it what it leads to, which counts beside the record where it has bytes of its own.
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

    /// Partition and offset, on Kafka.
    pub(super) fn offset(&self) -> Option<(PartitionKey, i64)> {
        match self.tenure {
            Tenure::Offset { partition, offset, .. } => Some((partition, offset)),
            Tenure::Receipt(_) => None,
        }
    }

    /// The handle of its receipt, where the source acknowledges each message.
    pub fn receipt(&self) -> Option<&Arc<str>> {
        match &self.tenure {
            Tenure::Offset { .. } => None,
            Tenure::Receipt(receipt) => Some(&receipt.handle),
        }
    }

    /// How often the queue has handed it out, this time included; `None` where the broker does not count.
    pub fn receives(&self) -> Option<u32> {
        match &self.tenure {
            Tenure::Offset { .. } => None,
            Tenure::Receipt(receipt) => receipt.receives,
        }
    }

    /// Whether a source with these abilities moves the message away when it is received once more.
    pub fn is_last_receive(&self, source: &SourceTraits) -> bool {
        source.max_receives.zip(self.receives()).is_some_and(|(most, receives)| receives >= most && !self.pledged)
    }

    /// Attempts that were not made here: receives that the queue has counted and nobody here knows of.
    pub(super) fn assumed(&self) -> u32 {
        match &self.tenure {
            Tenure::Offset { .. } => 0,
            Tenure::Receipt(receipt) => receipt.assumed,
        }
    }

    /// The queue may have given it to somebody else, if it is not rid of it.
    pub(super) fn lease_is_over(&self, now: Time) -> bool {
        let Tenure::Receipt(receipt) = &self.tenure else { return false };
        !self.pledged && receipt.lease.as_ref().is_some_and(|lease| lease.until <= now)
    }

    /// The publication that was refused last since something of it was durable.
    pub fn refusal(&self) -> Option<&Refused> {
        self.rare.as_ref()?.refusal.as_deref()
    }

    /// Notes who has refused a publication, and why.
    pub(super) fn note_refusal(&mut self, index: u32, text: &str) {
        let destination = self.publications.get(index as usize).map(|publication| publication.destination.clone());
        let refused = destination.map(|destination| Box::new(Refused { destination, text: text.into() }));
        self.rare.get_or_insert_default().refusal = refused;
    }

    /// Keeps the dead letter as it was before anything was taken from it.
    pub(super) fn keep_letter(&mut self, full: Publication) {
        self.rare.get_or_insert_default().letter.get_or_insert_with(|| Box::new(full));
    }

    /// Gives the dead letter back what was taken from it.
    pub(super) fn restore_letter(&mut self) {
        let full = self.rare.as_mut().and_then(|rare| rare.letter.take());
        if let (Some(full), Some(letter)) = (full, self.publications.first_mut()) {
            *letter = *full;
        }
    }

    /// A publication is to be handed out again.
    pub(super) fn refuse(&mut self, index: u32) {
        self.rare.get_or_insert_default().refused.push(index);
    }

    /// Whether a publication is to be handed out again.
    pub(super) fn is_refused(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| !rare.refused.is_empty())
    }

    /// What is to be handed out again, in the order in which the handler gave it.
    pub(super) fn take_refused(&mut self) -> Vec<u32> {
        let mut refused = self.rare.as_mut().map_or_else(Vec::new, |rare| std::mem::take(&mut rare.refused));
        refused.sort_unstable();
        refused
    }

    /// Its publications are all answered, and some are to be handed out again.
    pub(super) fn waits_to_publish(&self) -> bool {
        matches!(self.state, State::Publishing(_)) && self.pending == 0 && self.is_refused()
    }

    /// An output can never become durable; of several reasons the first stands.
    pub(super) fn reject(&mut self, why: impl FnOnce() -> Failure) {
        self.rare.get_or_insert_default().rejection.get_or_insert_with(why);
    }

    /// Why an output can never become durable, and nothing is to be handed out again any more.
    pub(super) fn take_rejection(&mut self) -> Option<Failure> {
        let rare = self.rare.as_mut()?;
        let rejection = rare.rejection.take()?;
        rare.refused.clear();
        Some(rejection)
    }

    /// Neither at its end nor forgotten.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Forgotten | State::Retired)
    }

    /// An attempt, a publication, a transaction or a record of its id has not been answered.
    pub(super) fn is_out(&self) -> bool {
        self.state == State::Running || self.pending > 0
    }

    pub(super) fn end_attempt(&mut self) {
        if let Some(lease) = self.lease() {
            lease.attempt_until = None;
        }
    }

    /// Returns whether it is the first attempt on this receipt of a message.
    pub(super) fn start_attempt(&mut self, source: &SourceTraits, now: Time) -> bool {
        if let (Some(lease), Some(rules)) = (self.lease(), source.lease) {
            lease.attempt_until = Some(now.after(rules.attempt_limit));
        }
        let Tenure::Receipt(receipt) = &mut self.tenure else { return false };
        receipt.ahead = false;
        !std::mem::replace(&mut receipt.started, true)
    }

    /// Its lease, where it has one.
    pub(super) fn lease(&mut self) -> Option<&mut Lease> {
        match &mut self.tenure {
            Tenure::Offset { .. } => None,
            Tenure::Receipt(receipt) => receipt.lease.as_mut(),
        }
    }

    /// The attempt's number is that of the next one from now on.
    pub(super) fn count_ahead(&mut self) {
        self.attempt += 1;
        if let Tenure::Receipt(receipt) = &mut self.tenure {
            receipt.ahead = true;
        }
    }

    /// There is no next attempt: the number is that of the last one again.
    pub(super) fn count_back(&mut self) {
        if let Tenure::Receipt(receipt) = &mut self.tenure
            && std::mem::take(&mut receipt.ahead)
        {
            self.attempt -= 1;
        }
    }

    /// A message of a queue on which no attempt has begun since it was received.
    pub(super) fn is_unstarted(&self) -> bool {
        matches!(&self.tenure, Tenure::Receipt(receipt) if !receipt.started)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::outcome::{Class, Code};

    /// A fault at one of a few places, or the handler's own failure; the texts all differ.
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
