//! The fastest correct loop: one thread polls, produces and serves the answers, a window bounds what is under way, and
//! what is committed is the offset up to which all is durable.
//!
//! Nothing is copied on the way: a copy of a message borrows its bytes and takes its headers, and the message is given back
//! when its copy is durable. All over librdkafka's C interface, which takes messages in arrays.

use std::ffi::{CString, c_void};
use std::ptr;
use std::slice;
use std::time::{Duration, Instant};

use anyhow::bail;
use rdkafka::ClientConfig;
use rdkafka::bindings::rd_kafka_type_t::{RD_KAFKA_CONSUMER, RD_KAFKA_PRODUCER};
use rdkafka::bindings::rd_kafka_vtype_t::{
    RD_KAFKA_VTYPE_END, RD_KAFKA_VTYPE_HEADERS, RD_KAFKA_VTYPE_KEY, RD_KAFKA_VTYPE_OPAQUE, RD_KAFKA_VTYPE_RKT,
    RD_KAFKA_VTYPE_VALUE,
};
use rdkafka::bindings::*;
use rdkafka::types::RDKafkaRespErr::{RD_KAFKA_RESP_ERR__QUEUE_FULL, RD_KAFKA_RESP_ERR_NO_ERROR};

use super::guest::{Given, Guest, Header, Output};
use super::standard::Standard;
use super::watermark::Watermark;
use super::{Loop, Topics};

/// Messages under way at most.
const WINDOW: usize = 50_000;
/// Messages taken at once.
const BATCH: usize = 1_000;
/// Time between two commits.
const COMMIT: Duration = Duration::from_millis(250);

/// What librdkafka's callback changes; it is called by `rd_kafka_poll`, so by our own thread.
#[derive(Default)]
struct Answers {
    /// By partition.
    watermarks: Vec<Watermark>,
    outstanding: usize,
    failed: Option<rd_kafka_resp_err_t>,
}

/// What has to live until the copy is durable.
struct Carried {
    message: *mut rd_kafka_message_t,
    _output: Option<Output>,
}

/// Both clients.
struct Clients {
    consumer: *mut rd_kafka_t,
    queue: *mut rd_kafka_queue_t,
    producer: *mut rd_kafka_t,
    to: *mut rd_kafka_topic_t,
    from: CString,
}

pub(super) fn run(arguments: &Loop) -> anyhow::Result<()> {
    let mut guest = match &arguments.component {
        Some(path) if arguments.as_a_host => Some(Guest::open_stoppable(path)?),
        Some(path) => Some(Guest::open(path, arguments.instances)?),
        None => None,
    };
    let mut standard = arguments.as_a_host.then(Standard::default);
    let answers: &'static mut Answers = Box::leak(Box::default());
    let answers = ptr::from_mut(answers);
    let clients = Clients::new(&arguments.topics, answers)?;
    let mut batch = vec![ptr::null_mut(); BATCH];
    let mut next_commit = Instant::now() + COMMIT;
    loop {
        // SAFETY: nobody else looks at the answers while this thread does not poll the producer.
        let room = WINDOW - unsafe { (*answers).outstanding };
        let count = clients.take(&mut batch[..room.min(BATCH)]);
        for message in &batch[..count] {
            clients.pass_on(*message, guest.as_mut(), standard.as_mut(), answers)?;
        }
        // It waits for answers only where there is room for nothing else: a message that comes meanwhile would wait too.
        // SAFETY: the producer is alive.
        unsafe { rd_kafka_poll(clients.producer, if room == 0 { 1 } else { 0 }) };
        if Instant::now() >= next_commit {
            next_commit += COMMIT;
            // SAFETY: as above.
            clients.commit(unsafe { &*answers });
        }
        // SAFETY: as above.
        if let Some(code) = unsafe { (*answers).failed } {
            bail!("a copy was refused: {code:?}");
        }
    }
}

impl Clients {
    fn new(topics: &Topics, answers: *mut Answers) -> anyhow::Result<Self> {
        let mut consumer = ClientConfig::new();
        consumer.set("bootstrap.servers", &topics.brokers).set("group.id", &topics.group);
        consumer.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
        consumer.set("auto.offset.reset", "earliest").set("fetch.queue.backoff.ms", "10");
        let mut producer = ClientConfig::new();
        producer.set("bootstrap.servers", &topics.brokers).set("acks", "all").set("enable.idempotence", "true");
        for (name, value) in &topics.producer {
            producer.set(name, value);
        }
        let (from, to) = (CString::new(&*topics.from)?, CString::new(&*topics.to)?);
        // SAFETY: plain constructors, each given what rdkafka.h asks for; a configuration becomes the client's. The
        // callback gets a pointer that lives as long as the process.
        unsafe {
            let consumer = rd_kafka_conf_dup(consumer.create_native_config()?.ptr());
            let producer = rd_kafka_conf_dup(producer.create_native_config()?.ptr());
            rd_kafka_conf_set_dr_msg_cb(producer, Some(delivered));
            rd_kafka_conf_set_opaque(producer, answers.cast());
            let consumer = rd_kafka_new(RD_KAFKA_CONSUMER, consumer, ptr::null_mut(), 0);
            let producer = rd_kafka_new(RD_KAFKA_PRODUCER, producer, ptr::null_mut(), 0);
            if consumer.is_null() || producer.is_null() {
                bail!("librdkafka makes no client of this");
            }
            rd_kafka_poll_set_consumer(consumer);
            let list = rd_kafka_topic_partition_list_new(1);
            rd_kafka_topic_partition_list_add(list, from.as_ptr(), -1);
            rd_kafka_subscribe(consumer, list);
            rd_kafka_topic_partition_list_destroy(list);
            let queue = rd_kafka_queue_get_consumer(consumer);
            let to = rd_kafka_topic_new(producer, to.as_ptr(), ptr::null_mut());
            Ok(Self { consumer, queue, producer, to, from })
        }
    }

    /// Takes what is there, waiting a millisecond for the first.
    #[inline(never)]
    fn take(&self, batch: &mut [*mut rd_kafka_message_t]) -> usize {
        if batch.is_empty() {
            return 0;
        }
        // SAFETY: the queue is alive, and the array has room for as many as are asked for.
        unsafe {
            batch[0] = rd_kafka_consume_queue(self.queue, 1);
            if batch[0].is_null() {
                return 0;
            }
            let more = rd_kafka_consume_batch_queue(self.queue, 0, batch[1..].as_mut_ptr(), batch.len() - 1);
            1 + usize::try_from(more).unwrap_or(0)
        }
    }

    #[inline(never)] // so that profiles name it, here and below
    fn pass_on(
        &self,
        message: *mut rd_kafka_message_t,
        guest: Option<&mut Guest>,
        standard: Option<&mut Standard>,
        answers: *mut Answers,
    ) -> anyhow::Result<()> {
        // SAFETY: the message is ours until the callback gives it back, and the answers are ours while nobody polls.
        let (given, answers_now) = unsafe { (&mut *message, &mut *answers) };
        if given.err != RD_KAFKA_RESP_ERR_NO_ERROR {
            bail!("the consumer has ended: {:?}", given.err);
        }
        let partition = usize::try_from(given.partition)?;
        if answers_now.watermarks.len() <= partition {
            answers_now.watermarks.resize_with(partition + 1, Watermark::default);
        }
        answers_now.watermarks[partition].begin(given.offset);
        answers_now.outstanding += 1;
        let output = guest.map(|guest| handle(guest, given)).transpose()?;
        let (headers, key, value) = match &output {
            None => (detached(message), (given.key, given.key_len), (given.payload, given.len)),
            Some(output) => (
                copied(output, standard.map(|it| it.of(given))),
                parts(output.key.as_deref()),
                parts(output.payload.as_deref()),
            ),
        };
        let carried = Box::into_raw(Box::new(Carried { message, _output: output }));
        loop {
            // SAFETY: each tag is followed by what belongs to it; value and headers live until the callback, for they are
            // those of the message or of the output, which are carried.
            let result = unsafe {
                rd_kafka_producev(
                    self.producer,
                    RD_KAFKA_VTYPE_RKT,
                    self.to,
                    RD_KAFKA_VTYPE_VALUE,
                    value.0,
                    value.1,
                    RD_KAFKA_VTYPE_KEY,
                    key.0,
                    key.1,
                    RD_KAFKA_VTYPE_OPAQUE,
                    carried.cast::<c_void>(),
                    RD_KAFKA_VTYPE_HEADERS,
                    headers,
                    RD_KAFKA_VTYPE_END,
                )
            };
            match result {
                RD_KAFKA_RESP_ERR_NO_ERROR => return Ok(()),
                // SAFETY: the producer is alive.
                RD_KAFKA_RESP_ERR__QUEUE_FULL => drop(unsafe { rd_kafka_poll(self.producer, 1) }),
                code => bail!("a copy cannot be sent: {code:?}"),
            }
        }
    }

    fn commit(&self, answers: &Answers) {
        // SAFETY: a list of our own; the commit copies it.
        unsafe {
            let list = rd_kafka_topic_partition_list_new(4);
            for (partition, watermark) in answers.watermarks.iter().enumerate() {
                let entry = rd_kafka_topic_partition_list_add(list, self.from.as_ptr(), partition as i32);
                (*entry).offset = watermark.offset();
            }
            if (*list).cnt > 0 {
                rd_kafka_commit(self.consumer, list, 1);
            }
            rd_kafka_topic_partition_list_destroy(list);
        }
    }
}

/// What the guest makes of it.
#[inline(never)]
fn handle(guest: &mut Guest, message: &rd_kafka_message_t) -> anyhow::Result<Output> {
    let mut headers = [Header { name: "", value: &[] }; 8];
    let mut count = 0;
    // SAFETY: the message is alive while it is handled, and so are its headers, which nothing changes meanwhile.
    let (key, payload, timestamp) = unsafe {
        let mut native = ptr::null_mut();
        if rd_kafka_message_headers(message, &mut native) == RD_KAFKA_RESP_ERR_NO_ERROR {
            for header in &mut headers {
                let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
                if rd_kafka_header_get_all(native, count, &mut name, &mut value, &mut length)
                    != RD_KAFKA_RESP_ERR_NO_ERROR
                {
                    break;
                }
                *header = Header { name: std::ffi::CStr::from_ptr(name).to_str()?, value: bytes(value, length) };
                count += 1;
            }
        }
        let timestamp = rd_kafka_message_timestamp(message, ptr::null_mut());
        (bytes(message.key, message.key_len), bytes(message.payload, message.len), timestamp)
    };
    // What a handler is told beside the message itself.
    let position = format!("{}/{}", message.partition, message.offset);
    let given = Given {
        id: &position,
        source: "in",
        position: &position,
        key: Some(key),
        headers: &headers[..count],
        attributes: &[],
        payload: Some(payload),
        timestamp_ms: u64::try_from(timestamp).unwrap_or(0),
        attempt: 1,
    };
    guest.handle(given)?.pop().ok_or_else(|| anyhow::anyhow!("the guest has no output"))
}

/// # Safety
/// `start` is null or points to `length` bytes that live for `'a`.
unsafe fn bytes<'a>(start: *const c_void, length: usize) -> &'a [u8] {
    // SAFETY: as promised.
    if start.is_null() { &[] } else { unsafe { slice::from_raw_parts(start.cast(), length) } }
}

fn parts(bytes: Option<&[u8]>) -> (*mut c_void, usize) {
    bytes.map_or((ptr::null_mut(), 0), |bytes| (bytes.as_ptr().cast_mut().cast(), bytes.len()))
}

/// The headers of a message, which has none from then on.
fn detached(message: *mut rd_kafka_message_t) -> *mut rd_kafka_headers_t {
    let mut headers = ptr::null_mut();
    // SAFETY: the message is ours.
    unsafe { rd_kafka_message_detach_headers(message, &mut headers) };
    headers
}

fn copied(output: &Output, more: Option<[Header<'_>; 5]>) -> *mut rd_kafka_headers_t {
    let own = output.headers.iter().map(|header| Header { name: &header.name, value: &header.value });
    // SAFETY: name and value are copied before the call returns.
    unsafe {
        let headers = rd_kafka_headers_new(output.headers.len() + more.map_or(0, |more| more.len()));
        for Header { name, value } in own.chain(more.into_iter().flatten()) {
            rd_kafka_header_add(
                headers,
                name.as_ptr().cast(),
                name.len() as isize,
                value.as_ptr().cast(),
                value.len() as isize,
            );
        }
        headers
    }
}

/// Called by librdkafka where a copy is durable, or will not be.
unsafe extern "C" fn delivered(_: *mut rd_kafka_t, report: *const rd_kafka_message_t, answers: *mut c_void) {
    // SAFETY: what was carried is ours again, and the answers are touched by this thread alone: see `Answers`.
    unsafe {
        let answers = &mut *answers.cast::<Answers>();
        let carried = Box::from_raw((*report)._private.cast::<Carried>());
        let message = &*carried.message;
        answers.outstanding -= 1;
        match (*report).err {
            RD_KAFKA_RESP_ERR_NO_ERROR => answers.watermarks[message.partition as usize].end(message.offset),
            code => answers.failed = Some(code),
        }
        rd_kafka_message_destroy(carried.message);
    }
}
