//! The callbacks of librdkafka while the reader polls the main queue.
//!
//! The callbacks only note what happened; the reader handles it after the poll. With the events of librdkafka, the call to
//! assign or unassign answers a rebalance, not the end of the callback. So the reader can wait until the flow has given up
//! partitions, and serves the flow meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use cofferdam_core::event::Partition;
use rdkafka::ClientConfig;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use crate::broker::kafka::journal::{Journal, is_not_authorized};
use crate::broker::kafka::revival::Revival;

/// An event of the group or the consumer.
pub(super) enum Occurrence {
    /// New partitions: all of them with an eager assignor, only the additional ones with a cooperative one.
    Assign(TopicPartitionList),
    /// Partitions to give up.
    Revoke {
        partitions: TopicPartitionList,
        /// Whether they have, or may have, a new owner already.
        lost: bool,
    },
    /// Answers to a commit.
    Commit(Vec<Answer>),
    /// A fatal error: the consumer is unusable.
    Fatal(Box<str>),
}

/// The answer to the commit of one partition.
pub(super) struct Answer {
    pub(super) partition: Partition,
    pub(super) offset: i64,
    pub(super) result: Result<(), RDKafkaErrorCode>,
}

/// The context of the consumer.
pub(super) struct Context {
    pub(super) journal: Journal,
    pub(super) revival: Revival,
    occurrences: Mutex<Vec<Occurrence>>,
    calls: AtomicU64,
    leaving: AtomicBool,
    group_error: Mutex<Option<GroupError>>,
}

/// An error with which the group or a topic refuses the consumer.
#[derive(Debug, Clone)]
pub(super) struct GroupError {
    pub(super) at: Instant,
    pub(super) text: Box<str>,
    /// Whether librdkafka reports the error only once while it lasts.
    pub(super) is_said_once: bool,
}

impl Context {
    /// Creates the context for a consumer with this configuration.
    pub(super) fn new(client: &ClientConfig, route: &str) -> Self {
        Self {
            journal: Journal::of_route("consumer", route),
            revival: Revival::new(client),
            occurrences: Mutex::default(),
            calls: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            group_error: Mutex::default(),
        }
    }

    /// Removes and returns what happened since the last call, in order.
    pub(super) fn take(&self) -> Vec<Occurrence> {
        std::mem::take(&mut *self.occurrences.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the last such error.
    pub(super) fn group_error(&self) -> Option<GroupError> {
        self.group_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns a number that grows with every callback of librdkafka.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Answers rebalances at once from now on, because the reader no longer waits for the flow.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    fn note(&self, occurrence: Occurrence) {
        self.count();
        self.occurrences.lock().unwrap_or_else(PoisonError::into_inner).push(occurrence);
    }

    fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.count();
        self.journal.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, text: &str) {
        self.journal.error(&error, text);
        self.revival.heard(&error);
        if let Some(code) = error.rdkafka_error_code().filter(|code| keeps_out(*code)) {
            let is_said_once = code == RDKafkaErrorCode::TopicAuthorizationFailed;
            let group_error = GroupError { at: Instant::now(), text: text.into(), is_said_once };
            *self.group_error.lock().unwrap_or_else(PoisonError::into_inner) = Some(group_error);
        }
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::Fatal) => self.note(Occurrence::Fatal(text.into())),
            _ => self.count(),
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, err: RDKafkaRespErr, partitions: &mut TopicPartitionList) {
        let assign = err == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        if self.leaving.load(Ordering::Relaxed) {
            self.count();
            let answered = if assign { decline(consumer) } else { unassign(consumer, partitions) };
            if let Err(error) = answered {
                tracing::debug!(%error, "failed to answer a rebalance while leaving the group");
            }
            return;
        }
        self.note(if assign {
            Occurrence::Assign(partitions.clone())
        } else {
            Occurrence::Revoke { partitions: partitions.clone(), lost: consumer.assignment_lost() }
        });
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let answers = offsets.elements().into_iter().filter_map(|element| {
            let Offset::Offset(offset) = element.offset() else { return None };
            let partition = Partition { topic: element.topic().into(), number: element.partition() };
            // The result belongs to one of the partitions or to the whole request; in the second case the elements have no
            // error. In doubt the commit counts as failed and is repeated.
            let result = element
                .error()
                .and(result.clone())
                .map_err(|error| error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
            Some(Answer { partition, offset, result })
        });
        let answers = answers.collect();
        self.note(Occurrence::Commit(answers));
    }
}

/// Returns whether the group or a topic refuses the consumer with this error.
fn keeps_out(code: RDKafkaErrorCode) -> bool {
    is_not_authorized(code)
        || matches!(
            code,
            RDKafkaErrorCode::InconsistentGroupProtocol
                | RDKafkaErrorCode::InvalidSessionTimeout
                | RDKafkaErrorCode::InvalidGroupId
                | RDKafkaErrorCode::GroupMaxSizeReached
                | RDKafkaErrorCode::UnknownTopicOrPartition
        )
}

/// Adds the partitions to the assignment with a cooperative assignor; replaces the assignment with an eager one.
pub(super) fn assign(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(partitions),
    }
}

/// Answers an assignment without accepting any partition.
pub(super) fn decline(consumer: &BaseConsumer<Context>) -> KafkaResult<()> {
    assign(consumer, &TopicPartitionList::new())
}

/// Removes partitions from the assignment.
pub(super) fn unassign(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}
