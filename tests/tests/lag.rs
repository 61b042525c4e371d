//! The lag of a group if some offsets are not records.

use std::ops::Range;
use std::time::Duration;

use kit::{Kafka, Probe, eventually};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

const LONG: Duration = Duration::from_secs(60);

/// Writes records with these numbers in one transaction, and commits or aborts it.
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

/// Waits until the group has committed the end of its topic: the lag is zero.
async fn expect_caught_up(kafka: &Kafka, probe: &Probe) {
    let end = kafka.ends(&probe.input).await[&0];
    let committed = async || kafka.try_committed(&probe.group, &probe.input).await.filter(|at| *at == end);
    eventually("the group is at the end", LONG, committed).await;
}

async fn expect_that_markers_are_no_lag(delivery: &str) {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let host = probe.start(kafka, &format!("delivery = {delivery:?}"));
    // Before any commit.
    transaction(kafka, &probe.input, 0..10, false).await;
    expect_caught_up(kafka, &probe).await;
    // After records.
    transaction(kafka, &probe.input, 10..20, true).await;
    transaction(kafka, &probe.input, 20..30, false).await;
    expect_caught_up(kafka, &probe).await;
    transaction(kafka, &probe.input, 30..40, true).await;
    assert_eq!(probe.outputs(kafka, 20, LONG).await.len(), 20, "those that were aborted are none");
    drop(host);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_ends_with_markers_and_aborted_records_is_committed_to_its_end() {
    expect_that_markers_are_no_lag("at_least_once").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_so_where_offsets_are_committed_in_transactions() {
    expect_that_markers_are_no_lag("exactly_once").await;
}
