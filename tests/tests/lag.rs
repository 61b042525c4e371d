//! How far a group is behind, where offsets are no records.

use std::ops::Range;
use std::time::Duration;

use kit::{Kafka, Probe, eventually};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const LONG: Duration = Duration::from_secs(60);

/// Writes records with these numbers in one transaction, and ends it so.
async fn transaction(kafka: &Kafka, topic: &str, numbers: Range<usize>, commit: bool) {
    let mut client = kafka.client();
    client.set("transactional.id", kit::unique("lag"));
    let topic = topic.to_owned();
    let write = move || {
        let producer: BaseProducer = client.create().expect("a producer");
        producer.init_transactions(LONG).expect("it has an id");
        producer.begin_transaction().expect("it begins");
        for number in numbers {
            let payload = format!(r#"{{"do":"echo","times":2,"number":{number}}}"#);
            producer.send(BaseRecord::to(&topic).key("a").payload(&payload)).expect("its queue has room");
        }
        producer.flush(LONG).expect("the broker has them");
        if commit { producer.commit_transaction(LONG) } else { producer.abort_transaction(LONG) }.expect("it ends");
    };
    tokio::task::spawn_blocking(write).await.expect("it does not panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_ends_with_markers_and_aborted_records_is_committed_to_its_end() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    transaction(kafka, &probe.input, 0..10, true).await;
    transaction(kafka, &probe.input, 10..20, false).await;
    let host = probe.start(kafka, "");
    let end = kafka.ends(&probe.input).await[&0];
    let is_there = async || (kafka.try_committed(&probe.group, &probe.input).await == Some(end)).then_some(());
    eventually("the group is at the end", LONG, is_there).await;
    assert_eq!(probe.outputs(kafka, 10, LONG).await.len(), 10, "those that were aborted are none");

    // Also where it was caught up before.
    transaction(kafka, &probe.input, 20..30, false).await;
    let end = kafka.ends(&probe.input).await[&0];
    let is_there = async || (kafka.try_committed(&probe.group, &probe.input).await == Some(end)).then_some(());
    eventually("the group is at the new end", LONG, is_there).await;
    drop(host);
}
