//! The promises of the Kafka sink: a durable publication is stored, and each publication is answered once.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cofferdam::broker::kafka::sink::{Config, Kafka};
use cofferdam::broker::kafka::topics::{self, Creation, Needed, Tier};
use cofferdam::sink::Sink as _;
use cofferdam::sink::{Answers, Ticket};
use cofferdam::source::Source as _;
use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::message::{Header, Headers, Kind};
use cofferdam_core::outcome::Code;
use cofferdam_core::output::Publication;
use tokio::sync::mpsc;

/// Longest time until an answer on a busy machine.
const WAIT: Duration = Duration::from_secs(60);

#[tokio::test]
async fn what_is_published_stands_in_the_topic_byte_for_byte() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kafka.topic("sink-bytes", 1).await;
    let mut bench = Bench::new(kafka.bootstrap(), &[]);
    let header = |name: &'static str, value: Option<&'static [u8]>| -> Header<'static> {
        Header { name: name.as_bytes(), value, kind: Kind::Bytes }
    };
    let headers = [header("a", Some(b"1")), header("a", Some(&[0, 255])), header("n", None), header("e", Some(b""))];
    let full = Publication {
        key: Some(vec![0, 254].into()),
        headers: headers.into(),
        timestamp_ms: Some(1_700_000_000_123),
        ..to(&topic, Some(b"payload"))
    };
    bench.publish(&full);
    bench.publish(&Publication { key: Some("gone".into()), ..to(&topic, None) });
    bench.publish(&Publication { key: Some("".into()), ..to(&topic, Some(b"")) });
    assert_eq!(bench.answers(3).await, [Ok(()), Ok(()), Ok(())]);
    assert_eq!(bench.sink.flush(WAIT).await, 0);

    let stored = kafka.read_all(&topic).await;
    assert_eq!(stored.len(), 3);
    assert_eq!(stored[0].key.as_deref(), Some(&[0, 254][..]));
    assert_eq!(stored[0].value.as_deref(), Some(&b"payload"[..]));
    assert_eq!(stored[0].timestamp, 1_700_000_000_123);
    let some = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
    let expected = [some("a", b"1"), some("a", &[0, 255]), ("n".to_owned(), None), some("e", b"")];
    assert_eq!(stored[0].headers, expected);
    assert_eq!((stored[1].key_text(), stored[1].value.as_deref()), ("gone", None), "a tombstone has no value");
    assert!(stored[1].timestamp > 1_700_000_000_123, "without a timestamp it is the present");
    assert_eq!((stored[2].key.as_deref(), stored[2].value.as_deref()), (Some(&b""[..]), Some(&b""[..])));
}

#[tokio::test]
async fn header_names_that_are_no_text_survive_the_way_out_and_in() {
    use cofferdam::broker::kafka::source::Config as Source;
    use cofferdam_core::action::Ask;

    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kafka.topic("sink-names", 1).await;
    let mut bench = Bench::new(kafka.bootstrap(), &[]);
    let headers = Headers::from([
        Header { name: b"\xff\xfe", value: Some(b"\xfd"), kind: Kind::Bytes },
        Header { name: b"", value: None, kind: Kind::Bytes },
    ]);
    bench.publish(&Publication { headers: headers.clone(), ..to(&topic, Some(b"x")) });
    assert_eq!(bench.answers(1).await, [Ok(())]);

    let source = Source {
        bootstrap_servers: kafka.bootstrap().to_owned(),
        client_id: kit::unique("test"),
        group: kit::unique("group"),
        topics: vec![topic],
        properties: BTreeMap::new(),
        route: "r".to_owned(),
        revoke_timeout: WAIT,
    };
    let mut source = source.build().unwrap();
    source.ask(Ask::Grant { messages: 1, bytes: 1_000 });
    let records = loop {
        match tokio::time::timeout(WAIT, source.next()).await.unwrap().unwrap() {
            Event::Records { records, .. } => break records,
            _ => continue,
        }
    };
    assert_eq!(records[0].headers, headers);
    source.close(tokio::time::Instant::now() + WAIT).await.unwrap();
}

#[tokio::test]
async fn a_publication_of_two_megabytes_is_rejected_and_others_are_not() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kafka.topic("sink-large", 1).await;
    let mut bench = Bench::new(kafka.bootstrap(), &[("compression.type", "none")]);
    bench.publish(&to(&topic, Some(b"before")));
    bench.publish(&to(&topic, Some(&vec![b'x'; 2_000_000])));
    bench.publish(&to(&topic, Some(b"after")));
    let answers = bench.answers(3).await;
    assert_eq!((&answers[0], &answers[2]), (&Ok(()), &Ok(())));
    assert!(matches!(&answers[1], Err(Refusal::Rejected(code, _)) if *code == Code::OUTPUT_TOO_LARGE), "{answers:?}");
    assert_eq!(kafka.read_all(&topic).await.len(), 2);
}

#[tokio::test]
async fn a_publication_that_its_topic_has_room_for_is_stored_whatever_its_size() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kit::unique("sink-room");
    create(kafka, &topic, &[("max.message.bytes", "8000000")]).await;
    // The second case is compressible content, in a topic with the default size limit.
    let usual = kafka.topic("sink-usual", 1).await;
    for (topic, properties) in [(&topic, &[("compression.type", "none")][..]), (&usual, &[])] {
        let mut bench = Bench::new(kafka.bootstrap(), properties);
        bench.publish(&to(topic, Some(&vec![b'x'; 3_000_000])));
        assert_eq!(bench.answers(1).await, [Ok(())]);
        assert_eq!(kafka.read_all(topic).await[0].value.as_ref().map(Vec::len), Some(3_000_000));
    }
}

#[tokio::test]
async fn a_request_that_is_too_large_for_the_topic_does_not_cost_the_publications_in_it() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topic = kit::unique("sink-small-limit");
    create(kafka, &topic, &[("max.message.bytes", "10000")]).await;
    let mut bench = Bench::new(kafka.bootstrap(), &[("linger.ms", "500"), ("compression.type", "none")]);
    for number in 0..100 {
        // Each fits into a batch, all together do not; the one in the middle does not fit at all.
        let size = if number == 50 { 20_000 } else { 1_000 };
        let headers = [Header::text("number", &number.to_string())].into();
        bench.publish(&Publication { headers, ..to(&topic, Some(&vec![b'x'; size])) });
    }
    let answers = bench.answers(100).await;
    for (number, answer) in answers.iter().enumerate() {
        match answer {
            Ok(()) => assert_ne!(number, 50),
            Err(Refusal::Rejected(code, _)) if *code == Code::OUTPUT_TOO_LARGE => assert_eq!(number, 50),
            Err(refusal) => panic!("{number}: {refusal:?}"),
        }
    }
    assert_eq!(bench.sink.flush(WAIT).await, 0);
    let stored = kafka.read_all(&topic).await;
    let mut numbers: Vec<usize> = stored.iter().map(|it| it.header("number").unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).filter(|number| *number != 50).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_a_topic_refuses_of_one_record_costs_no_neighbour_of_it_and_the_reason_names_topic_and_cause() {
    type Spoil = fn(Publication) -> Publication;
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let no_key = |publication: Publication| Publication { key: None, ..publication };
    let late = |publication: Publication| Publication { timestamp_ms: Some(4_102_444_800_000), ..publication };
    let cases: [(&str, &str, Spoil, &str); 2] = [
        ("cleanup.policy", "compact", no_key, "the topic is compacted and the output has no key"),
        ("message.timestamp.after.max.ms", "3600000", late, "message.timestamp.after.max.ms of the topic"),
    ];
    for (setting, value, spoil, cause) in cases {
        for bad in [vec![7], vec![0, 7, 19]] {
            let topic = kit::unique("sink-refuses");
            create(kafka, &topic, &[(setting, value)]).await;
            let mut bench = Bench::new(kafka.bootstrap(), &[("linger.ms", "500")]);
            for number in 0..20_usize {
                let good = Publication { key: Some("k".into()), ..to(&topic, Some(number.to_string().as_bytes())) };
                bench.publish(&if bad.contains(&number) { spoil(good) } else { good });
            }
            for (number, answer) in bench.answers(20).await.into_iter().enumerate() {
                match answer {
                    Ok(()) => assert!(!bad.contains(&number), "{setting}: {number} was stored"),
                    Err(Refusal::Rejected(code, text)) => {
                        assert!(bad.contains(&number), "{setting}: {number} was refused for its neighbour: {text}");
                        assert_eq!(code, Code::INVALID_RESULT);
                        assert!(text.contains(&topic) && text.contains(cause), "{text}");
                    }
                    Err(refusal) => panic!("{setting}: {number}: {refusal:?}"),
                }
            }
            let stored: Vec<String> = kafka
                .read_all(&topic)
                .await
                .iter()
                .map(|stored| String::from_utf8(stored.value.clone().unwrap()).unwrap())
                .collect();
            let good: Vec<String> = (0..20).filter(|number| !bad.contains(number)).map(|it| it.to_string()).collect();
            assert_eq!(stored, good, "{setting}: in order, once each");
        }
    }
}

#[tokio::test]
async fn without_a_broker_nothing_is_said_to_be_durable() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut bench = Bench::new(&nobody, &[("delivery.timeout.ms", "1500")]);
    for _ in 0..10 {
        bench.publish(&to("topic", Some(b"x")));
    }
    assert_eq!(bench.sink.flush(Duration::from_millis(10)).await, 10);
    for answer in bench.answers(10).await {
        assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
    }
    assert_eq!(bench.sink.flush(WAIT).await, 0);
}

#[tokio::test]
async fn a_full_queue_gives_the_ticket_back() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let mut bench = Bench::new(&nobody, &[("queue.buffering.max.messages", "5")]);
    for _ in 0..5 {
        bench.publish(&to("topic", Some(b"x")));
    }
    let ticket = Ticket::new(bench.flow.clone(), DeliveryId::default(), 5);
    let (ticket, _busy) = bench.sink.publish(&to("topic", Some(b"x")), ticket).unwrap_err();
    assert_eq!(ticket.index(), 5);
    ticket.settle(Ok(()));
    assert_eq!(bench.next().await, (5, Ok(())));

    // Dropping the sink answers each publication.
    let Bench { sink, mut answers, .. } = bench;
    tokio::task::spawn_blocking(move || drop(sink)).await.unwrap();
    let told = answers.recv().await.unwrap();
    assert_eq!(told.len(), 5);
    for event in told {
        let (_, answer) = answer(event);
        assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn a_broker_that_stops_in_the_middle_costs_no_publication_that_was_said_to_be_durable() {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    use rdkafka::message::Message;
    use rdkafka::mocking::MockCluster;

    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("topic", 1, 1).unwrap();
    let bootstrap = cluster.bootstrap_servers();
    // A client whose connection is refused waits longer each time. It must be connected again well before its
    // publications time out.
    let settings = [
        ("delivery.timeout.ms", "5000"),
        ("linger.ms", "0"),
        ("reconnect.backoff.ms", "50"),
        ("reconnect.backoff.max.ms", "200"),
        ("retry.backoff.max.ms", "200"),
    ];
    let mut bench = Bench::new(&bootstrap, &settings);
    let mut durable = Vec::new();
    for number in 0..300 {
        match number {
            100 => cluster.broker_down(1).unwrap(),
            200 => cluster.broker_up(1).unwrap(),
            _ => {}
        }
        bench.publish(&to("topic", Some(number.to_string().as_bytes())));
        if number == 99 || number == 199 {
            // So that some are answered before the outage, some fall into it, and the last come after it.
            durable.extend(bench.answers(100).await.into_iter().enumerate().map(|(at, it)| (number - 99 + at, it)));
        }
    }
    durable.extend(bench.answers(100).await.into_iter().enumerate().map(|(at, it)| (200 + at, it)));
    let durable: Vec<String> =
        durable.into_iter().filter(|(_, answer)| answer.is_ok()).map(|(number, _)| number.to_string()).collect();
    assert!(durable.len() >= 200, "what was sent while the broker was up: {}", durable.len());
    assert!(durable.len() < 300, "nothing can become durable without a broker");

    let stored = tokio::task::spawn_blocking(move || {
        let mut config = rdkafka::ClientConfig::new();
        config.set("bootstrap.servers", bootstrap).set("group.id", "reader").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = rdkafka::TopicPartitionList::new();
        list.add_partition_offset("topic", 0, rdkafka::Offset::Beginning).unwrap();
        consumer.assign(&list).unwrap();
        let mut stored = Vec::new();
        loop {
            match consumer.poll(WAIT).expect("the end comes in time") {
                Ok(record) => stored.push(String::from_utf8(record.payload().unwrap().to_vec()).unwrap()),
                Err(_) => return stored, // the end of the partition
            }
        }
    });
    let stored = stored.await.unwrap();
    assert!(durable.iter().all(|number| stored.contains(number)), "durable: {durable:?}\nstored: {stored:?}");
}

#[tokio::test]
async fn missing_topics_are_named_and_made_as_their_tier_says() {
    use rdkafka::admin::{AdminClient, AdminOptions, ResourceSpecifier};
    use rdkafka::client::DefaultClientContext;

    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let there = kafka.topic("topics-there", 1).await;
    let names: [Arc<str>; 3] = [there.into(), kit::unique("topics-work").into(), kit::unique("topics-dead").into()];
    let topics = topics::Config {
        bootstrap_servers: kafka.bootstrap().to_owned(),
        client_id: kit::unique("test"),
        properties: BTreeMap::new(),
    };
    let topics = topics.build().unwrap();
    assert_eq!(topics.missing(&names).await.unwrap(), names[1..]);

    let tiers = [Tier::standard(), Tier::standard(), Tier::error()];
    let needed: Vec<Needed> =
        names.iter().zip(tiers).map(|(name, tier)| Needed { name: Arc::clone(name), tier }).collect();
    let refused = topics.ensure(&needed, Creation::Refused).await.unwrap_err();
    assert!(matches!(&refused, topics::Error::Missing { names: missing } if missing.len() == 2), "{refused}");
    let asked = topics.ensure(&needed, Creation::Asked).await.unwrap();
    assert_eq!((asked.made.len(), topics.missing(&names).await.unwrap()), (2, names[1..].to_vec()));
    assert_eq!(topics.ensure(&needed, Creation::Done).await.unwrap().made.len(), 2);
    assert_eq!(topics.ensure(&needed, Creation::Refused).await.unwrap(), topics::Ensured::default());

    assert_eq!(kafka.ends(&names[1]).await.len(), 3);
    assert_eq!(kafka.ends(&names[2]).await.len(), 1);
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().unwrap();
    for (name, days) in [(&names[1], 7_u64), (&names[2], 30)] {
        let asked = [ResourceSpecifier::Topic(name)];
        let configs = admin.describe_configs(&asked, &AdminOptions::new()).await.unwrap();
        let config = configs.into_iter().next().unwrap().unwrap();
        let value = |name: &str| config.get(name).unwrap().value.clone().unwrap();
        assert_eq!(value("retention.ms"), (days * 24 * 60 * 60 * 1_000).to_string());
        assert_eq!(value("min.insync.replicas"), "1", "there is only one broker");
    }
}

/// A host that starts next must not report them as missing. Many at once take the broker some time.
#[tokio::test]
async fn topics_that_were_created_are_listed_at_once() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let topics = topics::Config {
        bootstrap_servers: kafka.bootstrap().to_owned(),
        client_id: kit::unique("test"),
        properties: BTreeMap::new(),
    };
    let topics = topics.build().unwrap();
    for _ in 0..5 {
        let names: Vec<Arc<str>> = (0..20).map(|_| kit::unique("listed").into()).collect();
        let needed = |name: &Arc<str>| Needed { name: Arc::clone(name), tier: Tier::standard() };
        let needed: Vec<Needed> = names.iter().map(needed).collect();
        assert_eq!(topics.ensure(&needed, Creation::Done).await.unwrap().made.len(), names.len());
        assert!(topics.missing(&names).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_cluster_that_is_not_there_is_named() {
    let topics = topics::Config {
        bootstrap_servers: "127.0.0.1:1".to_owned(),
        client_id: kit::unique("test"),
        properties: BTreeMap::new(),
    };
    let refused = topics.build().unwrap().missing(&["t".into()]).await.unwrap_err();
    assert!(refused.to_string().contains("127.0.0.1:1"), "{refused}");
}

fn to(topic: &str, payload: Option<&[u8]>) -> Publication {
    Publication {
        destination: cofferdam::broker::kafka::topic(topic),
        key: None,
        headers: Headers::default(),
        payload: payload.map(|payload| payload.to_vec().into()),
        timestamp_ms: None,
        group: None,
        deduplication: None,
    }
}

async fn create(kafka: &kit::Kafka, topic: &str, settings: &[(&str, &str)]) {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
    admin.create_topics(&[new], &AdminOptions::new()).await.unwrap()[0].as_ref().unwrap();
}

/// A sink, and the channel that its tickets write to.
struct Bench {
    sink: Kafka,
    flow: mpsc::Sender<Answers>,
    answers: mpsc::Receiver<Answers>,
    /// Answers that arrived together with one that was awaited.
    waiting: VecDeque<Event>,
    published: u32,
}

impl Bench {
    fn new(bootstrap: &str, properties: &[(&str, &str)]) -> Bench {
        let properties = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = Config {
            bootstrap_servers: bootstrap.to_owned(),
            client_id: kit::unique("test"),
            properties: properties.collect(),
        };
        let (flow, answers) = mpsc::channel(1_000);
        Bench { sink: config.build().unwrap(), flow, answers, waiting: VecDeque::new(), published: 0 }
    }

    fn publish(&mut self, publication: &Publication) {
        let ticket = Ticket::new(self.flow.clone(), DeliveryId::default(), self.published);
        self.published += 1;
        assert!(self.sink.publish(publication, ticket).is_ok(), "the queue is full");
    }

    async fn next(&mut self) -> (u32, Result<(), Refusal>) {
        while self.waiting.is_empty() {
            let answers = tokio::time::timeout(WAIT, self.answers.recv()).await.expect("an answer comes in time");
            self.waiting.extend(answers.expect("we hold a sender"));
        }
        answer(self.waiting.pop_front().expect("it is not empty"))
    }

    /// Returns the next answers in the order of their publications; each publication has one.
    async fn answers(&mut self, count: usize) -> Vec<Result<(), Refusal>> {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            let (index, answer) = self.next().await;
            assert!(answers.insert(index, answer).is_none(), "publication {index} was answered twice");
        }
        answers.into_values().collect()
    }
}

fn answer(event: Event) -> (u32, Result<(), Refusal>) {
    match event {
        Event::Durable { index, .. } => (index, Ok(())),
        Event::NotDurable { index, refusal, .. } => (index, Err(refusal)),
        other => panic!("no answer: {other:?}"),
    }
}
