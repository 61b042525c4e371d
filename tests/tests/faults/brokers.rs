//! Outages of brokers, and a network that is slow, disconnected, or silent. One broker for all of these tests, one test
//! at a time.

use std::time::{Duration, Instant};

use kit::kafka::private_in_turn;

use crate::work::{PATIENT, SESSION, Work, elapsed};

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stops_or_dies_is_waited_for() {
    let Some(broker) = kit::or_say_so(private_in_turn().await) else { return };
    let mut broker = broker.lock().await;
    let (brokers, kafka) = (broker.through(), broker.another());
    let mut work = Work::begin(&kafka, &brokers, 2).await;
    work.go_on(500).await;
    work.fault(2);
    broker.stop().await;
    broker.start().await;
    work.go_on(500).await;
    work.fault(2);
    broker.kill().await;
    broker.start().await;
    work.go_on(500).await;
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_or_slow_cost_at_most_what_is_in_flight_once() {
    let Some(broker) = kit::or_say_so(private_in_turn().await) else { return };
    let broker = broker.lock().await;
    let mut work = Work::begin(&broker, &broker.through(), 2).await;
    // Usually nothing is repeated: a host that returns within its session keeps its partitions. A host that is
    // disconnected during a rebalance, as the first time may be, does not.
    work.fault(2);
    for _ in 0..3 {
        work.go_on(300).await;
        broker.gate().cut();
    }
    work.go_on(300).await;
    broker.gate().delay(Duration::from_millis(30), Duration::from_millis(70));
    work.go_on(300).await;
    broker.gate().delay(Duration::ZERO, Duration::ZERO);
    broker.gate().throttle(Some(64 << 10));
    work.go_on(300).await;
    broker.gate().throttle(None);
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_silent_past_the_session_is_waited_for() {
    let Some(broker) = kit::or_say_so(private_in_turn().await) else { return };
    let broker = broker.lock().await;
    let mut work = Work::begin(&broker, &broker.through(), 2).await;
    work.go_on(500).await;
    work.fault(2);
    broker.gate().swallow();
    elapsed(Instant::now(), 2 * SESSION).await;
    broker.gate().open();
    work.go_on(500).await;
    work.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_a_key_in_order_through_an_outage_longer_than_the_delivery_timeout() {
    let Some(broker) = kit::or_say_so(private_in_turn().await) else { return };
    let broker = broker.lock().await;
    let work = Work::begin_with(&broker, &broker.through(), 1, PATIENT).await;
    work.go_on(300).await;
    for _ in 0..2 {
        broker.gate().shut();
        elapsed(Instant::now(), Duration::from_secs(4)).await;
        broker.gate().open();
        work.go_on(300).await;
    }
    // No partition was lost, so nothing is repeated.
    work.end().await;
}
