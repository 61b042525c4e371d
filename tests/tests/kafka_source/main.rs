//! The promises of the Kafka source, on Apache Kafka: records, grants, and the configuration. Its other promises are in a
//! module each.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod deleted;
mod group;
mod member;

use std::time::Duration;

use cofferdam::broker::kafka::source::{Config, Error};
use cofferdam::source::Source as _;
use cofferdam_core::action::Ask;
use cofferdam_core::message::{Header, Kind, Position, Record};
use kit::Record as Input;
use member::{Member, offline, offsets};

/// Longest time until an event on a busy machine.
const WAIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn records_arrive_in_order_and_byte_for_byte() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kafka.topic("source-bytes", 1).await;
    let inputs = [
        Input::new(vec![0, 255, 10]).key(vec![254, 0]).timestamp(1_700_000_000_123),
        Input::new("").key(""),
        Input::tombstone("gone"),
        Input::new("no key")
            .header("a", "1")
            .header("b", vec![0, 159])
            .header("a", "2")
            .null_header("n")
            .header("e", ""),
    ];
    kafka.produce(&topic, inputs).await;

    let mut member = Member::join(kafka, &kit::unique("group"), &[&topic]);
    member.grant(100);
    let records = member.records(4).await;
    let bytes =
        |record: &Record| (record.key.as_deref().map(<[u8]>::to_vec), record.payload.as_deref().map(<[u8]>::to_vec));
    assert_eq!(bytes(&records[0]), (Some(vec![254, 0]), Some(vec![0, 255, 10])));
    assert_eq!(records[0].timestamp_ms, Some(1_700_000_000_123));
    assert_eq!(bytes(&records[1]), (Some(vec![]), Some(vec![])), "empty is not null");
    assert_eq!(bytes(&records[2]), (Some(b"gone".to_vec()), None), "a tombstone has no value");
    assert_eq!(bytes(&records[3]), (None, Some(b"no key".to_vec())));
    let header = |name: &'static str, value: Option<&'static [u8]>| -> Header<'static> {
        Header { name: name.as_bytes(), value, kind: Kind::Bytes }
    };
    let expected = [
        header("a", Some(b"1")),
        header("b", Some(&[0, 159])),
        header("a", Some(b"2")),
        header("n", None),
        header("e", Some(b"")),
    ];
    assert_eq!(records[3].headers, expected.into());
    let offsets: Vec<Position> = records.iter().map(|record| record.position.clone()).collect();
    assert_eq!(offsets, (0..4).map(|offset| Position::Offset { partition: 0, offset }).collect::<Vec<_>>());
    assert!(records.iter().all(|record| *record.source == *topic));
    member.leave().await;
}

#[tokio::test]
async fn no_more_is_handed_over_than_was_granted() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kafka.topic("source-grant", 2).await;
    kafka.produce(&topic, (0..600).map(|n| Input::new(vec![b'x'; 100]).partition(n % 2))).await;

    let mut member = Member::join(kafka, &kit::unique("group"), &[&topic]);
    member.grant(7);
    member.records(7).await;
    assert_eq!(member.until_committed().await, 0, "the grant is used up");
    member.grant(300);
    member.records(300).await;
    assert_eq!(member.until_committed().await, 0);
    member.leave().await;
}

#[tokio::test]
async fn a_grant_of_bytes_is_overdrawn_by_one_record_at_most() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kafka.topic("source-bytes-grant", 1).await;
    kafka.produce(&topic, (0..50).map(|_| Input::new(vec![b'x'; 100]))).await;

    let mut member = Member::join(kafka, &kit::unique("group"), &[&topic]);
    member.source.ask(Ask::Grant { messages: 1_000, bytes: 250 });
    member.records(3).await;
    assert_eq!(member.until_committed().await, 0, "250 bytes are three records of 100");
    member.source.ask(Ask::Grant { messages: 0, bytes: 51 });
    member.records(1).await;
    assert_eq!(member.until_committed().await, 0, "what went over counts against the next grant");
    member.leave().await;
}

#[tokio::test]
async fn a_paused_partition_stands_still_while_others_flow() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kafka.topic("source-pause", 2).await;
    kafka.produce(&topic, (0..2_000).map(|n| Input::new(n.to_string()).partition(n % 2))).await;

    let mut member = Member::join(kafka, &kit::unique("group"), &[&topic]);
    member.assigned(2).await;
    let still = member.partition(&topic, 0);
    member.source.ask(Ask::Pause(still.clone()));
    member.grant(10_000);
    let flowing = member.records(1_000).await;
    assert_eq!(offsets(&flowing, 1), (0..1_000).collect::<Vec<_>>());
    assert_eq!(member.until_committed().await, 0);

    member.source.ask(Ask::Resume(still));
    let resumed = member.records(1_000).await;
    assert_eq!(offsets(&resumed, 0), (0..1_000).collect::<Vec<_>>());
    member.leave().await;
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_waited_for_and_does_not_keep_the_source_from_closing() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = Config { bootstrap_servers: nobody.to_string(), ..offline("group", &["topic"]) };
    let mut source = config.build().expect("no broker is asked");
    source.ask(Ask::Grant { messages: 1, bytes: 1 });
    tokio::time::timeout(WAIT, source.close(tokio::time::Instant::now() + WAIT)).await.unwrap().unwrap();
}

#[tokio::test]
async fn what_librdkafka_does_not_take_is_an_error_that_names_it() {
    let refused = offline("g", &[]).build().unwrap_err();
    assert!(matches!(refused, Error::Subscription { .. }), "{refused}");
    let refused = offline("g", &["^(("]).build().unwrap_err();
    assert!(matches!(refused, Error::Subscription { .. }), "{refused}");
    for name in cofferdam::broker::kafka::properties::OWNED {
        let mut config = offline("g", &["t"]);
        config.properties.insert((*name).to_owned(), "x".to_owned());
        let refused = config.build().unwrap_err().to_string();
        assert!(refused.contains(name), "{refused}");
    }
}
