//! Carries out transactions one after the other, and recovers when one is interrupted.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cofferdam_core::event::{Aborted, DeliveryId, Found, Refusal};
use cofferdam_core::output::Publication;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{Producer, ThreadedProducer};

use super::super::native::{self, Outgoing};
use super::super::refusal::{Answer, refusal};
use super::super::topic::Topic;
use super::commit::{Refused, commit};
use super::context::{Context, Sent};
use super::identity::Identity;
use super::{Member, Work};
use crate::broker::kafka;
use crate::broker::kafka::{headers, offsets};

/// Longest time until the broker knows the transactional id.
const BEGIN: Duration = Duration::from_secs(60);
/// Longest time of one step before the thread checks whether to continue. Repeating the step resumes it.
const STEP: Duration = Duration::from_millis(500);
/// Wait before a step that failed temporarily is repeated.
const PAUSE: Duration = Duration::from_millis(20);
/// Longest time for which the offsets of a transaction may be refused for a temporary reason.
const OFFSETS: Duration = Duration::from_secs(5);

/// The producer of a route's transactions.
pub(super) struct Session {
    client: ClientConfig,
    route: String,
    group: String,
    identity: Identity,
    topics: HashMap<Arc<str>, Arc<Topic>>,
    producer: Option<ThreadedProducer<Context>>,
    /// Longest time that a commit may be unanswered: the time that the broker keeps a transaction open.
    patience: Duration,
    /// Whether each message is sent in a batch of its own, to find the one that is refused.
    alone: bool,
    closing: Arc<AtomicBool>,
}

/// The reason for which a transaction is not known to be committed.
pub(super) enum Failed {
    /// The transaction was not committed.
    Aborted(Aborted),
    /// The answer to the commit was lost; these are the current offsets of the group.
    Unanswered {
        found: Vec<Found>,
        /// The reason for the missing answer.
        reason: Box<str>,
    },
    /// The answer to the commit was lost, and the thread must end before the result is known.
    Unknown,
}

/// How a transaction failed.
enum Broken {
    /// The transaction can be aborted.
    Abort(Aborted),
    /// The producer is unusable. The broker ends the transaction when the next one begins.
    Dead(Box<str>),
    /// The producer is unusable, because the broker knows a newer producer with the same id: another process has taken the
    /// id, or the broker has ended a transaction that took too long. The broker has ended the open transaction.
    Fenced(Box<str>),
    /// The producer is unusable, and the broker may have committed the transaction. The flag says whether the producer is
    /// fenced.
    Unknown(Box<str>, bool),
}

impl Session {
    pub(super) fn new(
        client: ClientConfig,
        route: String,
        group: String,
        identity: Identity,
        closing: Arc<AtomicBool>,
    ) -> Self {
        let patience = client.get("transaction.timeout.ms").and_then(|limit| limit.parse().ok());
        let patience = patience.map_or(BEGIN, Duration::from_millis);
        Self { client, route, group, identity, topics: HashMap::new(), producer: None, patience, alone: false, closing }
    }

    pub(super) fn id(&self) -> &str {
        self.identity.id()
    }

    /// Creates the producer if there is none, and ends a transaction that was left open under its id.
    pub(super) fn begin(&mut self) -> Result<(), Box<str>> {
        if self.producer.is_some() {
            return Ok(());
        }
        let mut client = self.client.clone();
        if self.alone {
            client.set("batch.num.messages", "1");
        }
        let made = ThreadedProducer::from_config_and_context(&client, Context::new(&self.route));
        let producer: ThreadedProducer<Context> = made.map_err(|error| error.to_string())?;
        let until = Instant::now() + BEGIN;
        while let Err(error) = producer.init_transactions(STEP) {
            if !is_retriable(&error) || Instant::now() >= until || self.is_closing() {
                return Err(error.to_string().into());
            }
        }
        self.producer = Some(producer);
        Ok(())
    }

    /// Commits all of the work, or nothing.
    pub(super) fn transact(&mut self, work: &Work) -> Result<(), Failed> {
        loop {
            self.begin().map_err(|reason| Failed::Aborted(Aborted::Unavailable(reason)))?;
            let Some(producer) = self.producer.take() else { continue };
            let began = Instant::now();
            let result = self.carry_out(&producer, work);
            let mut is_doubtful = false;
            let aborted = match result {
                Ok(()) => {
                    // The producer that sends each message alone is no longer needed.
                    self.producer = (!self.alone).then_some(producer);
                    self.alone = false;
                    return Ok(());
                }
                Err(Broken::Abort(aborted)) => {
                    is_doubtful = producer.context().is_doubtful();
                    if self.abort(&producer) {
                        self.producer = Some(producer);
                    }
                    aborted
                }
                Err(Broken::Dead(reason)) => Aborted::Unavailable(reason),
                Err(Broken::Fenced(reason)) => {
                    if self.take_another_id(&reason, began) {
                        continue;
                    }
                    Aborted::Unavailable(reason)
                }
                Err(Broken::Unknown(reason, is_fenced)) => {
                    drop(producer);
                    if is_fenced {
                        self.take_another_id(&reason, began);
                    }
                    return Err(self.find_out(work, reason));
                }
            };
            if self.alone {
                // The refused message is known, or the search must wait.
                (self.alone, self.producer) = (false, None);
                return Err(Failed::Aborted(aborted));
            }
            if !is_doubtful {
                return Err(Failed::Aborted(aborted));
            }
            // A batch was refused. Messages that are sent alone show which one is the cause.
            (self.alone, self.producer) = (true, None);
        }
    }

    /// Continues with a new, unused transactional id if another process has taken the current one: two processes with
    /// one id would abort each other's transactions for ever. The id is not what fences other hosts, see the module.
    /// Returns `false` if the broker may have caused the fencing, as it does when a transaction takes too long.
    fn take_another_id(&mut self, reason: &str, began: Instant) -> bool {
        if began.elapsed() >= self.patience || !self.identity.may_be_taken() {
            return false;
        }
        let taken = self.id().to_owned();
        self.identity.renew();
        self.client.set("transactional.id", self.identity.id());
        tracing::warn!(
            event = "transactional_id_taken", group = %self.group, id = taken, now = self.id(), reason,
            "another process uses the same transactional id; give each host a storage path of its own"
        );
        true
    }

    fn carry_out(&mut self, producer: &ThreadedProducer<Context>, work: &Work) -> Result<(), Broken> {
        producer.context().clear();
        producer.begin_transaction().map_err(|error| broken(&error))?;
        for (delivery, publications) in &work.deliveries {
            for (index, publication) in (0..).zip(publications) {
                self.send(producer, *delivery, index, publication)?;
            }
        }
        let Some(Member(member)) = work.membership.of() else {
            let text = "the offsets belong to another broker".into();
            return Err(Broken::Abort(Aborted::Unavailable(text)));
        };
        let offsets = offsets::list(&work.positions).map_err(|error| broken(&error))?;
        let until = Instant::now() + OFFSETS;
        while let Err(error) = producer.send_offsets_to_transaction(&offsets, member, STEP) {
            if !is_retriable(&error) || Instant::now() >= until || self.is_closing() {
                // A fenced producer fails its messages too, and may report that first.
                return Err(match (broken(&error), producer.context().aborted()) {
                    (Broken::Fenced(reason), _) => Broken::Fenced(reason),
                    (_, Some(aborted)) => Broken::Abort(aborted),
                    (broken, None) => broken,
                });
            }
            std::thread::sleep(PAUSE);
        }
        self.commit(producer)
    }

    fn commit(&self, producer: &ThreadedProducer<Context>) -> Result<(), Broken> {
        let until = Instant::now() + self.patience;
        loop {
            match commit(producer, STEP) {
                Ok(()) => return Ok(()),
                Err(Refused::Again(_)) if !self.is_closing() && Instant::now() < until => {}
                Err(Refused::Abort(reason)) => {
                    // The broker is asked to commit once every message is with it. Where none was refused it may have
                    // been asked, and then librdkafka does not know what became of that.
                    let aborted = producer.context().aborted();
                    return Err(aborted.map_or(Broken::Unknown(reason, false), Broken::Abort));
                }
                Err(Refused::Again(reason)) => return Err(Broken::Unknown(reason, false)),
                Err(Refused::Unknown(reason, code)) => return Err(Broken::Unknown(reason, is_fenced(code))),
            }
        }
    }

    fn send(
        &mut self,
        producer: &ThreadedProducer<Context>,
        delivery: DeliveryId,
        index: u32,
        publication: &Publication,
    ) -> Result<(), Broken> {
        let rejected = |refusal| match refusal {
            Refusal::Unavailable(reason) => Broken::Abort(Aborted::Unavailable(reason)),
            Refusal::Rejected(code, text) => Broken::Abort(Aborted::Rejected { delivery, index, code, text }),
        };
        if publication.destination.broker != kafka::NAME {
            let text = format!("{} is not a topic; transactions support topics only", publication.destination);
            return Err(Broken::Abort(Aborted::Unavailable(text.into())));
        }
        let name = &publication.destination.name;
        let refusal = |code| refusal(code, name, &Answer::of_client(publication.key.is_some()));
        let topic = match self.topics.get(name) {
            Some(topic) => Arc::clone(topic),
            None => {
                let made = Topic::new(name).ok_or_else(|| rejected(refusal(RDKafkaErrorCode::InvalidTopic)))?;
                Arc::clone(self.topics.entry(Arc::clone(name)).or_insert(Arc::new(made)))
            }
        };
        let mut sent = Sent { delivery, index, topic: Arc::clone(&topic) };
        loop {
            let outgoing = Outgoing {
                topic: topic.native_name(),
                partition: None,
                key: publication.key.as_deref(),
                payload: publication.payload.clone(),
                timestamp_ms: publication.timestamp_ms,
                headers: headers::Owned::of(&publication.headers),
            };
            match native::produce(producer, outgoing, sent) {
                Ok(()) => return Ok(()),
                Err((RDKafkaErrorCode::QueueFull, back)) if !self.is_closing() => sent = back,
                // librdkafka itself says that the transaction is at an end; why, it says when it is asked to go on.
                Err((RDKafkaErrorCode::State | RDKafkaErrorCode::Fatal | RDKafkaErrorCode::Fenced, _)) => return Ok(()),
                Err((code, _)) => return Err(rejected(refusal(code))),
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Aborts the transaction. Returns whether the producer can continue.
    fn abort(&self, producer: &ThreadedProducer<Context>) -> bool {
        loop {
            match producer.abort_transaction(STEP) {
                Ok(()) => return true,
                Err(error) if is_retriable(&error) && !self.is_closing() => {}
                Err(error) => {
                    tracing::debug!(%error, "failed to abort a transaction: the next producer ends it");
                    return false;
                }
            }
        }
    }

    /// Finds out the result of an unanswered commit. Initialising the same transactional id again ends the epoch: the
    /// pending transaction is completed or aborted, and cannot change after that. Then the committed offsets of the
    /// group can be read.
    fn find_out(&mut self, work: &Work, reason: Box<str>) -> Failed {
        tracing::warn!(id = self.id(), %reason, "a commit has an unknown result: checking the commit mark");
        let mut reader = None;
        loop {
            match self.begin().and_then(|()| self.found(&mut reader, work).map_err(|error| error.to_string().into())) {
                Ok(found) => return Failed::Unanswered { found, reason },
                Err(error) => tracing::debug!(%error, "the result of the commit is not known yet"),
            }
            if self.is_closing() {
                return Failed::Unknown;
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Returns the committed offsets of the group for the partitions of the transaction. With `read_committed` the
    /// broker refuses to return offsets while any transaction on them is pending.
    fn found(&self, reader: &mut Option<BaseConsumer>, work: &Work) -> KafkaResult<Vec<Found>> {
        let reader = match reader {
            Some(reader) => reader,
            None => reader.insert(self.reader()?),
        };
        offsets::found(&reader.committed_offsets(offsets::list(&work.positions)?, STEP)?)
    }

    fn reader(&self) -> KafkaResult<BaseConsumer> {
        let mut client = self.client.clone();
        for property in ["transactional.id", "enable.idempotence", "acks", "transaction.timeout.ms"] {
            client.remove(property);
        }
        client.set("group.id", &self.group).set("isolation.level", "read_committed").set("enable.auto.commit", "false");
        client.create()
    }

    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }
}

fn is_retriable(error: &KafkaError) -> bool {
    matches!(error, KafkaError::Transaction(reason) if reason.is_retriable())
}

fn is_fenced(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(code, Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch)
}

fn broken(error: &KafkaError) -> Broken {
    let text = error.to_string().into();
    match error {
        KafkaError::Transaction(reason) if is_fenced(reason.code()) => Broken::Fenced(text),
        KafkaError::Transaction(reason) if reason.is_fatal() => Broken::Dead(text),
        _ => Broken::Abort(Aborted::Unavailable(text)),
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id()).finish_non_exhaustive()
    }
}
