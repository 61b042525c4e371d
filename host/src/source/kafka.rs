//! Kafka as a source: one consumer for each route.
//!
//! ```text
//!            flow (async)                                 reader (a thread of its own)
//!   Kafka::ask ──► grants, pauses: done at once
//!              ──► commits, give-ups ────────────────────► commit, answer rebalances
//!   Kafka::next ◄── outbox ◄────────────────────────────── poll the main queue: rebalances, commits, errors
//!               ◄── partitions' queues, within the grant
//! ```
//!
//! The flow takes records out of librdkafka's queues itself: they are made, used and freed where they are handled, and
//! nobody has to be woken to pass them on. The reader is a thread because what concerns the group may block it (to ask
//! what was committed takes up to a second), and because librdkafka wants its main queue polled, whatever the async
//! workers do. What both need is in `shared`, under one lock.
//!
//! A partition that is paused is simply not read. librdkafka's own pause is not used: it throws away what was fetched.
//! Its local queue is bounded, so the fetcher stops by itself when nobody reads.

mod bell;
mod commits;
mod committed;
mod context;
mod ends;
mod holding;
mod identity;
mod lag;
mod membership;
mod presence;
mod queue;
mod reader;
mod rebalance;
pub(crate) mod record;
mod recreated;
mod reread;
mod shared;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use cofferdam_core::action::Ask;
use cofferdam_core::event::Event;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use tokio::sync::oneshot;
use tokio::task::coop::cooperative;
use tokio::time::Instant;

use crate::kafka::properties;
use crate::kafka::waker::Waker;
use crate::listener::Absence;
use context::Context;
use ends::Ends;
use membership::{Losses, Membership};
use presence::Presence;
use reader::Reader;
use shared::Shared;

/// How long [`Kafka::close`] waits for the reader beyond the limit that the reader keeps.
const GRACE: Duration = Duration::from_millis(200);

/// How long the reader may take to leave where nobody waits for it.
const LEAVE_LIMIT: Duration = Duration::from_secs(12);

/// What users may change, by property. Requirement K2, and:
const DEFAULTS: &[(&str, &str)] = &[
    ("max.poll.interval.ms", "1800000"),
    ("session.timeout.ms", "45000"),
    ("heartbeat.interval.ms", "15000"),
    ("fetch.min.bytes", "1"),
    ("fetch.wait.max.ms", "500"),
    // Each partition has a local queue of its own, and these bound every one of them, not their sum. A fetch brings
    // 1 MiB of a partition at most, so 2 MiB outlast the next one, and 64 partitions that lag stay within 128 MiB.
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "2048"),
    // After a full queue the fetcher sleeps this long. The default, a second, halves the rate.
    ("fetch.queue.backoff.ms", "10"),
    // How soon a topic is found that appears later, or that newly matches an expression. The default is 5 minutes.
    ("topic.metadata.refresh.interval.ms", "60000"),
];

/// How the members of a group share out its partitions.
pub const ASSIGNOR: &str = "cooperative-sticky";

/// One consumer.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Unique in this process.
    pub client_id: String,
    /// The route, for the log.
    pub route: String,
    /// The consumer group.
    pub group: String,
    /// Names, or regular expressions that begin with `^`; at least one.
    pub topics: Vec<String>,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
    /// How long revoked partitions are kept for the flow to give them up. While they are kept, librdkafka fetches
    /// nothing for the other partitions either, and the group waits. To be well below `max.poll.interval.ms`.
    pub release_limit: Duration,
}

/// Why there is no consumer, or none any more.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property.
    #[error(transparent)]
    Properties(#[from] properties::Error),
    /// librdkafka makes no consumer of this.
    #[error("failed to create a consumer for group `{group}`: {reason}")]
    Client {
        /// The group.
        group: Box<str>,
        /// What librdkafka or the operating system says.
        reason: Box<str>,
    },
    /// No topics, or an expression that is none.
    #[error("group `{group}` failed to subscribe to {topics:?}: {reason}")]
    Subscription {
        /// The group.
        group: Box<str>,
        /// As configured.
        topics: Vec<String>,
        /// What librdkafka says.
        reason: Box<str>,
    },
    /// Nothing that librdkafka can recover from: the consumer has ended, its partitions are lost.
    #[error("the consumer of group `{group}` has ended: {reason}")]
    Fatal {
        /// The group.
        group: Box<str>,
        /// What librdkafka says.
        reason: Box<str>,
    },
    /// The reader did not end in time; it was left behind.
    #[error("the consumer of group `{group}` did not leave within the limits of the stop")]
    NotClosed {
        /// The group.
        group: Box<str>,
    },
}

impl Config {
    /// Makes the consumer, subscribes, and starts to read. Asks no broker: one that is down is waited for.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::Client`], [`Error::Subscription`].
    pub fn build(self) -> Result<Kafka, Error> {
        let group: Arc<str> = self.group.as_str().into();
        let refused = |reason: String| Error::Client { group: group.as_ref().into(), reason: reason.into() };
        let waker = Arc::new(Waker::default());
        let client = self.client()?;
        let mut consumer = BaseConsumer::from_config_and_context(&client, Context::new(&client, &self.route))
            .map_err(|error| refused(error.to_string()))?;
        let wakes = Arc::clone(&waker);
        consumer.set_nonempty_callback(move || wakes.wake());
        self.subscribe(&consumer)?;

        let consumer = Arc::new(consumer);
        let losses = Losses::default();
        let membership = Membership::new(&consumer, losses.clone());
        let presence = Presence::new(&consumer);
        let shared = Arc::new(Shared::new(Arc::clone(&waker), losses));
        let (end, ended) = oneshot::channel();
        let name = format!("kafka-{group}");
        let read = {
            let (group, shared) = (Arc::clone(&group), Arc::clone(&shared));
            let ends = Ends::new(&client, &self.route);
            move || {
                let reader = Reader::new(group, self.release_limit, consumer, shared, ends);
                // Where nobody listens any more, nobody wants to know.
                let _ = end.send(reader.run(&waker));
            }
        };
        std::thread::Builder::new()
            .name(name)
            .spawn(read)
            .map_err(|error| refused(format!("failed to start a thread: {error}")))?;
        Ok(Kafka { group, shared, ended, membership, presence })
    }

    /// Makes the consumer with all its properties, and drops it. Asks no broker.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::Client`].
    pub fn check(&self) -> Result<(), Error> {
        let made: Result<BaseConsumer, _> = self.client()?.create();
        made.map(drop)
            .map_err(|error| Error::Client { group: self.group.as_str().into(), reason: error.to_string().into() })
    }

    fn client(&self) -> Result<ClientConfig, properties::Error> {
        let unmatched = self.unmatched();
        let mut decided = vec![
            ("bootstrap.servers", self.bootstrap_servers.as_str()),
            ("client.id", &self.client_id),
            ("group.id", &self.group),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "earliest"),
            ("partition.assignment.strategy", ASSIGNOR),
            ("group.protocol", "classic"),
            ("isolation.level", "read_committed"),
            // librdkafka 2.12 takes the end of a partition for a record where messages are taken in batches: after the next
            // rebalance it reads on one offset too far, and a record is lost.
            ("enable.partition.eof", "false"),
        ];
        decided.extend(unmatched.as_deref().map(|topics| ("topic.blacklist", topics)));
        properties::client(DEFAULTS, &self.properties, &decided)
    }

    /// Topics that no expression matches: the brokers' own, and those that the properties say. A topic that is named itself
    /// is read, whatever it is called.
    fn unmatched(&self) -> Option<String> {
        let has_expression = self.topics.iter().any(|topic| topic.starts_with('^'));
        let names_internal = self.topics.iter().any(|topic| topic.starts_with("__"));
        let given = self.properties.get("topic.blacklist").filter(|given| !given.is_empty());
        let given = given.map(|given| format!("{given},")).unwrap_or_default();
        (has_expression && !names_internal).then(|| format!("{given}^__.*"))
    }

    fn subscribe(&self, consumer: &BaseConsumer<Context>) -> Result<(), Error> {
        let topics: Vec<&str> = self.topics.iter().map(String::as_str).collect();
        let subscribed = match topics.is_empty() {
            true => Err("expected at least one topic".to_owned()),
            false => consumer.subscribe(&topics).map_err(|error| error.to_string()),
        };
        subscribed.map_err(|reason| Error::Subscription {
            group: self.group.as_str().into(),
            topics: self.topics.clone(),
            reason: reason.into(),
        })
    }
}

/// A consumer at work. Dropped without [`close`](Kafka::close), it leaves the group in its own time.
#[derive(Debug)]
pub struct Kafka {
    group: Arc<str>,
    shared: Arc<Shared>,
    ended: oneshot::Receiver<Result<(), Error>>,
    membership: Membership,
    presence: Presence,
}

impl Kafka {
    /// Carries out grants and pauses, and leaves commits and give-ups for the reader; never waits.
    ///
    /// Commits beyond 65,536 that wait are answered with [`Event::CommitFailed`]. A commit of a partition that is not ours, or
    /// beyond what was handed over of it, is answered so too. A commit that comes with [`Ask::GiveUp`] is answered like any
    /// other.
    pub fn ask(&mut self, ask: Ask) {
        self.shared.ask(ask);
    }

    /// The next event; `None` when the consumer has ended, and [`close`](Kafka::close) says why. Can be dropped and
    /// called again without loss.
    ///
    /// Every `Records` of a partition comes after its `Assigned` and before its `Revoked` or `Lost`. `Lost` follows
    /// `Revoked` where the flow did not give the partition up within the limit. Where a topic is made anew or cut
    /// short under our feet, its partition is lost and assigned again.
    pub async fn next(&mut self) -> Option<Event> {
        // It may go on for long, and other tasks of the thread have their turn too.
        let event = cooperative(poll_fn(|context| self.shared.poll_next(context))).await;
        if matches!(event, Some(Event::Lost(_))) {
            self.membership.heard_of_loss();
        }
        event
    }

    /// The member of the group that holds all partitions which the events so far say are ours; `None` while that is not
    /// known, which passes. For offsets that go with a transaction.
    pub fn member(&self) -> Option<ConsumerGroupMetadata> {
        self.membership.current()
    }

    /// How long the consumer has not been in its group or may not read, and why; `None` while it is and may. To be called
    /// every few seconds with the number of records `received` so far.
    pub fn absence(&mut self, received: u64) -> Option<Absence> {
        self.presence.absence(received)
    }

    /// Carries out what was asked, leaves the group, and ends the thread, at most until then.
    ///
    /// # Errors
    /// [`Error::Fatal`] where the consumer had ended before, [`Error::NotClosed`].
    pub async fn close(mut self, until: Instant) -> Result<(), Error> {
        self.shared.close(until.into_std());
        let group = || self.group.as_ref().into();
        match tokio::time::timeout_at(until + GRACE, &mut self.ended).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => Err(Error::Fatal { group: group(), reason: "its thread panicked".into() }),
            Err(_) => Err(Error::NotClosed { group: group() }),
        }
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.shared.close(std::time::Instant::now() + LEAVE_LIMIT);
    }
}
