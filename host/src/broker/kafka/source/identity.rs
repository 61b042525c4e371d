//! Reads the ids of topics and of the cluster through the C interface of librdkafka, to tell topics with the same name
//! apart.
//!
//! A topic that is deleted and created again keeps its name and begins at offset 0. librdkafka 2.12 continues at the
//! old offset without an error once the new topic has grown past it (`FIXME` in `rd_kafka_topic_metadata_update`). So
//! the source requests the ids when partitions are assigned, and again every few seconds. With a broker without topic
//! ids they stay unknown.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::event::Partition;
use cofferdam_core::progress::Identity;
use rdkafka::bindings::{
    rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new, rd_kafka_AdminOptions_set_request_timeout,
    rd_kafka_DescribeTopics, rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy,
    rd_kafka_TopicCollection_of_topic_names, rd_kafka_TopicDescription_name, rd_kafka_TopicDescription_t,
    rd_kafka_TopicDescription_topic_id, rd_kafka_Uuid_least_significant_bits, rd_kafka_Uuid_most_significant_bits,
    rd_kafka_admin_op_t, rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy, rd_kafka_event_error,
    rd_kafka_event_t, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

use super::context::Context;
use crate::broker::kafka::mock::is_mock;

/// Time limit of one request. At most one request is unanswered.
const REQUEST: Duration = Duration::from_secs(5);
/// How long a new assignment waits for an answer.
const WAIT: Duration = Duration::from_secs(1);

/// The id of a topic.
pub(super) type TopicId = [u8; 16];

/// The ids of topics, by name, without topics that do not exist or have no id.
pub(super) type Ids = BTreeMap<Arc<str>, TopicId>;

/// Requests the ids of topics, one request at a time.
pub(super) struct Topics {
    queue: NonNull<rd_kafka_queue_t>,
    asking: bool,
    /// Keeps librdkafka's client alive until the queue is destroyed.
    consumer: Arc<BaseConsumer<Context>>,
}

// SAFETY: librdkafka's queues belong to no thread; whoever holds the only `Topics` may use this one.
unsafe impl Send for Topics {}

impl Topics {
    /// Creates the requester for this consumer; returns `None` if librdkafka creates no queue.
    pub(super) fn new(consumer: &Arc<BaseConsumer<Context>>) -> Option<Self> {
        // SAFETY: the client is alive, and stays so until `drop` has given the queue back.
        let queue = NonNull::new(unsafe { rd_kafka_queue_new(consumer.client().native_ptr()) })?;
        Some(Self { queue, asking: false, consumer: Arc::clone(consumer) })
    }

    /// Requests the ids of these topics. Does nothing while a request is unanswered.
    pub(super) fn ask<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        if self.asking || is_mock(self.consumer.client()) {
            return;
        }
        let mut names: Vec<CString> = names.filter_map(|name| CString::new(name).ok()).collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return;
        }
        let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
        let timeout = c_int::try_from(REQUEST.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: client and queue are alive; names and their pointers live until the collection has copied them; what
        // is made here is destroyed here, after the call has copied it. A timeout that is refused leaves the default.
        unsafe {
            let client = self.consumer.client().native_ptr();
            let topics = rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
            let options = rd_kafka_AdminOptions_new(client, rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
            rd_kafka_AdminOptions_set_request_timeout(options, timeout, ptr::null_mut(), 0);
            rd_kafka_DescribeTopics(client, topics, options, self.queue.as_ptr());
            rd_kafka_AdminOptions_destroy(options);
            rd_kafka_TopicCollection_destroy(topics);
        }
        self.asking = true;
    }

    /// Returns the answer, if it has arrived.
    pub(super) fn answer(&mut self) -> Option<Result<Ids, RDKafkaErrorCode>> {
        self.answer_within(Duration::ZERO)
    }

    /// Waits for the ids of these topics, at most a second. A broker without topic ids returns none.
    ///
    /// # Errors
    /// The error of librdkafka; the request may be repeated.
    pub(super) fn wait(&mut self) -> Result<Ids, RDKafkaErrorCode> {
        if !self.asking {
            return Ok(Ids::new());
        }
        match self.answer_within(WAIT) {
            Some(Err(RDKafkaErrorCode::UnsupportedFeature)) => Ok(Ids::new()),
            Some(answer) => answer,
            None => Err(RDKafkaErrorCode::OperationTimedOut),
        }
    }

    /// Returns the id of the cluster, if the client knows it already. Sends no request.
    pub(super) fn cluster(&self) -> Option<String> {
        self.consumer.client().fetch_cluster_id(Duration::ZERO)
    }

    fn answer_within(&mut self, limit: Duration) -> Option<Result<Ids, RDKafkaErrorCode>> {
        if !self.asking {
            return None;
        }
        let limit = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the queue is alive. The event is ours, and destroyed once it is read.
        unsafe {
            let event = NonNull::new(rd_kafka_queue_poll(self.queue.as_ptr(), limit))?;
            let ids = read(event.as_ptr());
            rd_kafka_event_destroy(event.as_ptr());
            self.asking = false;
            Some(ids)
        }
    }
}

impl Drop for Topics {
    fn drop(&mut self) {
        // SAFETY: the queue is ours; an answer that is on its way finds that out.
        unsafe { rd_kafka_queue_destroy(self.queue.as_ptr()) }
    }
}

/// Returns the identity of a partition.
pub(super) fn identity(partition: &Partition, cluster: Option<&str>, ids: &Ids) -> Identity {
    Identity::new(partition, cluster, ids.get(&partition.topic))
}

/// Returns the ids in an answer.
///
/// # Safety
/// The event must be alive.
unsafe fn read(event: *mut rd_kafka_event_t) -> Result<Ids, RDKafkaErrorCode> {
    let mut ids = Ids::new();
    // SAFETY: the event is alive, and everything that is read here is its own. Null is nothing. Descriptions are as many as
    // librdkafka counts; each has a name, and an id of zero where the broker has told none.
    unsafe {
        let error = rd_kafka_event_error(event);
        if error != RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(error.into());
        }
        let result = rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(RDKafkaErrorCode::Fail);
        }
        let mut count = 0;
        let topics = rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let topics: &[*const rd_kafka_TopicDescription_t] =
            if topics.is_null() { &[] } else { slice::from_raw_parts(topics.cast_const(), count) };
        for topic in topics {
            let (name, id) = (rd_kafka_TopicDescription_name(*topic), rd_kafka_TopicDescription_topic_id(*topic));
            if name.is_null() || id.is_null() {
                continue;
            }
            let high = rd_kafka_Uuid_most_significant_bits(id).to_be_bytes();
            let low = rd_kafka_Uuid_least_significant_bits(id).to_be_bytes();
            let mut id = TopicId::default();
            id[..8].copy_from_slice(&high);
            id[8..].copy_from_slice(&low);
            if id != TopicId::default() {
                ids.insert(CStr::from_ptr(name).to_string_lossy().into(), id);
            }
        }
    }
    Ok(ids)
}
