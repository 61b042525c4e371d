//! Exactly-once: outputs and consumed offsets in one transaction, on a producer of the route's own.
//!
//! Two things keep a host out that lost its partitions and does not know it (KIP-447): offsets go with the group's
//! generation, which the broker checks; and what that generation cannot tell, the source does ([`Member`]). The
//! transactional id only ends what a host that died under it has left open.

mod commit;
mod context;
mod identity;
mod session;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

use cofferdam_core::event::{Aborted, DeliveryId, Event, Unanswered};
use cofferdam_core::ids::CommitPosition;
use cofferdam_core::output::Publication;
use rdkafka::ClientConfig;
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::producer::BaseProducer;
use tokio::sync::mpsc::Sender;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::kafka::properties::{self, fit};
use crate::sink::Answers;
use identity::Identity;
use session::{Failed, Session};

/// What users may change, by property: those of the sink, and how long a transaction may stay open after its host has
/// died. Readers of committed records wait that long, where no host starts again under the same id.
const DEFAULTS: &[(&str, &str)] = &[
    ("compression.type", "snappy"),
    ("linger.ms", "5"),
    ("max.in.flight.requests.per.connection", "5"),
    ("queue.buffering.max.kbytes", "131072"),
    ("message.max.bytes", super::MESSAGE_MAX_BYTES),
    ("transaction.timeout.ms", "10000"),
];

/// The transactions of one route.
#[derive(Debug, Clone)]
pub struct Config {
    /// `host:port`, separated by commas.
    pub bootstrap_servers: String,
    /// Unique in this process.
    pub client_id: String,
    /// The route, for the log.
    pub route: String,
    /// The consumer group whose offsets go along.
    pub group: String,
    /// What the transactional id begins with; a number follows that no other process on this machine has.
    pub id_prefix: String,
    /// Where the numbers are kept, as locked files.
    pub folder: PathBuf,
    /// Any librdkafka property that is not owned.
    pub properties: BTreeMap<String, String>,
}

/// Why there are no transactions.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A property.
    #[error(transparent)]
    Properties(#[from] properties::Error),
    /// No number is to be had.
    #[error("failed to reserve a transactional id: {folder}: {reason}")]
    Identity {
        /// Where the numbers are kept.
        folder: String,
        /// What the operating system says.
        reason: Box<str>,
    },
    /// librdkafka makes no producer of this, or the broker has no transactions.
    #[error("failed to initialise transactions with the transactional id `{id}`: {reason}")]
    Refused {
        /// The transactional id.
        id: String,
        /// What librdkafka or the broker says.
        reason: Box<str>,
    },
}

/// Transactions that can begin.
#[derive(Debug)]
pub struct Transactions {
    session: Session,
    closing: Arc<AtomicBool>,
}

/// One transaction.
#[derive(Debug)]
pub struct Work {
    /// What each delivery leads to, in the order in which it is to be written.
    pub deliveries: Vec<(DeliveryId, Vec<Publication>)>,
    /// The offsets that go along.
    pub positions: Vec<CommitPosition>,
    /// Whose they are.
    pub member: Member,
}

/// The member of the group that the offsets are committed as, as of the moment when they were its own.
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
    /// Takes an id, makes the producer, and ends what was left open under the id. Waits for the broker, at most 60 s.
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

    /// Makes the producer with all its properties, and drops it. Asks no broker.
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

impl Transactions {
    /// Starts the thread that carries them out. `answers` must have room for one for each [`Running::transact`].
    pub fn start(self, answers: Sender<Answers>) -> Running {
        let (work, works) = sync_channel::<Work>(1);
        let Self { mut session, closing } = self;
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
                    // Whoever reads the group's offsets next will see what it was.
                    Err(Failed::Unknown) => return,
                };
                if answers.try_send(vec![event]).is_err() {
                    return;
                }
            }
        };
        // Where there is no thread, nothing is carried out, and each transaction is told so.
        drop(std::thread::Builder::new().name("transactions".into()).spawn(carry_out));
        Running { work: Some(work), ended, closing }
    }
}

/// The thread that carries transactions out. Dropped, it ends by itself.
#[derive(Debug)]
pub struct Running {
    work: Option<SyncSender<Work>>,
    /// Dropped by the thread when it ends.
    ended: oneshot::Receiver<()>,
    closing: Arc<AtomicBool>,
}

impl Running {
    /// Carries a transaction out; answered by `Transacted`, `NotTransacted` or `Unanswered`, or not at all where this is
    /// closed before anything is known. One at a time. Never waits.
    ///
    /// # Errors
    /// The answer, where there is nobody to carry it out.
    pub fn transact(&self, work: Work) -> Result<(), Event> {
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

    /// Ends the thread when what it does is done. At that time it is left behind: librdkafka may wait for a broker.
    pub async fn close(mut self, until: Instant) {
        self.end();
        if timeout_at(until, &mut self.ended).await.is_err() {
            tracing::warn!(
                "a transaction was unconfirmed at the end: the next start with the same transactional id ends it"
            );
        }
    }

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
