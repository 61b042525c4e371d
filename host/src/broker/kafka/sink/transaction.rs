//! Kafka transactions for `exactly_once`: outputs and consumed offsets in one transaction, on a producer for each route.
//!
//! Two checks keep out a host that has lost its partitions without knowing it (KIP-447). The offsets carry the generation
//! of the group, which the broker checks. What the generation does not show, the source checks ([`Member`]). The
//! transactional id serves only to end a transaction that a dead host has left open.

mod commit;
mod context;
mod identity;
mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use cofferdam_core::event::{Aborted, Event, Unanswered};
use futures::FutureExt;
use futures::future::BoxFuture;
use rdkafka::ClientConfig;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::producer::BaseProducer;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::broker::kafka::properties::{self, fit};
use crate::sink::Answers;
use crate::transactions::{self, Work};
use identity::Identity;
use session::{Failed, Session};

/// Defaults of librdkafka properties that users may change: those of the sink, and the time that a transaction may stay
/// open after its host has died. `read_committed` consumers wait that long if no host starts again with the same id.
const DEFAULTS: &[(&str, &str)] = &[
    ("compression.type", "snappy"),
    ("linger.ms", "5"),
    ("max.in.flight.requests.per.connection", "5"),
    ("queue.buffering.max.kbytes", "131072"),
    ("message.max.bytes", super::MESSAGE_MAX_BYTES),
    ("transaction.timeout.ms", "10000"),
];

/// The settings of the transactions of one route.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Unique in this process.
    pub client_id: String,
    /// The route, for the log.
    pub route: String,
    /// The consumer group whose offsets are committed.
    pub group: String,
    /// The prefix of the transactional id. A number follows that no other process on this machine uses.
    pub id_prefix: String,
    /// The folder with a locked file for each used number.
    pub folder: PathBuf,
    /// Any librdkafka property that is not in [`properties::OWNED`].
    pub properties: BTreeMap<String, String>,
}

/// The reason for which the transactions were not created.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property.
    #[error(transparent)]
    Properties(#[from] properties::Error),
    /// No number for the transactional id could be reserved.
    #[error("failed to reserve a transactional id: {folder}: {reason}")]
    Identity {
        /// Where the numbers are kept.
        folder: String,
        /// The error text of the operating system.
        reason: Box<str>,
    },
    /// librdkafka does not create a producer with these settings, or the broker does not support transactions.
    #[error("failed to initialise transactions with the transactional id `{id}`: {reason}")]
    Refused {
        /// The transactional id.
        id: String,
        /// The error text of librdkafka or of the broker.
        reason: Box<str>,
    },
}

/// Initialised transactions, before the start of the flow.
#[derive(Debug)]
pub struct Transactions {
    session: Session,
    closing: Arc<AtomicBool>,
}

/// The group member that commits the offsets, as it was when it owned them.
pub struct Member(pub ConsumerGroupMetadata);

// SAFETY: the native object is not changed after it was made and not bound to a thread; rdkafka wraps it in a pointer
// without saying so.
unsafe impl Send for Member {}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Member")
    }
}

impl Config {
    /// Reserves a transactional id, creates the producer, and ends a transaction that was left open under the id. Waits for
    /// the broker for at most 60 s.
    ///
    /// # Errors
    /// All of [`Error`].
    pub async fn connect(self) -> Result<Transactions, Error> {
        let joined = tokio::task::spawn_blocking(move || self.connect_now()).await;
        joined.map_err(|error| Error::Refused { id: String::new(), reason: error.to_string().into() })?
    }

    fn connect_now(self) -> Result<Transactions, Error> {
        let identity = Identity::take(&self.folder, &self.id_prefix).map_err(|error| Error::Identity {
            folder: self.folder.display().to_string(),
            reason: error.to_string().into(),
        })?;
        let client = self.client(identity.id())?;
        let closing = Arc::new(AtomicBool::new(false));
        let mut session = Session::new(client, self.route, self.group, identity, Arc::clone(&closing));
        session.begin().map_err(|reason| Error::Refused { id: session.id().to_owned(), reason })?;
        Ok(Transactions { session, closing })
    }

    /// Creates the producer with all its properties and drops it. Connects to no broker.
    ///
    /// # Errors
    /// [`Error::Properties`].
    pub fn check(&self) -> Result<(), Error> {
        let client = self.client(&self.id_prefix)?;
        let made: Result<BaseProducer, _> = client.create();
        made.map(drop).map_err(|error| properties::Error::Together { reason: error.to_string().into() }.into())
    }

    fn client(&self, id: &str) -> Result<ClientConfig, properties::Error> {
        let within = fit::within_transaction(&self.properties);
        let mut decided = vec![
            ("bootstrap.servers", self.bootstrap_servers.as_str()),
            ("client.id", &self.client_id),
            ("acks", "all"),
            ("enable.idempotence", "true"),
            ("transactional.id", id),
        ];
        decided.extend(within.iter().map(|(name, value)| (*name, value.as_str())));
        properties::client(DEFAULTS, &self.properties, &decided)
    }
}

impl transactions::Transactions for Transactions {
    /// Starts the thread that carries out the transactions.
    fn start(self: Box<Self>, answers: Sender<Answers>) -> Box<dyn transactions::Running> {
        let (work, works) = sync_channel::<Work>(1);
        let Self { mut session, closing } = *self;
        let (end, ended) = oneshot::channel::<()>();
        let carry_out = move || {
            let _dropped_at_the_end = end;
            for work in works {
                let event = match session.transact(&work) {
                    Ok(()) => Event::Transacted(work.positions),
                    Err(Failed::Aborted(aborted)) => Event::NotTransacted(work.positions, aborted),
                    Err(Failed::Unanswered { found, reason }) => {
                        Event::Unanswered(Unanswered { positions: work.positions, found, reason })
                    }
                    // The next reader of the group's offsets sees the result.
                    Err(Failed::Unknown) => return,
                };
                if answers.try_send(vec![event]).is_err() {
                    return;
                }
            }
        };
        // If the thread does not start, each transaction is answered with an error.
        drop(std::thread::Builder::new().name("transactions".into()).spawn(carry_out));
        Box::new(Running { work: Some(work), ended, closing })
    }
}

/// The thread that carries out transactions. It ends by itself when this is dropped.
#[derive(Debug)]
pub struct Running {
    work: Option<SyncSender<Work>>,
    /// Closed when the thread ends, because the thread has the sender.
    ended: oneshot::Receiver<()>,
    closing: Arc<AtomicBool>,
}

impl transactions::Running for Running {
    fn transact(&self, work: Work) -> Result<(), Event> {
        let refused = |positions| {
            Err(Event::NotTransacted(positions, Aborted::Unavailable("the thread for transactions has ended".into())))
        };
        match &self.work {
            Some(sender) => sender.try_send(work).or_else(|error| match error {
                std::sync::mpsc::TrySendError::Full(work) | std::sync::mpsc::TrySendError::Disconnected(work) => {
                    refused(work.positions)
                }
            }),
            None => refused(work.positions),
        }
    }

    /// Ends the thread after its current transaction. At `until` the thread is left behind, because librdkafka may wait for
    /// a broker.
    fn close(mut self: Box<Self>, until: Instant) -> BoxFuture<'static, ()> {
        async move {
            self.end();
            if timeout_at(until, &mut self.ended).await.is_err() {
                tracing::warn!(
                    "a transaction was unconfirmed at the end: the next start with the same transactional id ends it"
                );
            }
        }
        .boxed()
    }
}

impl Running {
    fn end(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        self.work = None;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}
