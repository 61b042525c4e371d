//! Reads a part of a log on a separate thread.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_core::message::Record;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};
use tokio::sync::mpsc;

use super::{Error, Span, failed};
use crate::broker::kafka::source::record;

/// The number of records to read ahead.
const AHEAD: usize = 256;

/// How long a broker may send nothing before the read fails.
const SILENCE: Duration = Duration::from_secs(60);

/// The records that are read. Dropping the receiver ends the thread.
pub(super) type Records = mpsc::Receiver<Result<Record, Error>>;

/// Reads each of these spans in order, then ends.
pub(super) fn read(client: &ClientConfig, topic: &Arc<str>, spans: &[Span]) -> Records {
    let (to, records) = mpsc::channel(AHEAD);
    let (client, topic) = (client.clone(), Arc::clone(topic));
    let open: BTreeMap<i32, Span> =
        spans.iter().filter(|span| span.from < span.to).map(|span| (span.partition, *span)).collect();
    tokio::task::spawn_blocking(move || {
        if let Err(error) = run(&client, &topic, open, &to) {
            // If the receiver was dropped, nobody needs the error.
            let _ = to.blocking_send(Err(error));
        }
    });
    records
}

fn run(
    client: &ClientConfig,
    topic: &Arc<str>,
    mut open: BTreeMap<i32, Span>,
    to: &mpsc::Sender<Result<Record, Error>>,
) -> Result<(), Error> {
    let doing = "read the topic";
    let consumer: BaseConsumer = client.create().map_err(|error| failed(doing, &error))?;
    let mut list = TopicPartitionList::new();
    for span in open.values() {
        let offset = Offset::Offset(span.from);
        list.add_partition_offset(topic, span.partition, offset).map_err(|error| failed(doing, &error))?;
    }
    consumer.assign(&list).map_err(|error| failed(doing, &error))?;
    let mut heard = Instant::now();
    while !open.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            None | Some(Err(_)) if heard.elapsed() > SILENCE => {
                return Err(Error::Broker {
                    reason: format!("kafka: failed to {doing}: no answer within {SILENCE:?}"),
                });
            }
            None => {
                if to.is_closed() {
                    return Ok(());
                }
                continue;
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            // librdkafka reconnects by itself.
            Some(Err(error)) => {
                tracing::debug!(%error, "reading dead letters");
                continue;
            }
            Some(Ok(message)) => {
                let (partition, offset) = (message.partition(), message.offset());
                let Some(span) = open.get(&partition) else { continue };
                let last = offset >= span.to - 1;
                // SAFETY: the message is alive as long as `message`, and nobody changes it.
                let record = record::record(unsafe { &*message.ptr() }, topic);
                if offset < span.to && to.blocking_send(Ok(record)).is_err() {
                    return Ok(());
                }
                if last {
                    open.remove(&partition);
                }
            }
        }
        heard = Instant::now();
    }
    Ok(())
}
