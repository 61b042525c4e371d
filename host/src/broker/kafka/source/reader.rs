//! The reader: the thread that serves the consumer group. It answers rebalances and sends commits.

mod rebalance;
mod recreated;
mod renewal;
mod reread;

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cofferdam_core::event::{Event, Partition};
use cofferdam_core::ids::CommitPosition;
use rdkafka::Message;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::commits::{Commits, Purpose};
use super::context::{Answer, Context, Occurrence};
use super::current::Current;
use super::ends::{Behind, End, Ends};
use super::identity::{Ids, Topics};
use super::lag::{self, GroupProgress};
use super::shared::{Shared, State};
use super::{Config, Error};
use crate::broker::kafka::waker::Waker;
use rebalance::Rebalance;

/// Longest sleep of the reader.
const SLEEP: Duration = Duration::from_millis(100);
/// Highest number of polls of the main queue in one round.
const POLLS: usize = 64;

/// The consumer, and the state of its thread.
pub(super) struct Reader {
    group: Arc<str>,
    config: Config,
    waker: Arc<Waker>,
    consumer: Arc<BaseConsumer<Context>>,
    current: Current,
    /// The time by which the consumer must be replaced; `None` if it stays.
    renewal: Option<Instant>,
    shared: Arc<Shared>,
    commits: Commits,
    rebalance: Rebalance,
    /// Partitions to read again from the committed offset.
    rereads: Vec<Partition>,
    fatal: Option<Box<str>>,
    /// Asks periodically for the ids of the topics; `None` if that is not possible.
    topics: Option<Topics>,
    /// The last known topic ids, including those of topics without an assigned partition.
    known: Ids,
    /// Looks for the ends of partitions.
    ends: Ends,
    next_report: Instant,
}

impl Reader {
    pub(super) fn new(
        config: Config,
        waker: Arc<Waker>,
        consumer: Arc<BaseConsumer<Context>>,
        current: Current,
        shared: Arc<Shared>,
        ends: Ends,
    ) -> Self {
        Self {
            group: config.group.as_str().into(),
            config,
            waker,
            ends,
            topics: Topics::new(&consumer),
            known: Ids::new(),
            consumer,
            current,
            renewal: None,
            shared,
            commits: Commits::default(),
            rebalance: Rebalance::default(),
            rereads: Vec::new(),
            fatal: None,
            next_report: Instant::now() + lag::INTERVAL,
        }
    }

    /// Runs until the flow closes the source, or until a fatal error of librdkafka.
    pub(super) fn run(mut self) -> Result<(), Error> {
        self.waker.here();
        let until = loop {
            if let Some(until) = self.shared.closing() {
                break until;
            }
            let busy = self.round();
            if let Some(reason) = self.fatal.take() {
                tracing::error!(event = "client_failed", client = "consumer", group = %self.group, %reason, "the consumer failed permanently");
                // All partitions are lost, even if the group still assigns them.
                self.lose_all();
                return Err(Error::Fatal { group: self.group.as_ref().into(), reason });
            }
            self.report();
            if !busy {
                self.sleep();
            }
        };
        self.leave(until);
        Ok(())
    }

    /// Does everything that needs no wait. Returns `false` if there was nothing to do.
    fn round(&mut self) -> bool {
        self.serve_asks();
        let busy = self.poll();
        self.look_for_recreated();
        self.reach();
        let busy = self.step_rebalance() || busy;
        self.step_renewal() || busy
    }

    fn sleep(&self) {
        self.consumer.context().revival.look(self.consumer.client().native_ptr());
        let since = Instant::now();
        thread::park_timeout(SLEEP);
        // No lost wake-up is known. If one occurs, it delays records by this sleep, not for ever.
        let remind = |state: &mut State| state.held.iter().filter(|holding| holding.remind()).count() > 0;
        if since.elapsed() >= SLEEP && self.shared.with(remind) {
            self.shared.wake().raise();
        }
    }

    fn report(&mut self) {
        let now = Instant::now();
        if now >= self.next_report {
            self.next_report = now + lag::INTERVAL;
            let standings: Vec<GroupProgress> =
                self.shared.with(|state| state.held.iter().map(GroupProgress::of).collect());
            let behind = standings.iter().filter_map(|standing| standing.report(&self.consumer, &self.group));
            self.ends.look(behind.collect());
            if let Some(topics) = &mut self.topics {
                topics.ask(standings.iter().map(GroupProgress::topic));
            }
        }
    }

    /// Tells the flow which partitions have only offsets without a record behind the last record that it received.
    fn reach(&mut self) {
        let found = self.ends.found();
        if found.is_empty() {
            return;
        }
        self.shared.with(|state| {
            for end in found.into_iter().filter(|end| state.held.reach(end)).collect::<Vec<_>>() {
                let End { of: Behind { partition, committed, .. }, offset } = end;
                state.outbox.push_back(Event::Reached { partition, from: committed, offset });
            }
        });
    }

    fn serve_asks(&mut self) {
        let (allowed, mut refused, give_ups, rereads) = self.shared.with(|state| {
            let asks = state.take_asks();
            let (allowed, mut refused): (Vec<_>, Vec<_>) =
                asks.commits.into_iter().partition(|position| state.held.may_commit(position));
            refused.extend(asks.refused);
            (allowed, refused, asks.give_ups, asks.rereads)
        });
        self.rereads.extend(rereads);
        refused.extend(self.commits.send(&self.consumer, allowed, Purpose::Interval));
        if !refused.is_empty() {
            self.shared.tell([Event::CommitFailed(refused)]);
        }
        for (partition, commit) in give_ups {
            self.give_up(&partition, commit);
        }
        if !self.rereads.is_empty() {
            self.step_rereads();
        }
    }

    /// Polls the main queue for rebalances, commits and errors. Records arrive in the queues of their partitions.
    fn poll(&mut self) -> bool {
        let mut busy = false;
        for _ in 0..POLLS {
            let calls = self.consumer.context().calls();
            match self.consumer.poll(Duration::ZERO) {
                None if self.consumer.context().calls() == calls => break,
                None | Some(Err(_)) => {} // the context has noted it
                Some(Ok(message)) => {
                    let (topic, number, offset) = (message.topic(), message.partition(), message.offset());
                    let reason = format!("{topic}/{number}/{offset} arrived outside the queue of its partition");
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
        // A consumer with a fatal error takes part in nothing, even if no event has reported the error.
        if self.fatal.is_none() {
            let failure = self.consumer.client().fatal_error();
            self.fatal = failure.map(|(code, reason)| format!("{code}: {reason}").into());
        }
        busy
    }

    fn committed(&mut self, answers: Vec<Answer>) {
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for answer in answers {
            let Some(sent) = self.commits.answered(&answer) else { continue };
            if answer.result.is_ok() {
                self.shared.with(|state| state.held.committed(&answer.partition, answer.offset));
            }
            match (sent.purpose, answer.result) {
                (Purpose::GiveUp, result) => self.give_up_answered(sent.position, result),
                (Purpose::Interval, Ok(())) => done.push(sent.position),
                (Purpose::Interval, Err(code)) => {
                    let CommitPosition { partition: Partition { topic, number }, offset, .. } = &sent.position;
                    tracing::debug!(group = %self.group, %topic, partition = number, offset, ?code, "commit failed");
                    failed.push(sent.position);
                }
            }
        }
        let done = (!done.is_empty()).then_some(Event::Committed(done));
        let failed = (!failed.is_empty()).then_some(Event::CommitFailed(failed));
        self.shared.tell(done.into_iter().chain(failed));
    }
}

impl Drop for Reader {
    /// Ends the shared state, so that the flow does not wait for a reader that has ended or panicked.
    fn drop(&mut self) {
        drop(self.shared.with(State::end));
    }
}
