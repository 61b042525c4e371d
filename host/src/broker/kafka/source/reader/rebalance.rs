//! Rebalances: partitions that the group assigns and revokes.
//!
//! librdkafka waits until a call to assign or unassign answers a rebalance. Until then the reader continues its rounds: it
//! serves requests and commits, so that the flow can finish and commit revoked partitions.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cofferdam_core::event::{Assignment, Event, Partition};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::progress::resume;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::Reader;
use super::recreated::{self, START};
use crate::broker::kafka::offsets::{listed, names};
use crate::broker::kafka::source::commits::{Purpose, transient};
use crate::broker::kafka::source::committed::{Committed, committed};
use crate::broker::kafka::source::context::{self, Occurrence};
use crate::broker::kafka::source::holding::Holding;
use crate::broker::kafka::source::identity::{Ids, Topics, identity};
use crate::broker::kafka::source::lag;
use crate::broker::kafka::source::queue::Queue;
use crate::broker::kafka::source::shared::State;

/// Longest time for reading the committed metadata before partitions are accepted without it.
const METADATA_LIMIT: Duration = Duration::from_secs(60);
/// Wait before a commit that failed during a rebalance is repeated.
const REPEAT: Duration = Duration::from_millis(100);

/// Pending rebalances, in order. One is answered at a time.
#[derive(Default)]
pub(super) struct Rebalance {
    pub(super) waiting: VecDeque<Occurrence>,
    stage: Option<Stage>,
    /// Whether the consumer leaves the group. No assignment is accepted then, because reading the committed offsets would
    /// block the thread for seconds.
    pub(super) leaving: bool,
}

/// The rebalance that librdkafka waits for.
enum Stage {
    Assigning { partitions: TopicPartitionList, topics: Option<Topics>, until: Instant },
    Releasing { partitions: TopicPartitionList, releases: BTreeMap<Partition, Release>, until: Instant },
}

/// The state of a revoked partition.
enum Release {
    /// The flow has not given it up.
    Held,
    /// Its last commit must be sent at this time.
    Due { position: CommitPosition, at: Instant },
    /// Its last commit is unanswered.
    Sent,
    /// It can be given back.
    Settled,
}

impl Reader {
    /// Advances the current rebalance as far as possible without waiting. Returns whether anything was done.
    pub(super) fn step_rebalance(&mut self) -> bool {
        let mut busy = false;
        loop {
            let finished = match &mut self.rebalance.stage {
                None => match self.rebalance.waiting.pop_front() {
                    Some(occurrence) => self.begin(occurrence),
                    None => return busy,
                },
                Some(Stage::Assigning { .. }) if self.rebalance.leaving => return busy,
                Some(Stage::Assigning { .. }) => self.step_assigning(),
                Some(Stage::Releasing { .. }) => self.step_releasing(),
            };
            if !finished {
                return busy;
            }
            busy = true;
        }
    }

    fn begin(&mut self, occurrence: Occurrence) -> bool {
        let now = Instant::now();
        match occurrence {
            Occurrence::Assign(partitions) => {
                let mut topics = Topics::new(&self.consumer);
                let names = partitions.elements();
                topics.iter_mut().for_each(|topics| topics.ask(names.iter().map(|element| element.topic())));
                drop(names);
                self.rebalance.stage = Some(Stage::Assigning { partitions, topics, until: now + METADATA_LIMIT });
            }
            Occurrence::Revoke { partitions, lost } => {
                let ours = if lost { self.let_go(names(&partitions)) } else { self.revoke(names(&partitions)) };
                let what = if lost { "lost" } else { "revoked" };
                tracing::debug!(group = %self.group, what, partitions = %listed(&ours), "rebalance");
                let releases = if lost { Vec::new() } else { ours };
                let releases = releases.into_iter().map(|partition| (partition, Release::Held)).collect();
                self.rebalance.stage =
                    Some(Stage::Releasing { partitions, releases, until: now + self.config.revoke_timeout });
            }
            Occurrence::Commit(_) | Occurrence::Fatal(_) => {} // dealt with where they come in
        }
        true
    }

    fn step_assigning(&mut self) -> bool {
        let Some(Stage::Assigning { partitions, mut topics, until }) = self.rebalance.stage.take() else {
            return false;
        };
        let found = committed(&self.consumer, &partitions);
        let ids = topics.as_mut().map_or(Ok(Ids::new()), Topics::wait);
        let error = found.as_ref().err().cloned().or_else(|| ids.as_ref().err().copied().map(KafkaError::Global));
        if let Some(error) = error {
            if Instant::now() < until {
                tracing::debug!(group = %self.group, %error, "failed to read committed offsets and topic ids, retrying");
                let names = partitions.elements();
                topics.iter_mut().for_each(|topics| topics.ask(names.iter().map(|element| element.topic())));
                drop(names);
                self.rebalance.stage = Some(Stage::Assigning { partitions, topics, until });
                return false;
            }
            // Without the metadata finished work may be repeated, which is allowed. Waiting for ever is not.
            tracing::warn!(group = %self.group, %error, "failed to read committed offsets or topic ids");
        }
        let mut found = found.unwrap_or_else(|_| Committed::unknown(partitions));
        let ids = ids.unwrap_or_default();
        if self.renew_for(found.partitions.iter().map(|(partition, ..)| partition), &ids) {
            return true;
        }
        let cluster = topics.and_then(|topics| topics.cluster());
        let (mut assigned, mut holdings) = (Vec::new(), Vec::new());
        for (partition, committed, metadata) in found.partitions {
            let Some(queue) = Queue::split(&self.consumer, &partition, self.shared.wake()) else {
                let reason = format!("{}/{} has no queue", partition.topic, partition.number);
                self.fatal.get_or_insert(reason.into());
                continue;
            };
            let identity = identity(&partition, cluster.as_deref(), &ids);
            let resumption = resume(committed, metadata.as_deref(), identity);
            if resumption.is_recreated {
                recreated::tell(&self.group, &partition);
            }
            if resumption.is_recreated
                && let Err(error) = found.list.set_partition_offset(&partition.topic, partition.number, START)
            {
                self.fatal.get_or_insert(format!("failed to set the start of a partition: {error}").into());
            }
            let gauge = lag::gauge(&self.group, &partition);
            let id = ids.get(&partition.topic).copied();
            holdings.push(Holding::new(partition.clone(), queue, resumption.from, (id, identity), gauge));
            assigned.push(Assignment { partition, identity, committed, metadata });
        }
        self.known.extend(ids);
        let listed = listed(assigned.iter().map(|assignment| &assignment.partition));
        tracing::debug!(group = %self.group, what = "assigned", partitions = %listed, "rebalance");
        if !assigned.is_empty() {
            self.shared.with(|state| {
                holdings.into_iter().for_each(|holding| state.held.insert(holding));
                state.outbox.push_back(Event::Assigned(assigned));
            });
        }
        if let Err(error) = context::assign(&self.consumer, &found.list) {
            self.fatal.get_or_insert(format!("failed to assign partitions: {error}").into());
        }
        true
    }

    fn step_releasing(&mut self) -> bool {
        let Some(Stage::Releasing { partitions, mut releases, until }) = self.rebalance.stage.take() else {
            return false;
        };
        let now = Instant::now();
        for release in releases.values_mut() {
            if let Release::Due { position, at } = release
                && *at <= now
            {
                let unsent = self.commits.send(&self.consumer, vec![position.clone()], Purpose::GiveUp);
                *release = match unsent.into_iter().next() {
                    Some(position) => Release::Due { position, at: now + REPEAT },
                    None => Release::Sent,
                };
            }
        }
        let kept = |(partition, release): (&Partition, &Release)| {
            !matches!(release, Release::Settled) || self.commits.under_way(partition)
        };
        if releases.iter().any(kept) && now < until && !self.consumer.assignment_lost() {
            self.rebalance.stage = Some(Stage::Releasing { partitions, releases, until });
            return false;
        }
        let late = releases.into_iter().filter(|(_, release)| !matches!(release, Release::Settled));
        let late = self.let_go(late.map(|(partition, _)| partition));
        drop(self.shared.with(|state| state.held.remove(names(&partitions))));
        if !late.is_empty() {
            tracing::warn!(group = %self.group, partitions = %listed(&late), "revoke_timeout exceeded: giving up revoked partitions with running attempts");
        }
        if let Err(error) = context::unassign(&self.consumer, &partitions) {
            self.fatal.get_or_insert(format!("failed to unassign partitions: {error}").into());
        }
        true
    }

    /// Gives up a revoked partition, with a last commit, if any. Called when the flow has finished it.
    pub(super) fn give_up(&mut self, partition: &Partition, commit: Option<CommitPosition>) {
        let commit = commit.filter(|position| {
            let may = self.shared.with(|state| state.held.may_commit(position));
            if !may {
                tracing::error!(?position, "suppressed a commit beyond the received records");
            }
            may
        });
        let Some(Stage::Releasing { releases, .. }) = &mut self.rebalance.stage else { return };
        if let Some(release @ Release::Held) = releases.get_mut(partition) {
            *release = match commit {
                Some(position) => Release::Due { position, at: Instant::now() },
                None => Release::Settled,
            };
        }
    }

    /// Handles the answer to the last commit of a partition.
    pub(super) fn give_up_answered(&mut self, position: CommitPosition, result: Result<(), RDKafkaErrorCode>) {
        let Some(Stage::Releasing { releases, .. }) = &mut self.rebalance.stage else { return };
        let Some(release) = releases.get_mut(&position.partition) else { return };
        *release = match result {
            Err(code) if transient(code) => Release::Due { position, at: Instant::now() + REPEAT },
            Err(code) => {
                tracing::warn!(group = %self.group, ?code, ?position, "failed to commit a revoked partition");
                self.shared.tell([Event::CommitFailed(vec![position])]);
                Release::Settled
            }
            Ok(()) => {
                self.shared.tell([Event::Committed(vec![position])]);
                Release::Settled
            }
        };
    }

    /// Loses all partitions after a fatal error of librdkafka.
    pub(super) fn lose_all(&mut self) {
        let all: Vec<_> = self.shared.with(|state| state.held.iter().map(|it| it.partition.clone()).collect());
        self.let_go(all);
    }

    /// Carries out the remaining requests and leaves the group, at the latest at `until`. Two thirds of the time are for
    /// the last commits.
    pub(super) fn leave(mut self, until: Instant) {
        self.rebalance.leaving = true;
        let now = Instant::now();
        let commits = now + until.saturating_duration_since(now) * 2 / 3;
        while self.fatal.is_none() && Instant::now() < commits {
            let busy = self.round();
            if self.commits.is_empty() && !self.releases_due() {
                break;
            }
            if !busy {
                self.sleep();
            }
        }
        drop(self.shared.with(State::end));
        self.close_consumer(until);
        tracing::debug!(group = %self.group, what = "left", "rebalance");
    }

    /// Leaves the group and closes the consumer, at the latest at `until`.
    pub(super) fn close_consumer(&mut self, until: Instant) {
        self.consumer.context().leave();
        // A pending rebalance must be answered now, or librdkafka would wait for ever.
        let answered = match self.rebalance.stage.take() {
            None => Ok(()),
            Some(Stage::Assigning { .. }) => context::decline(&self.consumer),
            Some(Stage::Releasing { partitions, .. }) => context::unassign(&self.consumer, &partitions),
        };
        if let Err(error) = answered {
            tracing::debug!(group = %self.group, %error, "failed to answer a rebalance while leaving the group");
        }
        // A consumer that is being replaced closes already.
        if self.renewal.is_none()
            && let Err(error) = self.consumer.close_queue()
        {
            tracing::warn!(group = %self.group, %error, "failed to leave the consumer group");
        }
        while !self.consumer.closed() && Instant::now() < until {
            if !self.poll() {
                thread::park_timeout(Duration::from_millis(10));
            }
        }
        if !self.consumer.closed() {
            tracing::debug!(group = %self.group, "leaving the consumer group was not confirmed");
            // Dropping a consumer that has not left would wait for that. The process ends without the drop.
            std::mem::forget(Arc::clone(&self.consumer));
        }
    }

    fn releases_due(&self) -> bool {
        let Some(Stage::Releasing { releases, .. }) = &self.rebalance.stage else { return false };
        releases.values().any(|release| matches!(release, Release::Due { .. } | Release::Sent))
    }

    /// Stops reading the assigned ones of these partitions and tells the flow. Returns them.
    fn revoke(&self, partitions: impl Iterator<Item = Partition>) -> Vec<Partition> {
        self.shared.with(|state| {
            let ours: Vec<Partition> = partitions.filter(|partition| state.held.revoke(partition)).collect();
            if !ours.is_empty() {
                state.outbox.push_back(Event::Revoked(ours.clone()));
            }
            ours
        })
    }

    /// Drops the assigned ones of these partitions and tells the flow that they are lost. Returns them.
    pub(super) fn let_go(&self, partitions: impl IntoIterator<Item = Partition>) -> Vec<Partition> {
        let gone = self.shared.with(|state| {
            let gone = state.held.remove(partitions);
            if !gone.is_empty() {
                state.lose(gone.iter().map(|holding| holding.partition.clone()).collect());
            }
            gone
        });
        gone.iter().map(|holding| holding.partition.clone()).collect()
    }
}
