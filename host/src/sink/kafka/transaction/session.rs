//! One transaction after the other, and what to do when one ends in the middle.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cofferdam_core::event::{Aborted, DeliveryId, Found, Refusal};
use cofferdam_core::output::{Destination, Publication};
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{Producer, ThreadedProducer};

use super::super::native::{self, Outgoing};
use super::super::refusal::{Answer, refusal};
use super::super::topic::Topic;
use super::Work;
use super::commit::{Refused, commit};
use super::context::{Context, Sent};
use super::identity::Identity;
use crate::kafka::{headers, offsets};

/// How long the broker may take until it knows the transactional id.
const BEGIN: Duration = Duration::from_secs(60);
/// How long one step may take before it is looked at whether to go on. The same step again goes on where it was.
const STEP: Duration = Duration::from_millis(500);
/// Between two tries of what may succeed a little later.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the offsets of a transaction may be refused for a passing reason.
const OFFSETS: Duration = Duration::from_secs(5);

/// The producer of a route's transactions.
pub(super) struct Session {
    client: ClientConfig,
    route: String,
    group: String,
    identity: Identity,
    topics: HashMap<Arc<str>, Arc<Topic>>,
    producer: Option<ThreadedProducer<Context>>,
    /// How long a commit may go without an answer: as long as the broker keeps a transaction open.
    patience: Duration,
    /// Every message is sent in a batch of its own, to see which one is refused.
    alone: bool,
    closing: Arc<AtomicBool>,
}

/// Why a transaction is not known to be committed.
pub(super) enum Failed {
    /// It was not committed.
    Aborted(Aborted),
    /// The answer to its commit was lost, and this is what the group has now.
    Unanswered {
        found: Vec<Found>,
        /// Why there was no answer.
        reason: Box<str>,
    },
    /// The answer to its commit was lost, and the thread is to end before anything is known.
    Unknown,
}

/// How a transaction ended that was not committed.
enum Broken {
    /// It can be aborted.
    Abort(Aborted),
    /// The producer is of no use any more; the broker ends the transaction when the next one begins.
    Dead(Box<str>),
    /// The same, because the broker knows a newer producer of the same id: another process has taken it, or the broker has
    /// ended a transaction that took too long. It has ended what was open.
    Fenced(Box<str>),
    /// The producer is of no use any more, and the broker may have committed; whether it is fenced.
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

    /// Makes the producer, where there is none, and ends what was left open under its id.
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

    /// Commits all of it, or nothing.
    pub(super) fn transact(&mut self, work: &Work) -> Result<(), Failed> {
        loop {
            self.begin().map_err(|reason| Failed::Aborted(Aborted::Unavailable(reason)))?;
            let Some(producer) = self.producer.take() else { continue };
            let began = Instant::now();
            let result = self.carry_out(&producer, work);
            let mut is_doubtful = false;
            let aborted = match result {
                Ok(()) => {
                    // A producer that sends everything alone has done its work.
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
                // What it was made for is known, or has to wait.
                (self.alone, self.producer) = (false, None);
                return Err(Failed::Aborted(aborted));
            }
            if !is_doubtful {
                return Err(Failed::Aborted(aborted));
            }
            // Refused together with others: one of them is to blame, and alone it will be seen which.
            (self.alone, self.producer) = (true, None);
        }
    }

    /// Where another process has taken the transactional id, goes on under one that nobody else has: two of one id would end
    /// each other's transactions for ever. The id keeps nobody out, see the module. `false` where it may have been the
    /// broker, which fences whose transaction takes too long.
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
        let offsets = offsets::list(&work.positions).map_err(|error| broken(&error))?;
        let until = Instant::now() + OFFSETS;
        while let Err(error) = producer.send_offsets_to_transaction(&offsets, &work.member.0, STEP) {
            if !is_retriable(&error) || Instant::now() >= until || self.is_closing() {
                // A producer that is fenced fails its messages too, and may say so before.
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
        let Destination::Kafka(name) = &publication.destination else {
            let text = format!("{} is not a topic; transactions support topics only", publication.destination);
            return Err(Broken::Abort(Aborted::Unavailable(text.into())));
        };
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

    /// Whether the producer can go on.
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

    /// The broker was asked to commit and has not answered. To begin anew under the same id ends the epoch: what was
    /// pending is completed or aborted, and nothing more comes of it. Then the group's offsets can be asked for.
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

    /// What the group has committed of the transaction's partitions. `read_committed` has the broker refuse to tell
    /// offsets while a transaction on them is pending, whoever's it is.
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
