//! The thread that owns the consumer.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cofferdam_core::action::Position;
use cofferdam_core::event::{Assignment, Event, Partition};
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Permit, Sender};

use super::commits::{Commits, Purpose};
use super::context::{Answer, Context, Occurrence};
use super::holding::{Balance, Held};
use super::mailbox::Mailbox;
use super::membership::Losses;
use super::rebalance::Rebalance;
use super::{Error, lag};
use crate::kafka::waker::Waker;

/// How long the reader sleeps where nobody wakes it.
const SLEEP: Duration = Duration::from_millis(100);
/// Polls of the main queue in one round.
const POLLS: usize = 64;
/// Events beyond which no more commits are taken on: each will be one more.
const OUTBOX: usize = 1_024;

/// The consumer, its partitions, and what is under way.
pub(super) struct Reader {
    pub(super) group: Arc<str>,
    pub(super) consumer: Arc<BaseConsumer<Context>>,
    /// Counted as each loss is put into the outbox.
    pub(super) losses: Losses,
    pub(super) waker: Arc<Waker>,
    pub(super) release_limit: Duration,
    pub(super) held: Held,
    pub(super) commits: Commits,
    pub(super) rebalance: Rebalance,
    /// Events that are not records, until the channel has room. Records are not taken before it is empty: so the order
    /// of events is the order in which things happened.
    pub(super) outbox: VecDeque<Event>,
    pub(super) fatal: Option<Box<str>>,
    mailbox: Arc<Mailbox>,
    events: Sender<Event>,
    balance: Balance,
    next_report: Instant,
}

impl Reader {
    pub(super) fn new(
        group: Arc<str>,
        release_limit: Duration,
        consumer: Arc<BaseConsumer<Context>>,
        losses: Losses,
        waker: Arc<Waker>,
        mailbox: Arc<Mailbox>,
        events: Sender<Event>,
    ) -> Self {
        Self {
            group,
            consumer,
            losses,
            waker,
            release_limit,
            held: Held::default(),
            commits: Commits::default(),
            rebalance: Rebalance::default(),
            outbox: VecDeque::new(),
            fatal: None,
            mailbox,
            events,
            balance: Balance::default(),
            next_report: Instant::now() + lag::INTERVAL,
        }
    }

    /// Reads until the flow closes the source, or until librdkafka says that nothing can be read any more.
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.waker.here();
        while !self.mailbox.closing() {
            let busy = self.round();
            if let Some(reason) = self.fatal.take() {
                return Err(self.fail(reason));
            }
            if !busy {
                self.sleep();
            }
        }
        self.leave();
        Ok(())
    }

    /// Does what can be done without waiting; `false` where there was nothing.
    pub(super) fn round(&mut self) -> bool {
        self.serve_asks();
        let mut busy = self.poll();
        busy |= self.step_rebalance();
        busy |= self.flush();
        busy |= self.hand_over();
        if Instant::now() >= self.next_report {
            self.next_report = Instant::now() + lag::INTERVAL;
            self.held.iter().for_each(|holding| lag::report(&self.consumer, &self.group, holding));
        }
        busy
    }

    /// A round without records.
    pub(super) fn settle(&mut self) -> bool {
        self.serve_asks();
        let busy = self.poll();
        self.step_rebalance() || busy
    }

    pub(super) fn sleep(&self) {
        self.consumer.context().revival.look(self.consumer.client().native_ptr());
        let since = Instant::now();
        thread::park_timeout(SLEEP);
        if since.elapsed() >= SLEEP {
            // Nobody is known to have been forgotten; should it happen, it costs this much and not for ever.
            self.held.iter().for_each(|holding| holding.look_again());
        }
    }

    fn serve_asks(&mut self) {
        if self.outbox.len() >= OUTBOX {
            return;
        }
        let asks = self.mailbox.take();
        self.balance.grant(asks.messages, asks.bytes);
        for (partition, paused) in asks.paused {
            if let Some(holding) = self.held.get_mut(&partition) {
                holding.paused = paused;
                holding.look_again();
            }
        }
        let (allowed, mut refused): (Vec<_>, Vec<_>) = asks.commits.into_iter().partition(|p| self.may_commit(p));
        refused.extend(asks.refused);
        refused.extend(self.commits.send(&self.consumer, allowed, Purpose::Interval));
        if !refused.is_empty() {
            self.outbox.push_back(Event::CommitFailed(refused));
        }
        for (partition, commit) in asks.give_ups {
            self.give_up(&partition, commit);
        }
    }

    /// Whether the partition is ours and was read that far. Kafka itself would take a commit of any member for any
    /// partition, and so move somebody else's position.
    pub(super) fn may_commit(&self, position: &Position) -> bool {
        self.held.get(&position.partition).is_some_and(|holding| holding.may_commit(position.offset))
    }

    /// Polls the main queue: rebalances, commits, errors. Records do not come this way.
    pub(super) fn poll(&mut self) -> bool {
        let mut busy = false;
        for _ in 0..POLLS {
            let calls = self.consumer.context().calls();
            match self.consumer.poll(Duration::ZERO) {
                None if self.consumer.context().calls() == calls => break,
                None | Some(Err(_)) => {} // the context has noted it
                Some(Ok(message)) => {
                    let (topic, number, offset) = (message.topic(), message.partition(), message.offset());
                    let reason = format!("{topic}/{number}/{offset} came past the queue of its partition");
                    self.fatal.get_or_insert(reason.into());
                }
            }
            busy = true;
        }
        for occurrence in self.consumer.context().take() {
            match occurrence {
                Occurrence::Commit(answers) => self.committed(answers),
                Occurrence::Fatal(reason) => drop(self.fatal.get_or_insert(reason)),
                Occurrence::Assign(_) | Occurrence::Revoke { .. } => self.rebalance.waiting.push_back(occurrence),
            }
        }
        busy
    }

    fn committed(&mut self, answers: Vec<Answer>) {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for answer in answers {
            let Some(sent) = self.commits.answered(&answer) else { continue };
            if answer.result.is_ok()
                && let Some(holding) = self.held.get_mut(&answer.partition)
            {
                holding.committed = Some(answer.offset);
            }
            match (sent.purpose, answer.result) {
                (Purpose::GiveUp, result) => self.give_up_answered(sent.position, result),
                (Purpose::Interval, Ok(())) => done.push(sent.position),
                (Purpose::Interval, Err(code)) => {
                    let Position { partition: Partition { topic, number }, offset, .. } = &sent.position;
                    tracing::debug!(group = %self.group, %topic, partition = number, offset, ?code, "commit failed");
                    failed.push(sent.position);
                }
            }
        }
        if !done.is_empty() {
            self.outbox.push_back(Event::Committed(done));
        }
        if !failed.is_empty() {
            self.outbox.push_back(Event::CommitFailed(failed));
        }
    }

    /// Room for one event. Where there is none, the reader will be woken when there is.
    fn permit<'a>(events: &'a Sender<Event>, mailbox: &Mailbox) -> Option<Permit<'a, Event>> {
        match events.try_reserve() {
            Ok(permit) => return Some(permit),
            Err(TrySendError::Closed(())) => {
                mailbox.close(); // nobody will ever listen again
                return None;
            }
            Err(TrySendError::Full(())) => mailbox.block(),
        }
        // Room may have come between the two.
        events.try_reserve().ok()
    }

    pub(super) fn flush(&mut self) -> bool {
        let mut busy = false;
        while !self.outbox.is_empty() {
            let Some(permit) = Self::permit(&self.events, &self.mailbox) else { break };
            permit.send(self.outbox.pop_front().expect("it is not empty"));
            busy = true;
        }
        busy
    }

    /// Hands over records, a batch for each partition in turn, while grant and channel allow. Room in the channel comes
    /// first: what was taken is always handed over.
    fn hand_over(&mut self) -> bool {
        if !self.outbox.is_empty() {
            return false;
        }
        let Self { held, balance, events, mailbox, consumer, outbox, losses, .. } = self;
        let journal = &consumer.context().journal;
        let high = |partition: &Partition| lag::watermarks(consumer, partition).map(|(_, high)| high);
        let mut busy = false;
        held.visit(|holding| {
            if !balance.open() && !holding.begins_anew() {
                return ControlFlow::Break(());
            }
            let Some(permit) = Self::permit(events, mailbox) else { return ControlFlow::Break(()) };
            let taken = holding.take(balance, journal, high);
            let partition = holding.partition.clone();
            if taken.begins_anew {
                tracing::warn!(topic = %partition.topic, partition = partition.number, "the log begins anew");
                let assignment = Assignment { partition: partition.clone(), metadata: None };
                losses.count();
                outbox.extend([Event::Lost(vec![partition.clone()]), Event::Assigned(vec![assignment])]);
            }
            busy |= taken.begins_anew || !taken.records.is_empty();
            if !taken.records.is_empty() {
                permit.send(Event::Records { partition, records: taken.records });
            }
            if taken.begins_anew { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        busy
    }

    /// Says what has to be said after a fatal error; the partitions are gone, whatever the group thinks.
    fn fail(mut self, reason: Box<str>) -> Error {
        tracing::error!(group = %self.group, %reason, "the consumer has ended");
        self.lose_all();
        let until = Instant::now() + super::CLOSE_LIMIT;
        while !self.outbox.is_empty() && !self.mailbox.closing() && Instant::now() < until {
            if !self.flush() {
                thread::park_timeout(SLEEP);
            }
        }
        Error::Fatal { group: self.group.as_ref().into(), reason }
    }
}
