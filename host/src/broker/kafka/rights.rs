//! Reads the permissions of this user on topics and groups, and the assignor of a group, through the C interface of
//! librdkafka.
//!
//! Brokers report permissions with the description of a topic or group (KIP-430, Kafka 2.3). A permission that a broker
//! does not report is unknown, not missing.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::bindings::{
    rd_kafka_AclOperation_t, rd_kafka_AdminOptions_destroy, rd_kafka_AdminOptions_new,
    rd_kafka_AdminOptions_set_include_authorized_operations, rd_kafka_AdminOptions_set_request_timeout,
    rd_kafka_AdminOptions_t, rd_kafka_ConsumerGroupDescription_authorized_operations,
    rd_kafka_ConsumerGroupDescription_error, rd_kafka_ConsumerGroupDescription_group_id,
    rd_kafka_ConsumerGroupDescription_member_count, rd_kafka_ConsumerGroupDescription_partition_assignor,
    rd_kafka_DescribeConsumerGroups, rd_kafka_DescribeConsumerGroups_result_groups, rd_kafka_DescribeTopics,
    rd_kafka_DescribeTopics_result_topics, rd_kafka_TopicCollection_destroy, rd_kafka_TopicCollection_of_topic_names,
    rd_kafka_TopicDescription_authorized_operations, rd_kafka_TopicDescription_error, rd_kafka_TopicDescription_name,
    rd_kafka_admin_op_t, rd_kafka_error_code, rd_kafka_error_destroy, rd_kafka_error_t,
    rd_kafka_event_DescribeConsumerGroups_result, rd_kafka_event_DescribeTopics_result, rd_kafka_event_destroy,
    rd_kafka_event_t, rd_kafka_queue_destroy, rd_kafka_queue_new, rd_kafka_queue_poll, rd_kafka_queue_t, rd_kafka_t,
};
use rdkafka::client::{Client, ClientContext};
use rdkafka::types::RDKafkaRespErr::{
    RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED, RD_KAFKA_RESP_ERR_NO_ERROR,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
};

use super::mock::is_mock;

/// The permissions of this user on a topic or group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights {
    /// `Read`: for a topic, to read records; for a group, to join and to commit.
    pub read: bool,
    /// `Write`: to publish to a topic.
    pub write: bool,
}

/// A consumer group, as far as the broker describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// `None` if the broker does not report permissions.
    pub rights: Option<Rights>,
    /// The assignor of the group; `None` without members.
    pub assignor: Option<Box<str>>,
}

/// Returns the permissions on these topics, by name, without topics whose permissions are not reported. Blocks for at
/// most `limit`.
pub(super) fn topics<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    limit: Duration,
) -> BTreeMap<Arc<str>, Rights> {
    let ask = |asked: &Asked, names: &mut [*const c_char]| {
        // SAFETY: client, queue and options are alive, and so are the names until the collection has copied them.
        unsafe {
            let topics = rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len());
            rd_kafka_DescribeTopics(asked.client, topics, asked.options, asked.queue.as_ptr());
            rd_kafka_TopicCollection_destroy(topics);
        }
    };
    let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
    // SAFETY: the event is alive while it is read.
    describe(client, names, limit, operation, ask, |event| unsafe { read_topics(event) }).unwrap_or_default()
}

/// Returns the description of these groups, by name. Blocks for at most `limit`.
pub(super) fn groups<C: ClientContext>(
    client: &Client<C>,
    names: &[&str],
    limit: Duration,
) -> BTreeMap<Arc<str>, Group> {
    let ask = |asked: &Asked, names: &mut [*const c_char]| {
        // SAFETY: client, queue and options are alive; the call copies the names.
        unsafe {
            rd_kafka_DescribeConsumerGroups(
                asked.client,
                names.as_mut_ptr(),
                names.len(),
                asked.options,
                asked.queue.as_ptr(),
            );
        }
    };
    let operation = rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    // SAFETY: the event is alive while it is read.
    describe(client, names, limit, operation, ask, |event| unsafe { read_groups(event) }).unwrap_or_default()
}

/// A sent request and the handles it was sent with.
struct Asked {
    client: *mut rd_kafka_t,
    options: *mut rd_kafka_AdminOptions_t,
    queue: NonNull<rd_kafka_queue_t>,
}

impl Drop for Asked {
    fn drop(&mut self) {
        // SAFETY: both are ours; an answer that is still on its way finds out that the queue is gone.
        unsafe {
            rd_kafka_AdminOptions_destroy(self.options);
            rd_kafka_queue_destroy(self.queue.as_ptr());
        }
    }
}

/// Sends a request and reads the answer; returns `None` without an answer.
fn describe<C: ClientContext, A>(
    client: &Client<C>,
    names: &[&str],
    limit: Duration,
    operation: rd_kafka_admin_op_t,
    ask: impl FnOnce(&Asked, &mut [*const c_char]),
    read: impl FnOnce(*mut rd_kafka_event_t) -> A,
) -> Option<A> {
    let names: Vec<CString> = names.iter().filter_map(|name| CString::new(*name).ok()).collect();
    if names.is_empty() || is_mock(client) {
        return None;
    }
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let limit = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: the client is alive until this returns. A setting that is refused leaves the default. The event is ours, and
    // destroyed once it is read.
    unsafe {
        let client = client.native_ptr();
        let asked = Asked {
            client,
            options: rd_kafka_AdminOptions_new(client, operation),
            queue: NonNull::new(rd_kafka_queue_new(client))?,
        };
        rd_kafka_AdminOptions_set_request_timeout(asked.options, limit, ptr::null_mut(), 0);
        let refused = rd_kafka_AdminOptions_set_include_authorized_operations(asked.options, 1);
        if !refused.is_null() {
            rd_kafka_error_destroy(refused);
        }
        ask(&asked, &mut pointers);
        let event = NonNull::new(rd_kafka_queue_poll(asked.queue.as_ptr(), limit))?;
        let answer = read(event.as_ptr());
        rd_kafka_event_destroy(event.as_ptr());
        Some(answer)
    }
}

/// # Safety
/// The event must be alive.
unsafe fn read_topics(event: *mut rd_kafka_event_t) -> BTreeMap<Arc<str>, Rights> {
    let mut found = BTreeMap::new();
    // SAFETY: the event is alive, and everything that is read here is its own. Null is nothing. Descriptions are as many as
    // librdkafka counts, each with a name.
    unsafe {
        let result = rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return found;
        }
        let mut count = 0;
        let topics = rd_kafka_DescribeTopics_result_topics(result, &mut count);
        for topic in slice_of(topics.cast_const(), count) {
            let mut count = 0;
            let allowed = rd_kafka_TopicDescription_authorized_operations(*topic, &mut count);
            let error = rd_kafka_TopicDescription_error(*topic);
            let rights = match code(error) {
                Some(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => Some(Rights { read: false, write: false }),
                Some(_) => None,
                None => rights(slice_of(allowed, count)),
            };
            if let (Some(rights), Some(name)) = (rights, text(rd_kafka_TopicDescription_name(*topic))) {
                found.insert(name.into(), rights);
            }
        }
    }
    found
}

/// # Safety
/// The event must be alive.
unsafe fn read_groups(event: *mut rd_kafka_event_t) -> BTreeMap<Arc<str>, Group> {
    let mut found = BTreeMap::new();
    // SAFETY: as in `read_topics`.
    unsafe {
        let result = rd_kafka_event_DescribeConsumerGroups_result(event);
        if result.is_null() {
            return found;
        }
        let mut count = 0;
        let groups = rd_kafka_DescribeConsumerGroups_result_groups(result, &mut count);
        for group in slice_of(groups.cast_const(), count) {
            let mut count = 0;
            let allowed = rd_kafka_ConsumerGroupDescription_authorized_operations(*group, &mut count);
            let rights = match code(rd_kafka_ConsumerGroupDescription_error(*group)) {
                Some(RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED) => Some(Rights { read: false, write: false }),
                Some(_) => None,
                None => rights(slice_of(allowed, count)),
            };
            let assignor = text(rd_kafka_ConsumerGroupDescription_partition_assignor(*group));
            let has_members = rd_kafka_ConsumerGroupDescription_member_count(*group) > 0;
            let assignor = assignor.filter(|name| has_members && !name.is_empty()).map(Into::into);
            if let Some(name) = text(rd_kafka_ConsumerGroupDescription_group_id(*group)) {
                found.insert(name.into(), Group { rights, assignor });
            }
        }
    }
    found
}

/// Returns the permissions; `None` if the broker reports none, because a user who may describe a topic or group has at
/// least that permission.
fn rights(allowed: &[rd_kafka_AclOperation_t]) -> Option<Rights> {
    use rd_kafka_AclOperation_t::{RD_KAFKA_ACL_OPERATION_READ, RD_KAFKA_ACL_OPERATION_WRITE};
    let rights = Rights {
        read: allowed.contains(&RD_KAFKA_ACL_OPERATION_READ),
        write: allowed.contains(&RD_KAFKA_ACL_OPERATION_WRITE),
    };
    (!allowed.is_empty()).then_some(rights)
}

/// # Safety
/// The error must be alive, or null.
unsafe fn code(error: *const rd_kafka_error_t) -> Option<rdkafka::types::RDKafkaRespErr> {
    // SAFETY: the caller's.
    let code = (!error.is_null()).then(|| unsafe { rd_kafka_error_code(error) })?;
    (code != RD_KAFKA_RESP_ERR_NO_ERROR).then_some(code)
}

/// # Safety
/// The text must live as long as the result, or be null.
unsafe fn text<'a>(text: *const c_char) -> Option<std::borrow::Cow<'a, str>> {
    // SAFETY: the caller's.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy())
}

/// # Safety
/// There must be `count` elements that live as long as the result; without elements the pointer may be null.
unsafe fn slice_of<'a, T>(first: *const T, count: usize) -> &'a [T] {
    // SAFETY: the caller's.
    if first.is_null() { &[] } else { unsafe { slice::from_raw_parts(first, count) } }
}
