//! A sink under test: each ticket must be settled once.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use cofferdam::sink::{Answers, Sink, Ticket};
use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::message::Headers;
use cofferdam_core::output::{Destination, Layout, Publication};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Bench, Item, WAIT};

/// The largest number of publications in one test.
const MOST: usize = 1_000;

/// A sink, and the receiver of the answers to its tickets.
pub struct Outlet {
    sink: Box<dyn Sink>,
    to: Destination,
    flow: mpsc::Sender<Answers>,
    answers: mpsc::Receiver<Answers>,
    count: u32,
    results: BTreeMap<u32, Result<(), Refusal>>,
}

impl Outlet {
    /// Creates a sink to the topic or queue of the bench.
    pub async fn open(bench: &impl Bench) -> Outlet {
        let (flow, answers) = mpsc::channel(MOST);
        Outlet { sink: bench.sink().await, to: bench.place(), flow, answers, count: 0, results: BTreeMap::new() }
    }

    /// Creates a publication with this key if messages have keys, and in the group of the key if the destination has
    /// groups.
    pub fn publication(&self, key: &str, payload: Option<Bytes>) -> Publication {
        Publication {
            destination: self.to.clone(),
            key: (self.to.layout() == Layout::Record).then(|| key.to_owned().into()),
            headers: Headers::default(),
            payload,
            timestamp_ms: None,
            group: self.to.is_fifo().then(|| key.into()),
            deduplication: self.to.is_fifo().then(|| format!("{key}/{}", self.count).into()),
        }
    }

    /// Publishes a message; returns whether the sink accepted it.
    pub fn publish(&mut self, publication: &Publication) -> bool {
        let ticket = Ticket::new(self.flow.clone(), DeliveryId::default(), self.count);
        match self.sink.publish(publication, ticket) {
            Ok(()) => self.count += 1,
            Err((ticket, _)) => {
                assert_eq!(ticket.index(), self.count, "the ticket comes back");
                ticket.void();
                return false;
            }
        }
        true
    }

    /// Publishes these messages, which the sink must accept.
    pub fn publish_all(&mut self, items: &[Item]) {
        for item in items {
            let publication = self.publication(&item.key, Some(item.value.clone().into()));
            assert!(self.publish(&publication), "there is room for {} publications", items.len());
        }
    }

    /// Waits for the result of each publication so far; returns the results in order.
    pub async fn settled(&mut self) -> Vec<Result<(), Refusal>> {
        while self.results.len() < self.count as usize {
            let answers = timeout(WAIT, self.answers.recv()).await.expect("an answer in time");
            self.file(answers.expect("this holds a sender"));
        }
        self.results.values().cloned().collect()
    }

    /// Returns the number of answered publications, without waiting.
    pub fn answered(&mut self) -> usize {
        while let Ok(answers) = self.answers.try_recv() {
            self.file(answers);
        }
        self.results.len()
    }

    /// Flushes within a limit; returns the number of unanswered publications.
    pub async fn flush(&self, limit: Duration) -> usize {
        timeout(limit + WAIT, self.sink.flush(limit)).await.expect("a flush keeps its limit")
    }

    /// Closes the sink within a limit, and returns the results of all publications; each has exactly one.
    pub async fn close(self, limit: Duration) -> Vec<Result<(), Refusal>> {
        let Self { sink, flow, mut answers, count, mut results, .. } = self;
        timeout(limit + WAIT, sink.close(limit)).await.expect("closing keeps its limit");
        drop(flow);
        while let Some(some) = timeout(WAIT, answers.recv()).await.expect("a sink that has ended keeps no ticket") {
            file(&mut results, some);
        }
        assert_eq!(results.len(), count as usize, "each ticket was settled");
        results.into_values().collect()
    }

    fn file(&mut self, answers: Answers) {
        file(&mut self.results, answers);
    }
}

fn file(results: &mut BTreeMap<u32, Result<(), Refusal>>, answers: Answers) {
    for event in answers {
        let (index, result) = match event {
            Event::Durable { index, .. } => (index, Ok(())),
            Event::NotDurable { index, refusal, .. } => (index, Err(refusal)),
            other => panic!("no answer: {other:?}"),
        };
        assert!(results.insert(index, result).is_none(), "publication {index} was answered twice");
    }
}
