//! A sink as the suite drives it: each ticket is settled once.

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

/// Publications that one test may have.
const MOST: usize = 1_000;

/// A sink, and the flow that its tickets speak to.
pub struct Outlet {
    sink: Box<dyn Sink>,
    to: Destination,
    flow: mpsc::Sender<Answers>,
    answers: mpsc::Receiver<Answers>,
    count: u32,
    results: BTreeMap<u32, Result<(), Refusal>>,
}

impl Outlet {
    /// A sink to the place.
    pub async fn open(bench: &impl Bench) -> Outlet {
        let (flow, answers) = mpsc::channel(MOST);
        Outlet { sink: bench.sink().await, to: bench.place(), flow, answers, count: 0, results: BTreeMap::new() }
    }

    /// A publication of this key where the place has keys, in the group of it where it has groups.
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

    /// Publishes; whether the sink had room for it.
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

    /// Publishes these, for which there is room.
    pub fn publish_all(&mut self, items: &[Item]) {
        for item in items {
            let publication = self.publication(&item.key, Some(item.value.clone().into()));
            assert!(self.publish(&publication), "there is room for {} publications", items.len());
        }
    }

    /// What became of each publication so far, in their order.
    pub async fn settled(&mut self) -> Vec<Result<(), Refusal>> {
        while self.results.len() < self.count as usize {
            let answers = timeout(WAIT, self.answers.recv()).await.expect("an answer in time");
            self.file(answers.expect("this holds a sender"));
        }
        self.results.values().cloned().collect()
    }

    /// How many have been answered, without waiting.
    pub fn answered(&mut self) -> usize {
        while let Ok(answers) = self.answers.try_recv() {
            self.file(answers);
        }
        self.results.len()
    }

    /// Waits for answers up to a limit; how many there are not.
    pub async fn flush(&self, limit: Duration) -> usize {
        timeout(limit + WAIT, self.sink.flush(limit)).await.expect("a flush keeps its limit")
    }

    /// Ends the sink within a limit, and says what became of all publications; each has one answer.
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
