//! What the Kafka source promises to whoever drives it, on Apache Kafka.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam::broker::kafka::source::{Config, Error, Kafka};
use cofferdam::source::Source as _;
use cofferdam_core::action::Ask;
use cofferdam_core::event::{Event, Partition};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::message::{Header, Kind, Position, Record};
use cofferdam_core::progress::{LIMIT, Progress};
use kit::Record as Input;

/// How long an event may take on a busy machine.
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
async fn who_comes_after_goes_on_where_the_commit_was_and_gets_its_metadata() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-resume", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..10).map(|n| Input::new(n.to_string()))).await;

    let mut first = Member::join(kafka, &group, &[&topic]);
    first.grant(100);
    first.records(10).await;
    let position = CommitPosition { partition: first.partition(&topic, 0), offset: 3, metadata: "5-7,9 ä".into() };
    first.source.ask(Ask::Commit(vec![position.clone()]));
    let committed = first.until(|event| matches!(event, Event::Committed(_))).await;
    assert!(matches!(committed, Event::Committed(positions) if positions == [position]));
    first.leave().await;
    assert_eq!(kafka.committed(&group, &topic).await[&0].metadata, "5-7,9 ä");

    let mut second = Member::join(kafka, &group, &[&topic]);
    let Event::Assigned(assigned) = second.until(|event| matches!(event, Event::Assigned(_))).await else { panic!() };
    assert_eq!(assigned[0].metadata.as_deref(), Some("5-7,9 ä"));
    second.grant(100);
    assert_eq!(offsets(&second.records(7).await, 0), (3..10).collect::<Vec<_>>());
    second.leave().await;
}

#[tokio::test]
async fn a_revoked_partition_stays_until_it_is_given_up_and_goes_on_behind_its_last_commit() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-revoke", 2).await, kit::unique("group"));
    kafka.produce(&topic, (0..20).map(|n| Input::new(n.to_string()).partition(n % 2))).await;

    let mut old = Member::join(kafka, &group, &[&topic]);
    old.grant(1_000);
    old.records(20).await;
    let mut new = Member::join(kafka, &group, &[&topic]);
    new.grant(1_000);
    let Event::Revoked(revoked) = old.until(|event| matches!(event, Event::Revoked(_))).await else { panic!() };
    assert_eq!(revoked.len(), 1, "one of two goes, the other stays");
    let (gone, kept) = (revoked[0].number, 1 - revoked[0].number);

    // Still ours: a commit goes through, and the new member has nothing.
    old.commit(&topic, gone, 4).await;
    assert!(new.pending().is_empty(), "nobody has it twice");

    let position = CommitPosition { partition: revoked[0].clone(), offset: 6, metadata: "last".into() };
    old.source.ask(Ask::GiveUp { partition: revoked[0].clone(), commit: Some(position.clone()) });
    let committed = old.until(|event| matches!(event, Event::Committed(_))).await;
    assert!(matches!(committed, Event::Committed(positions) if positions == [position]));
    let Event::Assigned(assigned) = new.until(|event| matches!(event, Event::Assigned(_))).await else { panic!() };
    assert_eq!((assigned.len(), assigned[0].partition.number), (1, gone));
    assert_eq!(assigned[0].metadata.as_deref(), Some("last"));
    assert_eq!(offsets(&new.records(4).await, gone), (6..10).collect::<Vec<_>>());

    // The one that stayed goes on without a gap and without a repeat.
    kafka.produce(&topic, (0..5).map(|n| Input::new(n.to_string()).partition(kept))).await;
    assert_eq!(offsets(&old.records(5).await, kept), (10..15).collect::<Vec<_>>());
    old.leave().await;
    new.leave().await;
}

#[tokio::test]
async fn a_partition_that_is_not_given_up_in_time_is_lost_and_takes_no_commit() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-late", 2).await, kit::unique("group"));
    kafka.produce(&topic, (0..20).map(|n| Input::new(n.to_string()).partition(n % 2))).await;

    let mut old =
        Member::build(Config { revoke_timeout: Duration::from_millis(500), ..config(kafka, &group, &[&topic]) });
    old.grant(1_000);
    old.records(20).await;
    let mut new = Member::join(kafka, &group, &[&topic]);
    let Event::Revoked(revoked) = old.until(|event| matches!(event, Event::Revoked(_))).await else { panic!() };
    let Event::Lost(lost) = old.until(|event| matches!(event, Event::Lost(_))).await else { panic!() };
    assert_eq!(lost, revoked);
    new.assigned(1).await;

    let late = CommitPosition { partition: lost[0].clone(), offset: 10, metadata: "".into() };
    old.source.ask(Ask::Commit(vec![late.clone()]));
    let failed = old.until(|event| matches!(event, Event::CommitFailed(_))).await;
    assert!(matches!(failed, Event::CommitFailed(positions) if positions == [late]));
    assert_eq!(kafka.committed(&group, &topic).await.get(&lost[0].number), None);
    old.leave().await;
    new.leave().await;
}

#[tokio::test]
async fn what_was_never_handed_over_cannot_be_committed() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-beyond", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..10).map(|n| Input::new(n.to_string()))).await;

    let mut member = Member::join(kafka, &group, &[&topic]);
    member.grant(5);
    member.records(5).await;
    let beyond = CommitPosition { partition: member.partition(&topic, 0), offset: 6, metadata: "".into() };
    let foreign = CommitPosition { partition: Partition { topic: "nowhere".into(), number: 0 }, ..beyond.clone() };
    member.source.ask(Ask::Commit(vec![beyond, foreign]));
    let failed = member.until(|event| matches!(event, Event::CommitFailed(_))).await;
    assert!(matches!(failed, Event::CommitFailed(positions) if positions.len() == 2));
    assert!(kafka.committed(&group, &topic).await.is_empty());
    member.leave().await;
}

#[tokio::test]
async fn a_topic_that_comes_to_match_later_is_read_from_its_beginning() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let stem = kit::unique("source-expression");
    let first = format!("{stem}.a");
    kafka.create_topic(&first, 1).await;
    kafka.produce(&first, [Input::new("1")]).await;

    let mut config = config(kafka, &kit::unique("group"), &[]);
    config.topics = vec![format!("^{stem}\\..*")];
    config.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), "200".to_owned());
    let mut member = Member::build(config);
    member.grant(100);
    assert_eq!(&*member.records(1).await[0].source, first);
    let second = format!("{stem}.b");
    kafka.create_topic(&second, 1).await;
    kafka.produce(&second, [Input::new("2")]).await;
    assert_eq!(&*member.records(1).await[0].source, second);
    member.leave().await;
}

#[tokio::test]
async fn members_that_come_and_go_lose_nothing_and_keep_the_order_of_events() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    const PARTITIONS: i32 = 6;
    const RECORDS: i32 = 30_000;
    let (topic, group) = (kafka.topic("source-storm", PARTITIONS).await, kit::unique("group"));
    kafka.produce(&topic, (0..RECORDS).map(|n| Input::new(n.to_string()).partition(n % PARTITIONS))).await;

    let mut members = vec![Worker::join(kafka, &group, &topic)];
    let mut seen: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    let total = |seen: &BTreeMap<i32, BTreeSet<i64>>| seen.values().map(BTreeSet::len).sum::<usize>();
    let until = tokio::time::Instant::now() + 2 * WAIT;
    let mut rounds = 0;
    while total(&seen) < RECORDS as usize || rounds < 8 {
        assert!(tokio::time::Instant::now() < until, "{} of {RECORDS} after {rounds} rounds", total(&seen));
        rounds += 1;
        // One comes, and every third time the oldest goes.
        if members.len() < 4 {
            members.push(Worker::join(kafka, &group, &topic));
        } else {
            members.remove(0).leave(&mut seen).await;
        }
        let at_least = (RECORDS as usize / 10).min(RECORDS as usize - total(&seen));
        let target = total(&seen) + at_least;
        let mut turns = 0;
        while total(&seen) < target || turns < 20 {
            assert!(tokio::time::Instant::now() < until, "{} of {RECORDS} after {rounds} rounds", total(&seen));
            for member in &mut members {
                member.work(&mut seen, Duration::from_millis(5)).await;
            }
            turns += 1;
        }
    }
    for member in members {
        member.leave(&mut seen).await;
    }
    for (partition, offsets) in &seen {
        assert_eq!(offsets.len(), (RECORDS / PARTITIONS) as usize, "partition {partition}");
    }
    let committed = kafka.committed(&group, &topic).await;
    assert!(committed.values().all(|committed| committed.offset <= i64::from(RECORDS / PARTITIONS)));
    assert_eq!(committed.len(), PARTITIONS as usize);
}

#[tokio::test]
async fn a_topic_that_is_made_anew_under_our_feet_is_lost_and_read_from_its_beginning() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-anew", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..1_000).map(|n| Input::new(n.to_string()))).await;
    let mut config = config(kafka, &group, &[&topic]);
    config.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), "200".to_owned());
    let mut member = Member::build(config);
    member.grant(10_000);
    member.records(1_000).await;

    delete_topic(kafka, &topic).await;
    kit::eventually("the topic can be made again", WAIT, async || try_create(kafka, &topic).await).await;
    kafka.produce(&topic, (0..3).map(|n| Input::new(n.to_string()))).await;

    // Through the group or by itself: before it is read again it is lost or revoked, and assigned.
    let gone = member.until(|event| matches!(event, Event::Lost(_) | Event::Revoked(_))).await;
    if let Event::Revoked(partitions) = gone {
        member.source.ask(Ask::GiveUp { partition: partitions[0].clone(), commit: None });
    }
    member.until(|event| matches!(event, Event::Assigned(_))).await;
    assert_eq!(offsets(&member.records(3).await, 0), [0, 1, 2]);
    member.leave().await;
}

#[tokio::test]
async fn a_topic_that_was_deleted_and_created_again_and_has_grown_past_the_old_position_is_read_from_its_beginning() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-recreated", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..40).map(|n| Input::new(n.to_string()))).await;
    let mut member = Member::build(config(kafka, &group, &[&topic]));
    member.grant(10_000);
    let first = member.until(|event| matches!(event, Event::Assigned(_))).await;
    member.records(40).await;

    // The broker deletes in its own time. What takes the name is made at once, so the group hears nothing of it.
    delete_topic(kafka, &topic).await;
    kit::eventually("the topic can be made again", WAIT, async || try_create(kafka, &topic).await).await;
    kafka.produce(&topic, (0..100).map(|n| Input::new(format!("new {n}")))).await;
    let gone = member.until(|event| matches!(event, Event::Lost(_) | Event::Revoked(_))).await;
    if let Event::Revoked(partitions) = gone {
        member.source.ask(Ask::GiveUp { partition: partitions[0].clone(), commit: None });
    }
    // What was read at the old offset before that comes again.
    member.seen.clear();
    let anew = member.until(|event| matches!(event, Event::Assigned(_))).await;
    let identity = |event: &Event| match event {
        Event::Assigned(assigned) => assigned[0].identity,
        event => panic!("{event:?}"),
    };
    assert_ne!(identity(&first), identity(&anew), "commits of the one are not taken for those of the other");
    assert_eq!(offsets(&member.records(100).await, 0), (0..100).collect::<Vec<_>>());
    member.leave().await;
}

#[tokio::test]
async fn a_commit_for_a_topic_of_the_same_name_that_was_deleted_is_not_where_reading_begins() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-stale-commit", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..10).map(|n| Input::new(n.to_string()))).await;
    let mut member = Member::join(kafka, &group, &[&topic]);
    member.grant(100);
    let Event::Assigned(assigned) = member.until(|event| matches!(event, Event::Assigned(_))).await else { panic!() };
    let metadata = Progress::default().encode(7, assigned[0].identity, LIMIT);
    member.records(10).await;
    member.leave().await;

    kafka.delete_topic(&topic).await;
    kit::eventually("the topic can be made again", WAIT, async || try_create(kafka, &topic).await).await;
    kafka.produce(&topic, (0..10).map(|n| Input::new(n.to_string()))).await;
    // The last commit of a host that had not noticed reaches the broker now.
    kafka.commit(&group, &topic, 0, &kit::Committed { offset: 7, metadata: metadata.into() }).await;
    let mut member = Member::join(kafka, &group, &[&topic]);
    member.grant(100);
    assert_eq!(offsets(&member.records(10).await, 0), (0..10).collect::<Vec<_>>());
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

fn offline(group: &str, topics: &[&str]) -> Config {
    Config {
        bootstrap_servers: "127.0.0.1:1".to_owned(),
        client_id: kit::unique("test"),
        group: group.to_owned(),
        topics: topics.iter().map(|topic| (*topic).to_owned()).collect(),
        properties: BTreeMap::new(),
        route: "r".to_owned(),
        revoke_timeout: WAIT,
    }
}

fn config(kafka: &kit::Kafka, group: &str, topics: &[&str]) -> Config {
    let heartbeat = ("heartbeat.interval.ms".to_owned(), "200".to_owned()); // members hear of each other sooner
    Config {
        bootstrap_servers: kafka.bootstrap().to_owned(),
        properties: BTreeMap::from([heartbeat]),
        ..offline(group, topics)
    }
}

fn offsets(records: &[Record], partition: i32) -> Vec<i64> {
    let offset = |record: &Record| match record.position {
        Position::Offset { partition: found, offset } => {
            assert_eq!(found, partition, "a record of another partition");
            offset
        }
        Position::MessageId(_) => panic!("not of kafka"),
    };
    records.iter().map(offset).collect()
}

async fn delete_topic(kafka: &kit::Kafka, topic: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::client::DefaultClientContext;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().unwrap();
    for result in admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
}

async fn try_create(kafka: &kit::Kafka, topic: &str) -> Option<()> {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics(&[new], &AdminOptions::new()).await.unwrap().into_iter().all(|made| made.is_ok());
    made.then_some(())
}

/// A source and what it has said that nobody has looked at.
struct Member {
    source: Kafka,
    seen: Vec<Record>,
    next: Option<(Partition, i64)>,
}

impl Member {
    fn join(kafka: &kit::Kafka, group: &str, topics: &[&str]) -> Member {
        Member::build(config(kafka, group, topics))
    }

    fn build(config: Config) -> Member {
        Member { source: config.build().unwrap(), seen: Vec::new(), next: None }
    }

    fn grant(&mut self, messages: u32) {
        self.source.ask(Ask::Grant { messages, bytes: u64::from(messages) * 110 });
    }

    fn partition(&self, topic: &str, number: i32) -> Partition {
        Partition { topic: topic.into(), number }
    }

    async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(WAIT, self.source.next()).await.expect("an event comes in time");
        event.expect("the source has not ended")
    }

    /// The next event that is not records; those are kept.
    async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        loop {
            match self.event().await {
                Event::Records { partition, records } => self.keep(partition, records),
                event if wanted(&event) => return event,
                _ => {}
            }
        }
    }

    fn keep(&mut self, partition: Partition, records: Vec<Record>) {
        let Some(Position::Offset { offset, .. }) = records.last().map(|record| &record.position) else {
            panic!("records without a record");
        };
        self.next = Some((partition, offset + 1));
        self.seen.extend(records);
    }

    /// Exactly so many records, in the order in which they came.
    async fn records(&mut self, count: usize) -> Vec<Record> {
        while self.seen.len() < count {
            if let Event::Records { partition, records } = self.event().await {
                self.keep(partition, records);
            }
        }
        assert_eq!(self.seen.len(), count, "more than were expected");
        std::mem::take(&mut self.seen)
    }

    /// What has been said and not been looked at, without waiting.
    fn pending(&mut self) -> Vec<Event> {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};
        let mut events = Vec::new();
        while let Poll::Ready(Some(event)) = pin!(self.source.next()).poll(&mut Context::from_waker(Waker::noop())) {
            events.push(event);
        }
        events
    }

    async fn assigned(&mut self, count: usize) {
        let Event::Assigned(assigned) = self.until(|event| matches!(event, Event::Assigned(_))).await else { panic!() };
        assert_eq!(assigned.len(), count);
    }

    async fn commit(&mut self, topic: &str, number: i32, offset: i64) {
        let position = CommitPosition { partition: self.partition(topic, number), offset, metadata: "".into() };
        self.source.ask(Ask::Commit(vec![position]));
        self.until(|event| matches!(event, Event::Committed(_))).await;
    }

    /// Commits what came last and counts the records that come until the broker has answered: the reader has gone
    /// through many rounds by then, and would have handed over what it may.
    async fn until_committed(&mut self) -> usize {
        let (partition, offset) = self.next.clone().expect("something came before");
        self.commit(&partition.topic, partition.number, offset).await;
        std::mem::take(&mut self.seen).len()
    }

    async fn leave(self) {
        self.source.close(tokio::time::Instant::now() + WAIT).await.unwrap();
    }
}

/// A member that handles what it gets at once, commits as it goes, and judges the order of events.
struct Worker {
    source: Kafka,
    next: BTreeMap<Partition, Option<i64>>,
}

impl Worker {
    fn join(kafka: &kit::Kafka, group: &str, topic: &str) -> Worker {
        let mut source = config(kafka, group, &[topic]).build().unwrap();
        source.ask(Ask::Grant { messages: 500, bytes: 1 << 20 });
        Worker { source, next: BTreeMap::new() }
    }

    async fn work(&mut self, seen: &mut BTreeMap<i32, BTreeSet<i64>>, wait: Duration) {
        while let Ok(event) = tokio::time::timeout(wait, self.source.next()).await {
            match event.expect("the source goes on") {
                Event::Assigned(assigned) => {
                    for assignment in assigned {
                        assert!(self.next.insert(assignment.partition, None).is_none(), "assigned twice");
                    }
                }
                Event::Revoked(revoked) => {
                    for partition in revoked {
                        let next = self.next.remove(&partition).expect("revoked without having been assigned");
                        let commit = next.map(|offset| at(&partition, offset));
                        self.source.ask(Ask::GiveUp { partition, commit });
                    }
                }
                Event::Lost(lost) => {
                    for partition in lost {
                        self.next.remove(&partition);
                    }
                }
                Event::Records { partition, records } => {
                    let next = self.next.get_mut(&partition).expect("records of a partition that is not ours");
                    self.source.ask(Ask::Grant { messages: records.len() as u32, bytes: 1 << 20 });
                    for record in records {
                        let Position::Offset { offset, .. } = record.position else { panic!() };
                        assert!(next.is_none_or(|next| offset == next), "{partition:?}: {offset} after {next:?}");
                        *next = Some(offset + 1);
                        seen.entry(partition.number).or_default().insert(offset);
                    }
                    let commit = at(&partition, next.expect("it was just set"));
                    self.source.ask(Ask::Commit(vec![commit]));
                }
                _ => {}
            }
        }
    }

    /// Leaves with what it has done committed, as a drain does.
    async fn leave(mut self, seen: &mut BTreeMap<i32, BTreeSet<i64>>) {
        self.work(seen, Duration::from_millis(5)).await;
        let commits = self.next.iter().filter_map(|(partition, next)| Some(at(partition, (*next)?))).collect();
        self.source.ask(Ask::Commit(commits));
        self.source.close(tokio::time::Instant::now() + WAIT).await.unwrap();
    }
}

fn at(partition: &Partition, offset: i64) -> CommitPosition {
    CommitPosition { partition: partition.clone(), offset, metadata: "".into() }
}

#[tokio::test]
async fn a_consumer_that_its_group_does_not_take_says_so_and_why() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-collision", 1).await, kit::unique("group"));
    use rdkafka::consumer::{BaseConsumer, Consumer};
    // Another program is in the group, with an assignor that we do not have.
    let mut other = kafka.client();
    other.set("group.id", &group).set("partition.assignment.strategy", "range");
    let other: BaseConsumer = other.create().unwrap();
    other.subscribe(&[&topic]).unwrap();
    kit::eventually("the other one has the partition", WAIT, async || {
        other.poll(Duration::from_millis(50));
        (other.assignment().unwrap().count() > 0).then_some(())
    })
    .await;
    let mut source = config(kafka, &group, &[&topic]).build().unwrap();
    kit::eventually("it says why it is not in the group", WAIT, async || {
        other.poll(Duration::from_millis(50));
        let absence = source.absence(0)?;
        absence.reason.filter(|reason| reason.contains("Inconsistent group protocol"))
    })
    .await;
    drop(other);
    kit::eventually("it is in the group", WAIT, async || source.absence(0).is_none().then_some(())).await;
    source.close(tokio::time::Instant::now() + WAIT).await.unwrap();
}
