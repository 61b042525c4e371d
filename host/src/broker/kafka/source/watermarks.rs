//! The low and high watermark of a partition, as the client knows them.

use std::ffi::CString;

use cofferdam_core::event::Partition;
use rdkafka::bindings::rd_kafka_get_watermark_offsets;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR;

use super::context::Context;

/// Returns the beginning and the end of the log from the last fetch response; sends no request. `None` before the first
/// response.
pub(super) fn watermarks(consumer: &BaseConsumer<Context>, partition: &Partition) -> Option<(i64, i64)> {
    let topic = CString::new(&*partition.topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: the client and the name are alive, and the two numbers are ours.
    let result = unsafe {
        let client = consumer.client().native_ptr();
        rd_kafka_get_watermark_offsets(client, topic.as_ptr(), partition.number, &mut low, &mut high)
    };
    (result == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some((low.max(0), high))
}
