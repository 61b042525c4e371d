//! Commits on their way, and whose they are.

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
use crate::kafka::offsets;

/// Commits that the broker has not answered. librdkafka answers every one, with an error where it gives up.
#[derive(Debug, Default)]
pub(super) struct Commits(BTreeMap<Partition, VecDeque<Sent>>);

/// A commit on its way.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) position: CommitPosition,
    pub(super) purpose: Purpose,
}

/// Why it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The flow asked for it.
    Interval,
    /// The partition is being given up.
    GiveUp,
}

impl Commits {
    /// Sends these, each partition at most once in a request. Returns those that could not be sent.
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

    /// The commit that this answers; `None` where nobody waits for it.
    pub(super) fn answered(&mut self, answer: &Answer) -> Option<Sent> {
        let sent = self.0.get_mut(&answer.partition)?;
        let index = sent.iter().position(|sent| sent.position.offset == answer.offset)?;
        let answered = sent.remove(index);
        if sent.is_empty() {
            self.0.remove(&answer.partition);
        }
        answered
    }

    /// Whether a commit of this partition is on its way.
    pub(super) fn under_way(&self, partition: &Partition) -> bool {
        self.0.contains_key(partition)
    }

    /// Whether none is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Sends a commit whose answer comes by the consumer's queue. The safe interface's asynchronous commit is never answered:
/// librdkafka answers it only where a callback of the old kind is configured, and rdkafka configures events.
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

/// Whether the same commit may succeed a little later, with the same member of the group.
pub(super) fn transient(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::RebalanceInProgress
            // While a rebalance goes on, the new generation may be on its way; where it is not, the assignment is
            // lost, and then nobody asks this.
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
