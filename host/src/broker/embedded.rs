//! Embedded brokers, for `cofferdam dev` and for quick tests of one module.
//!
//! They are stand-ins that start quickly, and prove nothing about real brokers. The tests of the guarantees use Apache Kafka
//! and an SQS server.
//!
//! Kafka ([`Kafka`]) is the mock cluster of librdkafka:
//!
//! * memory only, on a port that the system chose, gone with the value; no TLS, SASL, ACLs or admin interface;
//! * 5 MiB or 100,000 batches per partition, the oldest evicted even if nobody has read them: a reader that falls
//!   behind skips without a word, so watch the low watermark;
//! * transactions are accepted and mean nothing (aborted records stay visible, offsets sent to one are thrown away):
//!   refuse `exactly_once`;
//! * new records do not wake a waiting fetch and rebalances last about a session timeout: see
//!   [`Kafka::CLIENT_PROPERTIES`]; commits fail more often while a group rebalances, so messages come again;
//! * never call `AdminClient::delete_groups` on it: dropping that client aborts the process;
//! * offsets for a point in time are always the end.
//!
//! SQS ([`Sqs`]) is rustack:
//!
//! * memory only, on a port that the system chose, no check of signatures;
//! * one message of a FIFO group per receive, so no batches within a group; busy groups whose names come first in the
//!   alphabet can keep others waiting;
//! * `DelaySeconds` is ignored on FIFO queues, bodies end at 256 KiB, `maxReceiveCount` has to be a number in the
//!   redrive policy, bad receipt handles are accepted;
//! * a long poll can miss the message behind one that was just moved to the dead-letter queue;
//! * no message move tasks, no `ReceiveRequestAttemptId`.

pub use super::kafka::embedded::Kafka;
pub use super::sqs::embedded::{QueueSpec, Redrive, Sqs};

/// Why a broker inside the process could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// librdkafka refused to make its mock cluster.
    #[error("failed to start the embedded kafka cluster: {0}")]
    Cluster(#[source] rdkafka::error::KafkaError),
    /// A topic name or a number of partitions that the mock cluster does not take.
    #[error("embedded kafka cluster: failed to create topic {topic:?} with {partitions} partitions: {reason}")]
    Topic {
        /// The name asked for.
        topic: String,
        /// The number of partitions asked for.
        partitions: i32,
        /// What is wrong with them.
        reason: String,
    },
    /// A queue name or an attribute that the SQS server does not take.
    #[error("embedded sqs server: failed to create queue {queue:?}: {reason}")]
    Queue {
        /// The name asked for.
        queue: String,
        /// What the server says.
        reason: String,
    },
    /// No port, no thread, or no event loop for the SQS server.
    #[error("failed to start the embedded sqs server: {0}")]
    Serve(#[from] std::io::Error),
}
