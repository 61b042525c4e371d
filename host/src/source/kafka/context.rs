//! What librdkafka calls while the reader polls its main queue.
//!
//! Nothing is done here: what happened is noted, and the reader deals with it when the poll has returned. With
//! librdkafka's events a rebalance is answered by the call to assign or unassign, not by the end of the callback; so
//! the reader can wait for partitions to be given up and still serve the flow.

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

use crate::kafka::journal::{Journal, is_not_authorized};
use crate::kafka::revival::Revival;

/// Something that happened in the group.
pub(super) enum Occurrence {
    /// New partitions; all of them with an eager assignor, the additional ones with a cooperative one.
    Assign(TopicPartitionList),
    /// Partitions to let go.
    Revoke {
        partitions: TopicPartitionList,
        /// They have a new owner already, or may have.
        lost: bool,
    },
    /// A commit was answered.
    Commit(Vec<Answer>),
    /// The consumer is of no use any more.
    Fatal(Box<str>),
}

/// The broker's word on the commit of one partition.
pub(super) struct Answer {
    pub(super) partition: Partition,
    pub(super) offset: i64,
    pub(super) result: Result<(), RDKafkaErrorCode>,
}

/// The consumer's context.
pub(super) struct Context {
    pub(super) journal: Journal,
    pub(super) revival: Revival,
    occurrences: Mutex<Vec<Occurrence>>,
    calls: AtomicU64,
    leaving: AtomicBool,
    complaint: Mutex<Option<Complaint>>,
}

/// An error by which the group or a topic does not have the consumer.
#[derive(Debug, Clone)]
pub(super) struct Complaint {
    pub(super) at: Instant,
    pub(super) text: Box<str>,
    /// librdkafka says it once, and not again while it lasts.
    pub(super) is_said_once: bool,
}

impl Context {
    /// For a consumer of this configuration.
    pub(super) fn new(client: &ClientConfig, route: &str) -> Self {
        Self {
            journal: Journal::of_route("consumer", route),
            revival: Revival::new(client),
            occurrences: Mutex::default(),
            calls: AtomicU64::new(0),
            leaving: AtomicBool::new(false),
            complaint: Mutex::default(),
        }
    }

    /// What happened since the last call, in order.
    pub(super) fn take(&self) -> Vec<Occurrence> {
        std::mem::take(&mut *self.occurrences.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The last one.
    pub(super) fn complaint(&self) -> Option<Complaint> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Grows with every call of librdkafka.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// From now on rebalances are answered at once: the reader has nothing left to wait for.
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
            let complaint = Complaint { at: Instant::now(), text: text.into(), is_said_once };
            *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = Some(complaint);
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
            // The result is that of some partition or of the whole request, and then the elements know nothing of it.
            // In doubt a commit has failed: it is repeated.
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

/// Whether an error is the group's or a topic's refusal to have the consumer.
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

/// Adds partitions to the assignment, or makes them the assignment, as the group's assignor wants it.
pub(super) fn assign(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_assign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.assign(partitions),
    }
}

/// Answers an assignment without taking anything of it.
pub(super) fn decline(consumer: &BaseConsumer<Context>) -> KafkaResult<()> {
    assign(consumer, &TopicPartitionList::new())
}

/// Takes partitions from the assignment.
pub(super) fn unassign(consumer: &BaseConsumer<Context>, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        RebalanceProtocol::Eager | RebalanceProtocol::None => consumer.unassign(),
    }
}
