//! The Kafka source: one consumer for each route.
//!
//! ```text
//!            flow (async)                                 reader (a thread of its own)
//!   Kafka::ask ──► grants, pauses: done at once
//!              ──► commits, give-ups ────────────────────► commit, answer rebalances
//!   Kafka::next ◄── outbox ◄────────────────────────────── poll the main queue: rebalances, commits, errors
//!               ◄── partitions' queues, within the grant
//! ```
//!
//! The flow takes records out of the queues of librdkafka itself, so records are created, used and freed on one thread,
//! and no thread has to be woken to pass them on. The reader has its own thread for two reasons: group operations may
//! block it (a request for committed offsets takes up to a second), and librdkafka requires that its main queue is
//! polled regularly, whatever the async workers do. The state that both need is in `shared`, under one lock.
//!
//! A paused partition is simply not read. The pause of librdkafka is not used, because it drops fetched records. The
//! local queue is bounded, so the fetcher stops by itself when nobody reads.

mod commits;
mod committed;
mod context;
mod current;
mod ends;
mod holding;
mod identity;
mod lag;
mod membership;
mod place;
mod presence;
mod queue;
mod reader;
pub(crate) mod record;
mod shared;
mod wake_flag;
mod watermarks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};
use std::time::Duration;

use cofferdam_core::action::Ask;
use cofferdam_core::event::Event;
use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::broker::kafka::properties;
use crate::broker::kafka::sink::transaction::Member;
use crate::broker::kafka::waker::Waker;
use crate::listener::Absence;
use crate::source::{self, Membership, Source};
use context::Context;
use current::Current;
use ends::Ends;
use membership::{Losses, Membership as OfGroup};
use presence::Presence;
use reader::Reader;
use shared::Shared;

/// How long [`Kafka::close`] waits for the reader beyond the time limit of the reader.
const GRACE: Duration = Duration::from_millis(200);

/// How long the reader may take to leave the group if the source is dropped without [`Kafka::close`].
const LEAVE_LIMIT: Duration = Duration::from_secs(12);

/// Defaults of librdkafka properties that users may change.
const DEFAULTS: &[(&str, &str)] = &[
    ("max.poll.interval.ms", "1800000"),
    ("session.timeout.ms", "45000"),
    ("heartbeat.interval.ms", "15000"),
    ("fetch.min.bytes", "1"),
    ("fetch.wait.max.ms", "500"),
    // These bounds apply to the local queue of each partition, not to their sum. A fetch returns at most 1 MiB of a
    // partition, so 2 MiB last until the next fetch, and 64 lagging partitions stay within 128 MiB.
    ("queued.min.messages", "10000"),
    ("queued.max.messages.kbytes", "2048"),
    // How long the fetcher sleeps after its queue was full. The default of 1 s halves the throughput.
    ("fetch.queue.backoff.ms", "10"),
    // How soon the consumer finds a topic that is created later or newly matches an expression. The default is 5
    // minutes.
    ("topic.metadata.refresh.interval.ms", "60000"),
];

/// The assignor, which distributes partitions among the members of the group.
pub const ASSIGNOR: &str = "cooperative-sticky";

/// The settings of one consumer.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// The client id, unique in this process.
    pub client_id: String,
    /// The name of the route, for the log.
    pub route: String,
    /// The consumer group.
    pub group: String,
    /// Topic names, or regular expressions that begin with `^`; at least one.
    pub topics: Vec<String>,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
    /// The revoke timeout: how long the source waits until the flow has given up its revoked partitions. Meanwhile
    /// librdkafka fetches no other partitions either, and the rebalance of the group waits. It must be well below
    /// `max.poll.interval.ms`.
    pub revoke_timeout: Duration,
}

/// The reason why the consumer was not created or has ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property is invalid or not allowed.
    #[error(transparent)]
    Properties(#[from] properties::Error),
    /// librdkafka does not create a consumer with these settings.
    #[error("failed to create a consumer for group `{group}`: {reason}")]
    Client {
        /// The consumer group.
        group: Box<str>,
        /// The error text of librdkafka or of the operating system.
        reason: Box<str>,
    },
    /// There are no topics, or an expression is invalid.
    #[error("group `{group}` failed to subscribe to {topics:?}: {reason}")]
    Subscription {
        /// The consumer group.
        group: Box<str>,
        /// The topics, as configured.
        topics: Vec<String>,
        /// The error text of librdkafka.
        reason: Box<str>,
    },
    /// A fatal error of librdkafka: the consumer has ended, its partitions are lost.
    #[error("the consumer of group `{group}` has ended: {reason}")]
    Fatal {
        /// The consumer group.
        group: Box<str>,
        /// The error text of librdkafka.
        reason: Box<str>,
    },
    /// The reader did not end within the time limit; its thread goes on.
    #[error("the consumer of group `{group}` did not leave within the limits of the stop")]
    NotClosed {
        /// The consumer group.
        group: Box<str>,
    },
}

impl Config {
    /// Creates the consumer, subscribes, and starts the reader. Connects in the background, so a broker that is down is
    /// no error.
    ///
    /// # Errors
    /// [`Error::Properties`], [`Error::Client`], [`Error::Subscription`].
    pub fn build(self) -> Result<Kafka, Error> {
        let group: Arc<str> = self.group.as_str().into();
        let waker = Arc::new(Waker::default());
        let consumer = self.consumer(&waker)?;
        let current = Current::new(&consumer);
        let losses = Losses::default();
        let membership = OfGroup::new(current.clone(), losses.clone());
        let presence = Presence::new(current.clone());
        let shared = Arc::new(Shared::new(Arc::clone(&waker), losses));
        let ends = Ends::new(&self.client()?, &self.route);
        let (end, ended) = oneshot::channel();
        let name = format!("kafka-{group}");
        let read = {
            let shared = Arc::clone(&shared);
            move || {
                let reader = Reader::new(self, waker, consumer, current, shared, ends);
                // If the receiver was dropped, nobody needs the result.
                let _ = end.send(reader.run());
            }
        };
        std::thread::Builder::new().name(name).spawn(read).map_err(|error| Error::Client {
            group: group.as_ref().into(),
            reason: format!("failed to start a thread: {error}").into(),
        })?;
        Ok(Kafka { group, shared, ended, membership, presence })
    }

    /// Creates the consumer and subscribes. It wakes the reader when its main queue has something.
    fn consumer(&self, waker: &Arc<Waker>) -> Result<Arc<BaseConsumer<Context>>, Error> {
        let client = self.client()?;
        let mut consumer = BaseConsumer::from_config_and_context(&client, Context::new(&client, &self.route))
            .map_err(|error| Error::Client { group: self.group.as_str().into(), reason: error.to_string().into() })?;
        let wakes = Arc::clone(waker);
        consumer.set_nonempty_callback(move || wakes.wake());
        self.subscribe(&consumer)?;
        Ok(Arc::new(consumer))
    }

    /// Creates the consumer with all its properties, and drops it. Sends no request.
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
            // With messages taken in batches, librdkafka 2.12 counts the end-of-partition event as a record: after the
            // next rebalance it reads from one offset too far, and a record is lost.
            ("enable.partition.eof", "false"),
        ];
        decided.extend(unmatched.as_deref().map(|topics| ("topic.blacklist", topics)));
        properties::client(DEFAULTS, &self.properties, &decided)
    }

    /// Topics that no expression matches: the internal topics of brokers, and those in the user's properties. A topic
    /// that a route names itself is read in any case.
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

/// A running consumer. If it is dropped without [`close`](Kafka::close), it leaves the group in the background.
#[derive(Debug)]
pub struct Kafka {
    group: Arc<str>,
    shared: Arc<Shared>,
    ended: oneshot::Receiver<Result<(), Error>>,
    membership: OfGroup,
    presence: Presence,
}

impl Kafka {
    /// Returns the next event; see [`Source::poll_next`].
    pub async fn next(&mut self) -> Option<Event> {
        source::next(self).await
    }

    /// Carries out the pending requests, leaves the group, and ends the thread, at the latest at `until`.
    ///
    /// # Errors
    /// [`Error::Fatal`] if the consumer ended before, [`Error::NotClosed`].
    pub async fn close(mut self, until: Instant) -> Result<(), Error> {
        self.shared.close(until.into_std());
        let group = || self.group.as_ref().into();
        match tokio::time::timeout_at(until + GRACE, &mut self.ended).await {
            Ok(Ok(ended)) => ended,
            Ok(Err(_)) => Err(Error::Fatal { group: group(), reason: "its thread panicked".into() }),
            Err(_) => Err(Error::NotClosed { group: group() }),
        }
    }

    /// Returns the group member that owns all partitions which the events so far have assigned to the flow; `None` if
    /// that is unknown.
    pub fn member(&self) -> Option<ConsumerGroupMetadata> {
        self.membership.current()
    }
}

impl Source for Kafka {
    /// Carries out grants and pauses, and queues commits and give-ups for the reader. Never waits.
    ///
    /// A commit gets [`Event::CommitFailed`] if 65,536 commits already wait, if the partition is not assigned, or if
    /// the offset is beyond the records that the source returned. A commit in an [`Ask::GiveUp`] is answered like any
    /// other.
    fn ask(&mut self, ask: Ask) {
        self.shared.ask(ask);
    }

    /// Returns the next event; `None` when the consumer has ended, and [`close`](Kafka::close) returns the reason. It
    /// can be dropped and called again without loss.
    ///
    /// Each `Records` of a partition comes after its `Assigned` and before its `Revoked` or `Lost`. `Lost` follows
    /// `Revoked` if the flow did not give the partition up within the revoke timeout. If a topic is created again or
    /// truncated while it is read, its partition is lost and assigned again.
    fn poll_next(&mut self, context: &mut TaskContext<'_>) -> Poll<Option<Event>> {
        let event = ready!(self.shared.poll_next(context));
        if matches!(event, Some(Event::Lost(_))) {
            self.membership.heard_of_loss();
        }
        Poll::Ready(event)
    }

    fn membership(&self) -> Option<Membership> {
        self.member().map(|member| Membership::new(Member(member)))
    }

    fn absence(&mut self, received: u64) -> Option<Absence> {
        self.presence.absence(received)
    }

    fn close(self: Box<Self>, until: Instant) -> BoxFuture<'static, Result<(), String>> {
        async move { Kafka::close(*self, until).await.map_err(|error| error.to_string()) }.boxed()
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        self.shared.close(std::time::Instant::now() + LEAVE_LIMIT);
    }
}
