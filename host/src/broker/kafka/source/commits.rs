//! Commits that the broker has not answered, and who asked for them.

use std::collections::{BTreeMap, VecDeque};

use cofferdam_core::event::Partition;
use cofferdam_core::ids::CommitPosition;
use rdkafka::TopicPartitionList;
use rdkafka::bindings::{
    rd_kafka_commit_queue, rd_kafka_queue_destroy, rd_kafka_queue_get_consumer, rd_kafka_resp_err_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::context::{Answer, Context};
use crate::broker::kafka::offsets;

/// Commits that the broker has not answered. librdkafka answers each commit, with an error if it gives up.
#[derive(Debug, Default)]
pub(super) struct Commits(BTreeMap<Partition, VecDeque<Sent>>);

/// An unanswered commit.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) position: CommitPosition,
    pub(super) purpose: Purpose,
}

/// The reason for a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The flow asked for it.
    Interval,
    /// The partition is being given up.
    GiveUp,
}

impl Commits {
    /// Sends commits; a request contains each partition at most once. Returns the commits that could not be sent.
    pub(super) fn send(
        &mut self,
        consumer: &BaseConsumer<Context>,
        mut positions: Vec<CommitPosition>,
        purpose: Purpose,
    ) -> Vec<CommitPosition> {
        let mut unsent = Vec::new();
        while !positions.is_empty() {
            let mut request = BTreeMap::new();
            let mut later = Vec::new();
            for position in positions {
                match request.contains_key(&position.partition) {
                    true => later.push(position),
                    false => drop(request.insert(position.partition.clone(), position)),
                }
            }
            let sent = offsets::list(request.values()).and_then(|list| commit(consumer, &list));
            match sent {
                Ok(()) => {
                    for (partition, position) in request {
                        self.0.entry(partition).or_default().push_back(Sent { position, purpose });
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "failed to send a commit");
                    unsent.extend(request.into_values());
                }
            }
            positions = later;
        }
        unsent
    }

    /// Removes and returns the commit that this answers; `None` if there is none.
    pub(super) fn answered(&mut self, answer: &Answer) -> Option<Sent> {
        let sent = self.0.get_mut(&answer.partition)?;
        let index = sent.iter().position(|sent| sent.position.offset == answer.offset)?;
        let answered = sent.remove(index);
        if sent.is_empty() {
            self.0.remove(&answer.partition);
        }
        answered
    }

    /// Returns whether a commit of this partition is unanswered.
    pub(super) fn under_way(&self, partition: &Partition) -> bool {
        self.0.contains_key(partition)
    }

    /// Returns whether all commits are answered.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Sends a commit whose answer arrives in the queue of the consumer. The asynchronous commit of the safe interface gets no
/// answer: librdkafka answers it only through the old callback, but the rdkafka crate uses events.
fn commit(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> KafkaResult<()> {
    let client = consumer.client().native_ptr();
    // SAFETY: client and list are alive for the whole call, which copies the list and takes a reference of its own to
    // the queue; ours is given back right after. Without a callback the answer is an event for whoever polls the queue.
    let error = unsafe {
        let queue = rd_kafka_queue_get_consumer(client);
        let error = rd_kafka_commit_queue(client, list.ptr(), queue, None, std::ptr::null_mut());
        rd_kafka_queue_destroy(queue);
        error
    };
    match error {
        rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(KafkaError::ConsumerCommit(error.into())),
    }
}

/// Returns whether the same commit may succeed later with the same group member.
pub(super) fn transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::RebalanceInProgress
            // During a rebalance the new generation may not have arrived yet. If there is no new generation, the assignment
            // is lost, and this function is not called.
            | Code::IllegalGeneration
            | Code::CoordinatorNotAvailable
            | Code::CoordinatorLoadInProgress
            | Code::NotCoordinator
            | Code::WaitingForCoordinator
            | Code::InProgress
            | Code::RequestTimedOut
            | Code::OperationTimedOut
            | Code::MessageTimedOut
            | Code::NetworkException
            | Code::BrokerTransportFailure
            | Code::AllBrokersDown
            | Code::UnknownTopicOrPartition
    )
}
