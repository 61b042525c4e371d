//! A source under test: sends requests, records the events, and asserts that the source keeps its contract.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cofferdam::source::{self, Source};
use cofferdam_core::action::Ask;
use cofferdam_core::event::{DeliveryId, Event, Leased, Partition};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::message::Record;
use cofferdam_core::source::SourceTraits;
use futures::FutureExt;
use slotmap::SlotMap;
use tokio::time::{Instant, timeout};

use super::{Bench, WAIT};

/// A source, and the events that it has returned.
pub struct Reader {
    source: Box<dyn Source>,
    traits: SourceTraits,
    ids: SlotMap<DeliveryId, ()>,
    /// Received messages that no test step has taken yet.
    pub(super) seen: VecDeque<Taken>,
    /// The assigned partitions.
    assigned: BTreeSet<Partition>,
    /// The partitions that the group has revoked.
    pub(super) revoked: Vec<Partition>,
    settling: HashSet<DeliveryId>,
    extending: HashSet<DeliveryId>,
    committing: Vec<CommitPosition>,
    answers: HashMap<DeliveryId, Answer>,
    commits: Vec<(CommitPosition, Answer)>,
}

/// A received message.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The delivery id that the suite has given it.
    pub id: DeliveryId,
    /// The record.
    pub record: Record,
    /// How the source identifies the message.
    pub hold: Hold,
    /// The receive count, as the source reports it.
    pub receives: u32,
    /// Whether the source set an end to its lease.
    pub is_leased: bool,
}

/// How a source identifies a message.
#[derive(Clone, Debug)]
pub enum Hold {
    /// By partition and offset.
    Offset(Partition, i64),
    /// By a receipt handle.
    Receipt(Arc<str>),
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The request succeeded.
    Done,
    /// It failed, and may be repeated.
    Failed,
    /// The message no longer belongs to this reader.
    Lost,
}

impl Reader {
    /// Creates a reader with the lease length of the bench.
    pub async fn open(bench: &impl Bench) -> Reader {
        Self::open_with(bench, bench.traits()).await
    }

    /// As [`Reader::open`], with another lease length.
    pub async fn open_with(bench: &impl Bench, traits: SourceTraits) -> Reader {
        Reader {
            source: bench.source(&traits).await,
            traits,
            ids: SlotMap::with_key(),
            seen: VecDeque::new(),
            assigned: BTreeSet::new(),
            revoked: Vec::new(),
            settling: HashSet::new(),
            extending: HashSet::new(),
            committing: Vec::new(),
            answers: HashMap::new(),
            commits: Vec::new(),
        }
    }

    /// Grants this number of messages, and more bytes than they can have.
    pub fn grant(&mut self, messages: u32) {
        self.grant_bytes(messages, 64 << 20);
    }

    /// Grants messages and bytes.
    pub fn grant_bytes(&mut self, messages: u32, bytes: u64) {
        self.source.ask(Ask::Grant { messages, bytes });
    }

    /// Waits for one event and records it. Dropping the future loses no event.
    pub async fn turn(&mut self) {
        let event = timeout(WAIT, source::next(&mut *self.source)).await.expect("an event comes in time");
        self.file(event.expect("the source goes on"));
    }

    /// Records events for as long as it is polled.
    pub async fn turn_for_ever(&mut self) {
        loop {
            let event = source::next(&mut *self.source).await;
            self.file(event.expect("the source goes on"));
        }
    }

    /// Returns exactly this number of messages, in the order of receipt.
    pub async fn take(&mut self, count: usize) -> Vec<Taken> {
        while self.seen.len() < count {
            self.turn().await;
        }
        assert_eq!(self.seen.len(), count, "more came than can be");
        self.seen.drain(..).collect()
    }

    /// As [`Reader::take`], but settles each message before it waits for the next. A queue that delivers one batch of a
    /// group at a time needs this.
    pub async fn take_and_settle(&mut self, count: usize) -> Vec<Taken> {
        let mut taken: Vec<Taken> = Vec::new();
        while taken.len() < count {
            while self.seen.is_empty() {
                self.turn().await;
            }
            let came: Vec<Taken> = self.seen.drain(..).collect();
            self.settle(&came).await;
            taken.extend(came);
        }
        assert_eq!(taken.len(), count, "more came than can be");
        taken
    }

    /// Settles these messages, and all before them if acknowledgements are cumulative. Repeats the request after a
    /// transient failure.
    ///
    /// # Panics
    /// A message no longer belongs to this reader.
    pub async fn settle(&mut self, taken: &[Taken]) {
        let mut left = taken.to_vec();
        while !left.is_empty() {
            let answers = self.try_settle(&left).await;
            assert!(!answers.contains(&Answer::Lost), "a message was lost that nobody else can have");
            left = left.into_iter().zip(answers).filter(|(_, it)| *it == Answer::Failed).map(|(it, _)| it).collect();
        }
    }

    /// Requests once to settle these messages, and returns the answer for each.
    pub async fn try_settle(&mut self, taken: &[Taken]) -> Vec<Answer> {
        self.ask_to_settle(taken);
        self.answers_of(taken).await
    }

    /// Requests once to settle these messages, without waiting for the answer.
    pub fn ask_to_settle(&mut self, taken: &[Taken]) {
        if !self.traits.acknowledges_each() {
            let positions = Self::positions(taken);
            self.committing.extend(positions.iter().cloned());
            self.source.ask(Ask::Commit(positions));
            return;
        }
        for one in taken {
            let Hold::Receipt(receipt) = &one.hold else { panic!("no receipt: {one:?}") };
            assert!(self.settling.insert(one.id), "asked twice at a time");
            self.source.ask(Ask::Delete { delivery: one.id, receipt: receipt.clone() });
        }
    }

    /// Waits for the answer for each of these messages.
    pub async fn answers_of(&mut self, taken: &[Taken]) -> Vec<Answer> {
        if self.traits.acknowledges_each() {
            while taken.iter().any(|one| self.settling.contains(&one.id)) {
                self.turn().await;
            }
            return taken.iter().map(|one| self.answers.remove(&one.id).expect("it was answered")).collect();
        }
        let positions = Self::positions(taken);
        while positions.iter().any(|position| self.committing.contains(position)) {
            self.turn().await;
        }
        let commits = std::mem::take(&mut self.commits);
        let answer = |one: &Taken| {
            let Hold::Offset(partition, _) = &one.hold else { panic!("no offset: {one:?}") };
            commits.iter().find(|(position, _)| position.partition == *partition).expect("it was answered").1
        };
        taken.iter().map(answer).collect()
    }

    /// Returns the commit positions for these messages.
    pub fn positions(taken: &[Taken]) -> Vec<CommitPosition> {
        let mut positions = BTreeMap::new();
        for one in taken {
            let Hold::Offset(partition, offset) = &one.hold else { panic!("no offset: {one:?}") };
            let next = positions.entry(partition.clone()).or_insert(0);
            *next = (*next).max(offset + 1);
        }
        let position = |(partition, offset)| CommitPosition { partition, offset, metadata: "".into() };
        positions.into_iter().map(position).collect()
    }

    /// Gives up a revoked partition with a commit, and waits for the answer.
    pub async fn give_up(&mut self, position: CommitPosition) {
        let partition = position.partition.clone();
        self.assigned.remove(&partition);
        self.committing.push(position.clone());
        self.source.ask(Ask::GiveUp { partition, commit: Some(position.clone()) });
        while self.committing.contains(&position) {
            self.turn().await;
        }
        assert_eq!(std::mem::take(&mut self.commits), [(position, Answer::Done)]);
    }

    /// Makes the source read the partitions of these messages again from the committed offset. Waits until the reread
    /// begins, because a message that is returned and committed before is not read again.
    pub async fn reread(&mut self, taken: &[Taken]) {
        for CommitPosition { partition, .. } in Self::positions(taken) {
            self.source.ask(Ask::Reread(partition.clone()));
            while self.assigned.contains(&partition) {
                self.turn().await;
            }
            while !self.assigned.contains(&partition) {
                self.turn().await;
            }
        }
    }

    /// Returns these messages together.
    pub fn release(&mut self, taken: &[Taken], delay: Duration) {
        let receipt = |one: &Taken| match &one.hold {
            Hold::Receipt(receipt) => receipt.clone(),
            Hold::Offset(..) => panic!("no receipt: {one:?}"),
        };
        self.source.ask(Ask::Release { receipts: taken.iter().map(receipt).collect(), delay });
    }

    /// Extends the lease of one message, and returns the answer.
    pub async fn extend(&mut self, taken: &Taken, lease: Duration) -> Answer {
        let Hold::Receipt(receipt) = &taken.hold else { panic!("no receipt: {taken:?}") };
        self.extending.insert(taken.id);
        self.source.ask(Ask::Extend { delivery: taken.id, receipt: receipt.clone(), lease });
        while self.extending.contains(&taken.id) {
            self.turn().await;
        }
        self.answers.remove(&taken.id).expect("it was answered")
    }

    /// Asserts that no message arrives until the broker has answered a request about these messages, which may be
    /// settled already. A message that is due would have arrived by then.
    pub async fn nothing_comes_while_a_round_trip_lasts(&mut self, taken: &[Taken]) {
        self.try_settle(taken).await;
        while let Some(event) = source::next(&mut *self.source).now_or_never() {
            self.file(event.expect("the source goes on"));
        }
        let seen: Vec<String> = self.seen.iter().map(Taken::value).collect();
        assert!(seen.is_empty(), "nothing may come: {seen:?}");
    }

    /// Starts a drain.
    pub fn stop(&mut self) {
        self.source.stop();
    }

    /// Returns whether no more messages can arrive after a stop.
    pub fn is_dry(&self) -> bool {
        self.source.is_dry()
    }

    /// Closes the source within its limit.
    pub async fn close(self) {
        self.close_within(WAIT).await.expect("the source ends well");
    }

    /// As [`Reader::close`], with this limit; returns the result.
    pub async fn close_within(self, limit: Duration) -> Result<(), String> {
        let close = self.source.close(Instant::now() + limit);
        timeout(limit + WAIT, close).await.expect("closing keeps its limit")
    }

    fn file(&mut self, event: Event) {
        match event {
            Event::Assigned(assigned) => {
                for assignment in assigned {
                    assert!(self.assigned.insert(assignment.partition), "a partition was assigned twice");
                }
            }
            Event::Revoked(revoked) => self.revoked.extend(revoked),
            Event::Lost(lost) => lost.iter().for_each(|partition| assert!(self.assigned.remove(partition))),
            Event::Records { partition, records } => {
                assert!(self.assigned.contains(&partition), "records of a partition that is not ours");
                for record in records {
                    let offset = record.offset().expect("a record has an offset");
                    self.see(record, Hold::Offset(partition.clone(), offset), 1, false);
                }
            }
            Event::Messages(messages) => {
                for Leased { record, receipt, receives, until } in messages {
                    self.see(record, Hold::Receipt(receipt), receives, until.is_some());
                }
            }
            Event::Committed(positions) => self.answer_commits(positions, Answer::Done),
            Event::CommitFailed(positions) => self.answer_commits(positions, Answer::Failed),
            Event::Deleted(ids) => ids.into_iter().for_each(|id| self.answer(id, false, Answer::Done)),
            Event::DeleteFailed(ids) => ids.into_iter().for_each(|id| self.answer(id, false, Answer::Failed)),
            Event::Extended { deliveries, .. } => {
                deliveries.into_iter().for_each(|id| self.answer(id, true, Answer::Done));
            }
            Event::LeaseLost(ids) => {
                for id in ids {
                    self.answer(id, self.extending.contains(&id), Answer::Lost);
                }
            }
            Event::Reached { .. } | Event::Due => {}
            other => panic!("no event of a source: {other:?}"),
        }
    }

    fn see(&mut self, record: Record, hold: Hold, receives: u32, is_leased: bool) {
        assert_eq!(is_leased, self.traits.lease.is_some(), "a lease is there where the source leases");
        let id = self.ids.insert(());
        self.seen.push_back(Taken { id, record, hold, receives, is_leased });
    }

    fn answer(&mut self, id: DeliveryId, extended: bool, answer: Answer) {
        let asked = if extended { &mut self.extending } else { &mut self.settling };
        assert!(asked.remove(&id), "an answer to nothing, or a second one: {answer:?}");
        self.answers.insert(id, answer);
    }

    fn answer_commits(&mut self, positions: Vec<CommitPosition>, answer: Answer) {
        for position in positions {
            let asked = self.committing.iter().position(|it| *it == position);
            self.committing.remove(asked.expect("an answer to nothing, or a second one"));
            self.commits.push((position, answer));
        }
    }
}

impl Taken {
    /// Returns the value as text.
    pub fn value(&self) -> String {
        String::from_utf8(self.record.payload.as_deref().expect("it has a value").to_vec()).expect("it is text")
    }

    /// Returns the key as text; empty without a key.
    pub fn key(&self) -> String {
        String::from_utf8(self.record.key.as_deref().unwrap_or_default().to_vec()).expect("it is text")
    }
}

/// Returns the values in their order.
pub(super) fn values_of(taken: &[Taken]) -> Vec<String> {
    taken.iter().map(Taken::value).collect()
}
