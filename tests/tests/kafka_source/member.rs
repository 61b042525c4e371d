//! A member of a consumer group for these tests: a source, and the events that it gave.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam::broker::kafka::source::{Config, Kafka};
use cofferdam::source::Source as _;
use cofferdam_core::action::Ask;
use cofferdam_core::event::{Event, Partition};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::message::{Position, Record};

use super::WAIT;

pub(super) fn offline(group: &str, topics: &[&str]) -> Config {
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

pub(super) fn config(kafka: &kit::Kafka, group: &str, topics: &[&str]) -> Config {
    let heartbeat = ("heartbeat.interval.ms".to_owned(), "200".to_owned()); // members hear of each other sooner
    Config {
        bootstrap_servers: kafka.bootstrap().to_owned(),
        properties: BTreeMap::from([heartbeat]),
        ..offline(group, topics)
    }
}

pub(super) fn offsets(records: &[Record], partition: i32) -> Vec<i64> {
    let offset = |record: &Record| match record.position {
        Position::Offset { partition: found, offset } => {
            assert_eq!(found, partition, "a record of another partition");
            offset
        }
        Position::MessageId(_) => panic!("not of kafka"),
    };
    records.iter().map(offset).collect()
}

/// A source, and its events that no one has taken yet.
pub(super) struct Member {
    pub(super) source: Kafka,
    pub(super) seen: Vec<Record>,
    pub(super) next: Option<(Partition, i64)>,
}

impl Member {
    pub(super) fn join(kafka: &kit::Kafka, group: &str, topics: &[&str]) -> Member {
        Member::build(config(kafka, group, topics))
    }

    pub(super) fn build(config: Config) -> Member {
        Member { source: config.build().unwrap(), seen: Vec::new(), next: None }
    }

    pub(super) fn grant(&mut self, messages: u32) {
        self.source.ask(Ask::Grant { messages, bytes: u64::from(messages) * 110 });
    }

    pub(super) fn partition(&self, topic: &str, number: i32) -> Partition {
        Partition { topic: topic.into(), number }
    }

    pub(super) async fn event(&mut self) -> Event {
        let event = tokio::time::timeout(WAIT, self.source.next()).await.expect("an event comes in time");
        event.expect("the source has not ended")
    }

    /// Returns the next event other than records; records are stored.
    pub(super) async fn until(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
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

    /// Returns exactly `count` records in the order in which they arrived.
    pub(super) async fn records(&mut self, count: usize) -> Vec<Record> {
        while self.seen.len() < count {
            if let Event::Records { partition, records } = self.event().await {
                self.keep(partition, records);
            }
        }
        assert_eq!(self.seen.len(), count, "more than were expected");
        std::mem::take(&mut self.seen)
    }

    /// Returns the stored and the available events, without waiting.
    pub(super) fn pending(&mut self) -> Vec<Event> {
        use std::future::Future;
        use std::pin::pin;
        use std::task::{Context, Poll, Waker};
        let mut events = Vec::new();
        while let Poll::Ready(Some(event)) = pin!(self.source.next()).poll(&mut Context::from_waker(Waker::noop())) {
            events.push(event);
        }
        events
    }

    pub(super) async fn assigned(&mut self, count: usize) {
        let Event::Assigned(assigned) = self.until(|event| matches!(event, Event::Assigned(_))).await else { panic!() };
        assert_eq!(assigned.len(), count);
    }

    pub(super) async fn commit(&mut self, topic: &str, number: i32, offset: i64) {
        let position = CommitPosition { partition: self.partition(topic, number), offset, metadata: "".into() };
        self.source.ask(Ask::Commit(vec![position]));
        self.until(|event| matches!(event, Event::Committed(_))).await;
    }

    /// Commits the last records and counts the records that arrive until the broker has answered: by then the reader
    /// has run many rounds, and would have delivered what it may.
    pub(super) async fn until_committed(&mut self) -> usize {
        let (partition, offset) = self.next.clone().expect("something came before");
        self.commit(&partition.topic, partition.number, offset).await;
        std::mem::take(&mut self.seen).len()
    }

    pub(super) async fn leave(self) {
        self.source.close(tokio::time::Instant::now() + WAIT).await.unwrap();
    }
}

/// A member that handles records at once, commits them, and checks the order of events.
pub(super) struct Worker {
    pub(super) source: Kafka,
    pub(super) next: BTreeMap<Partition, Option<i64>>,
}

impl Worker {
    pub(super) fn join(kafka: &kit::Kafka, group: &str, topic: &str) -> Worker {
        let mut source = config(kafka, group, &[topic]).build().unwrap();
        source.ask(Ask::Grant { messages: 500, bytes: 1 << 20 });
        Worker { source, next: BTreeMap::new() }
    }

    pub(super) async fn work(&mut self, seen: &mut BTreeMap<i32, BTreeSet<i64>>, wait: Duration) {
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

    /// Commits what it has handled and leaves, as a drain does.
    pub(super) async fn leave(mut self, seen: &mut BTreeMap<i32, BTreeSet<i64>>) {
        self.work(seen, Duration::from_millis(5)).await;
        let commits = self.next.iter().filter_map(|(partition, next)| Some(at(partition, (*next)?))).collect();
        self.source.ask(Ask::Commit(commits));
        self.source.close(tokio::time::Instant::now() + WAIT).await.unwrap();
    }
}

pub(super) fn at(partition: &Partition, offset: i64) -> CommitPosition {
    CommitPosition { partition: partition.clone(), offset, metadata: "".into() }
}
