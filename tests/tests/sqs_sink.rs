//! Queues as a sink: messages arrive unchanged and in order, and every ticket is settled.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam::broker::sqs::sink::{Config, Sqs};
use cofferdam::clock::Clock;
use cofferdam::sink::Sink as _;
use cofferdam::sink::{Answers, Ticket};
use cofferdam::source::Source as _;
use cofferdam_core::action::Ask;
use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::message::{Header, Headers, Kind, Record};
use cofferdam_core::outcome::Code;
use cofferdam_core::output::{Destination, Publication};
use kit::{Gate, Queue, QueueSpec};
use slotmap::SlotMap;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Longer than any step takes on a busy machine.
const LONG: Duration = Duration::from_secs(30);

/// A sink on one queue, and the channel for its answers.
struct Outlet {
    sink: Sqs,
    destination: Destination,
    flow: mpsc::Sender<Answers>,
    answers: mpsc::Receiver<Answers>,
    count: u32,
}

impl Outlet {
    async fn new(endpoint: &str, queue: &Queue, change: impl FnOnce(Config) -> Config) -> Outlet {
        let client = cofferdam::broker::sqs::client(Some(kit::sqs::REGION), Some(endpoint)).await;
        let name: Arc<str> = queue.name.as_str().into();
        let sink = Sqs::connect(change(Config::new(client)), [name.clone()]).await.expect("the queue is there");
        let (flow, answers) = mpsc::channel(4096);
        Outlet { sink, destination: cofferdam::broker::sqs::queue(name), flow, answers, count: 0 }
    }

    fn publication(&self, payload: &str) -> Publication {
        Publication {
            destination: self.destination.clone(),
            key: None,
            headers: Headers::default(),
            payload: Some(Bytes::from(payload.to_owned())),
            timestamp_ms: None,
            group: None,
            deduplication: None,
        }
    }

    /// Returns whether the sink took it. Its index is the number of publications taken before.
    fn publish(&mut self, publication: &Publication) -> bool {
        self.publish_as(publication, false)
    }

    /// The same with `sent_once`: a publication that may have arrived must not be sent again.
    fn publish_as(&mut self, publication: &Publication, sent_once: bool) -> bool {
        let ticket = Ticket::new(self.flow.clone(), DeliveryId::default(), self.count).sent_once(sent_once);
        match self.sink.publish(publication, ticket) {
            Ok(()) => {
                self.count += 1;
                true
            }
            Err((ticket, _busy)) => {
                // A publication that was not taken has no answer.
                std::mem::forget(ticket);
                false
            }
        }
    }

    /// Returns the results of all taken publications, by index.
    async fn settled(&mut self) -> Vec<Result<(), Refusal>> {
        self.settled_from(0).await
    }

    /// Returns the results of the publications from this index on.
    async fn settled_from(&mut self, first: u32) -> Vec<Result<(), Refusal>> {
        let mut results: HashMap<u32, _> = HashMap::new();
        while results.len() < (self.count - first) as usize {
            let answers = timeout(LONG, self.answers.recv()).await.expect("settled in time");
            for event in answers.expect("this test holds the flow") {
                match event {
                    Event::Durable { index, .. } => assert!(results.insert(index, Ok(())).is_none()),
                    Event::NotDurable { index, refusal, .. } => assert!(results.insert(index, Err(refusal)).is_none()),
                    other => panic!("{other:?}"),
                }
            }
        }
        (first..self.count).map(|index| results.remove(&index).expect("each index once")).collect()
    }
}

/// Returns the records of a queue in the order in which a source receives them, and deletes them.
async fn records(endpoint: &str, queue: &Queue, count: usize) -> Vec<Record> {
    let client = cofferdam::broker::sqs::client(Some(kit::sqs::REGION), Some(endpoint)).await;
    let config = cofferdam::broker::sqs::source::Config::new(client, &queue.name, Clock::set());
    let mut source = cofferdam::broker::sqs::source::Sqs::connect(config).await.expect("the queue is there");
    source.ask(Ask::Grant { messages: 1000, bytes: 64 << 20 });
    let mut ids = SlotMap::<DeliveryId, ()>::with_key();
    let mut records = Vec::new();
    while records.len() < count {
        match timeout(LONG, source.next()).await.expect("an event in time").expect("the source is open") {
            Event::Messages(messages) => {
                for leased in messages {
                    source.ask(Ask::Delete { delivery: ids.insert(()), receipt: leased.receipt });
                    records.push(leased.record);
                }
            }
            Event::Deleted(_) => {}
            other => panic!("{other:?}"),
        }
    }
    source.close().await;
    records
}

#[tokio::test]
async fn messages_of_a_group_are_sent_in_order() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("sent")).await;
    let mut outlet = Outlet::new(sqs.endpoint(), &queue, |config| config).await;
    for number in 0..200 {
        let mut publication = outlet.publication(&format!("{number:03}"));
        // One busy group, and many quiet ones.
        publication.group = Some(if number % 3 == 0 { "busy".into() } else { format!("g{}", number % 20).into() });
        publication.deduplication = Some(number.to_string().into());
        assert!(outlet.publish(&publication));
    }
    assert!(outlet.settled().await.iter().all(Result::is_ok));
    let mut groups: HashMap<Bytes, Vec<Bytes>> = HashMap::new();
    let mut stored = 0;
    for message in sqs.receive_all(&queue).await {
        let group = &message.attributes().unwrap()[&aws_sdk_sqs::types::MessageSystemAttributeName::MessageGroupId];
        groups.entry(group.clone().into()).or_default().push(message.body().unwrap().to_owned().into());
        stored += 1;
    }
    assert_eq!(stored, 200);
    assert!(groups.values().all(|bodies| bodies.is_sorted()), "{groups:?}");
    outlet.sink.close(LONG).await;
}

#[tokio::test]
async fn headers_and_payloads_of_every_kind_arrive_as_they_were() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("kinds")).await;
    let mut outlet = Outlet::new(sqs.endpoint(), &queue, |config| config).await;
    let header = |name: &'static str, value: Option<&'static [u8]>, kind| -> Header<'static> {
        Header { name: name.as_bytes(), value, kind }
    };
    let headers = Headers::from([
        header("a-text", Some("dü\u{10FFFF}".as_bytes()), Kind::Text),
        header("b-number", Some(b"-1.5e3"), Kind::Number),
        header("c-bytes", Some(b"\x00\xff"), Kind::Bytes),
        header("d-labelled", Some(b"7"), Kind::Labelled("Number.int")),
        header("e-empty", Some(b""), Kind::Text),
        header("f-null", None, Kind::Bytes),
        header("g-control", Some(b"a\x01"), Kind::Text),
        header("traceparent", Some(b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), Kind::Text),
        header("AWSTraceHeader", Some(b"Root=1-5759e988-bd862e3fe1be46a994272793"), Kind::Text),
    ]);
    let mut odd = Headers::from([header("", Some(b"\x01\xff"), Kind::Bytes), header("\u{1}", None, Kind::Text)]);
    (0..12).for_each(|n| odd.push(Header::text(&format!("h{n:02}"), "x")));
    odd.push(header("twice", Some(b"1"), Kind::Bytes));
    odd.push(header("twice", Some(b"2"), Kind::Bytes));
    let payloads: [Option<&[u8]>; 6] =
        [Some(b"{\"a\":1}\r\n"), Some(b"\x00\x01\xff"), Some(b"bell \x07"), Some(b""), Some(b" "), None];
    let mut sent = Vec::new();
    for headers in [Headers::default(), headers, odd] {
        for payload in payloads {
            let mut publication = outlet.publication("");
            publication.payload = payload.map(Bytes::copy_from_slice);
            publication.headers.clone_from(&headers);
            publication.group = Some("g".into());
            publication.deduplication = Some(sent.len().to_string().into());
            assert!(outlet.publish(&publication));
            sent.push((headers.clone(), publication.payload));
        }
    }
    for result in outlet.settled().await {
        assert_eq!(result, Ok(()));
    }
    let sorted = |mut headers: Headers| {
        headers.sort_by_name();
        headers
    };
    let received = records(sqs.endpoint(), &queue, sent.len()).await;
    for (record, (headers, payload)) in received.into_iter().zip(sent) {
        assert_eq!(record.payload, payload);
        assert_eq!(sorted(record.headers), sorted(headers));
        assert_eq!(record.key.as_deref(), Some(&b"g"[..]));
        assert!(record.timestamp_ms.is_some());
    }
    outlet.sink.close(LONG).await;
}

#[tokio::test]
async fn a_message_that_the_queue_never_takes_is_refused_alone() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("refused")).await;
    let mut outlet = Outlet::new(sqs.endpoint(), &queue, |config| config).await;
    let mut wrong = outlet.publication("not a number");
    wrong.headers.push(Header { kind: Kind::Number, ..Header::text("n", "12x") });
    let large = outlet.publication(&"x".repeat((1 << 20) + 1));
    let good = outlet.publication("good");
    for publication in [&good, &good, &wrong, &good, &large, &good] {
        assert!(outlet.publish(publication));
    }
    let results = outlet.settled().await;
    for (index, result) in results.iter().enumerate() {
        match (index, result) {
            (2, Err(Refusal::Rejected(code, _))) => assert_eq!(*code, Code::INVALID_RESULT),
            (4, Err(Refusal::Rejected(code, _))) => assert_eq!(*code, Code::OUTPUT_TOO_LARGE),
            (_, result) => assert_eq!(*result, Ok(())),
        }
    }
    assert_eq!(sqs.counts(&queue).await.visible, 4);
    outlet.sink.close(LONG).await;
}

#[tokio::test]
async fn messages_too_large_for_one_call_go_in_several() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("large")).await;
    let mut outlet = Outlet::new(sqs.endpoint(), &queue, |config| config).await;
    let large = outlet.publication(&"x".repeat(400_000));
    for _ in 0..7 {
        assert!(outlet.publish(&large));
    }
    assert!(outlet.settled().await.iter().all(Result::is_ok));
    assert_eq!(sqs.counts(&queue).await.visible, 7);
    outlet.sink.close(LONG).await;
}

#[tokio::test]
async fn a_repeat_with_the_same_deduplication_id_is_stored_once() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("repeated")).await;
    let mut outlet = Outlet::new(sqs.endpoint(), &queue, |config| config).await;
    let mut publication = outlet.publication("once");
    (publication.group, publication.deduplication) = (Some("Köln 1".into()), Some("Köln 1/0".into()));
    for _ in 0..3 {
        assert!(outlet.publish(&publication));
    }
    assert!(outlet.settled().await.iter().all(Result::is_ok));
    assert_eq!(sqs.receive_all(&queue).await.len(), 1);
    outlet.sink.close(LONG).await;
}

#[tokio::test]
async fn a_sink_takes_no_more_than_it_has_room_for_and_goes_on_after_an_outage() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("outage")).await;
    let gate = Gate::before(sqs.endpoint()).await;
    let mut outlet = Outlet::new(&gate.endpoint(), &queue, |config| Config { capacity: 10, ..config }).await;
    gate.shut();
    let publication = outlet.publication("kept");
    let mut taken = 0_usize;
    while outlet.publish(&publication) {
        taken += 1;
        assert!(taken < 1000, "there is no bound");
        tokio::task::yield_now().await;
    }
    gate.open();
    assert!(outlet.settled().await.iter().all(Result::is_ok));
    assert!(sqs.counts(&queue).await.visible >= taken);
    outlet.sink.close(LONG).await;
}

#[tokio::test]
async fn what_cannot_be_sent_in_time_is_unavailable_and_not_forgotten() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("late")).await;
    let gate = Gate::before(sqs.endpoint()).await;
    let limit = Some(Duration::from_millis(500));
    let mut outlet = Outlet::new(&gate.endpoint(), &queue, |config| Config { limit, ..config }).await;
    gate.shut();
    for number in 0..50 {
        let mut publication = outlet.publication("late");
        (publication.group, publication.deduplication) = (Some("g".into()), Some(number.to_string().into()));
        assert!(outlet.publish(&publication));
    }
    for result in outlet.settled().await {
        assert!(matches!(result, Err(Refusal::Unavailable(_))), "{result:?}");
    }
    timeout(LONG, outlet.sink.close(LONG)).await.expect("closed");
}

#[tokio::test]
async fn closing_sends_what_was_taken() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::fifo("closing")).await;
    let mut outlet = Outlet::new(sqs.endpoint(), &queue, |config| config).await;
    for number in 0..30 {
        let mut publication = outlet.publication("taken");
        (publication.group, publication.deduplication) = (Some("g".into()), Some(number.to_string().into()));
        assert!(outlet.publish(&publication));
    }
    outlet.sink.close(LONG).await;
    assert_eq!(sqs.counts(&queue).await.visible, 30);
}

#[tokio::test]
async fn what_is_to_be_sent_once_is_not_sent_again_where_its_answer_is_lost() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("once")).await;
    let gate = Gate::before(sqs.endpoint()).await;
    let mut outlet = Outlet::new(&gate.endpoint(), &queue, |config| config).await;
    gate.lose_answers();
    for number in 0..12 {
        let publication = outlet.publication(&number.to_string());
        assert!(outlet.publish_as(&publication, true));
    }
    let lost = outlet.settled().await;
    assert!(lost.iter().all(|result| matches!(result, Err(Refusal::Unavailable(_)))), "{lost:?}");
    gate.open();
    let publication = outlet.publication("later");
    assert!(outlet.publish_as(&publication, true));
    assert_eq!(outlet.settled_from(12).await, [Ok(())]);
    let mut bodies: Vec<String> =
        sqs.receive_all(&queue).await.iter().map(|message| message.body().expect("a body").to_owned()).collect();
    bodies.sort();
    let mut expected: Vec<String> = (0..12).map(|number| number.to_string()).chain(["later".to_owned()]).collect();
    expected.sort();
    assert_eq!(bodies, expected, "each arrived, and once");
    outlet.sink.close(LONG).await;
}
