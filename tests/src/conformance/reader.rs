//! A source as the suite drives it: it asks, files what the source says, and holds the source to its contract.

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

/// A source, and what it has said.
pub struct Reader {
    source: Box<dyn Source>,
    traits: SourceTraits,
    ids: SlotMap<DeliveryId, ()>,
    /// Messages that came and that nobody has looked at.
    pub(super) seen: VecDeque<Taken>,
    /// Partitions that are ours.
    assigned: BTreeSet<Partition>,
    /// Partitions that the group wants back.
    pub(super) revoked: Vec<Partition>,
    settling: HashSet<DeliveryId>,
    extending: HashSet<DeliveryId>,
    committing: Vec<CommitPosition>,
    answers: HashMap<DeliveryId, Answer>,
    commits: Vec<(CommitPosition, Answer)>,
}

/// A message that was handed over.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What the suite calls it.
    pub id: DeliveryId,
    /// The message.
    pub record: Record,
    /// How the source knows it.
    pub hold: Hold,
    /// How often it was delivered, as the source says.
    pub receives: u32,
    /// Whether the source gave its lease an end.
    pub is_leased: bool,
}

/// How a source knows a message.
#[derive(Clone, Debug)]
pub enum Hold {
    /// By partition and offset.
    Offset(Partition, i64),
    /// By a receipt.
    Receipt(Arc<str>),
}

/// What became of an ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is done.
    Done,
    /// It is not, and may be asked again.
    Failed,
    /// The message is not ours any more.
    Lost,
}

impl Reader {
    /// A reader of the place as it is meant to be read.
    pub async fn open(bench: &impl Bench) -> Reader {
        Self::open_with(bench, bench.traits()).await
    }

    /// The same with other leases.
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

    /// Grants messages, and more bytes than they can have.
    pub fn grant(&mut self, messages: u32) {
        self.grant_bytes(messages, 64 << 20);
    }

    /// Grants both.
    pub fn grant_bytes(&mut self, messages: u32, bytes: u64) {
        self.source.ask(Ask::Grant { messages, bytes });
    }

    /// Waits for one event and files it. Nothing is lost where it is dropped.
    pub async fn turn(&mut self) {
        let event = timeout(WAIT, source::next(&mut *self.source)).await.expect("an event comes in time");
        self.file(event.expect("the source goes on"));
    }

    /// Files events for as long as it is polled.
    pub async fn turn_for_ever(&mut self) {
        loop {
            let event = source::next(&mut *self.source).await;
            self.file(event.expect("the source goes on"));
        }
    }

    /// Exactly so many messages, in the order in which they came.
    pub async fn take(&mut self, count: usize) -> Vec<Taken> {
        while self.seen.len() < count {
            self.turn().await;
        }
        assert_eq!(self.seen.len(), count, "more came than can be");
        self.seen.drain(..).collect()
    }

    /// The same; each is settled before the next ones are waited for, as a queue wants it that hands a group over once at a
    /// time.
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

    /// Settles these, with all before them where acknowledgements are cumulative. What fails for now is asked again.
    ///
    /// # Panics
    /// Where they are not ours any more.
    pub async fn settle(&mut self, taken: &[Taken]) {
        let mut left = taken.to_vec();
        while !left.is_empty() {
            let answers = self.try_settle(&left).await;
            assert!(!answers.contains(&Answer::Lost), "a message was lost that nobody else can have");
            left = left.into_iter().zip(answers).filter(|(_, it)| *it == Answer::Failed).map(|(it, _)| it).collect();
        }
    }

    /// Asks once to settle these, and says what the source answers of each.
    pub async fn try_settle(&mut self, taken: &[Taken]) -> Vec<Answer> {
        self.ask_to_settle(taken);
        self.answers_of(taken).await
    }

    /// Asks once to settle these, without waiting for the answer.
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

    /// What the source answers of each, as soon as it has.
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

    /// What a commit of these says.
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

    /// Gives a revoked partition up with a commit, and waits for the answer.
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

    /// Has the partitions of these read again from where the group is, and waits until that begins: what is handed over and
    /// committed before it is not read again.
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

    /// Returns these together.
    pub fn release(&mut self, taken: &[Taken], delay: Duration) {
        let receipt = |one: &Taken| match &one.hold {
            Hold::Receipt(receipt) => receipt.clone(),
            Hold::Offset(..) => panic!("no receipt: {one:?}"),
        };
        self.source.ask(Ask::Release { receipts: taken.iter().map(receipt).collect(), delay });
    }

    /// Extends the lease of one, and says what the source answers.
    pub async fn extend(&mut self, taken: &Taken, lease: Duration) -> Answer {
        let Hold::Receipt(receipt) = &taken.hold else { panic!("no receipt: {taken:?}") };
        self.extending.insert(taken.id);
        self.source.ask(Ask::Extend { delivery: taken.id, receipt: receipt.clone(), lease });
        while self.extending.contains(&taken.id) {
            self.turn().await;
        }
        self.answers.remove(&taken.id).expect("it was answered")
    }

    /// Asserts that nothing is handed over by the time that the broker has answered an ask about these, which may be settled
    /// already: what may come would have come by then.
    pub async fn nothing_comes_while_a_round_trip_lasts(&mut self, taken: &[Taken]) {
        self.try_settle(taken).await;
        while let Some(event) = source::next(&mut *self.source).now_or_never() {
            self.file(event.expect("the source goes on"));
        }
        let seen: Vec<String> = self.seen.iter().map(Taken::value).collect();
        assert!(seen.is_empty(), "nothing may come: {seen:?}");
    }

    /// Begins a drain.
    pub fn stop(&mut self) {
        self.source.stop();
    }

    /// Whether nothing more can come after a stop.
    pub fn is_dry(&self) -> bool {
        self.source.is_dry()
    }

    /// Ends the source, within its limit.
    pub async fn close(self) {
        self.close_within(WAIT).await.expect("the source ends well");
    }

    /// The same with a limit, and what it says.
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
    /// Its value as text.
    pub fn value(&self) -> String {
        String::from_utf8(self.record.payload.as_deref().expect("it has a value").to_vec()).expect("it is text")
    }

    /// Its key as text; empty where it has none.
    pub fn key(&self) -> String {
        String::from_utf8(self.record.key.as_deref().unwrap_or_default().to_vec()).expect("it is text")
    }
}

/// The values in their order.
pub(super) fn values_of(taken: &[Taken]) -> Vec<String> {
    taken.iter().map(Taken::value).collect()
}
