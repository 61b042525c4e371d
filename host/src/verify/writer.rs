//! Writes the messages of a run, as many as are allowed so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use cofferdam_checker::Written;
use cofferdam_core::time::Time;
use cofferdam_guarantees::{RecordId, What};

use super::history::World;
use super::readers::Rows;
use super::run::Run;
use super::workload::{Broker, Workload};
use super::{hosts, kafka, sqs};
use crate::exit::Problem;

pub(super) struct Writer {
    workload: Workload,
    kafka: Option<kafka::Writer>,
    sqs: Option<sqs::Writer>,
    taken: Taken,
    allowed: watch::Receiver<u64>,
    written: Arc<AtomicU64>,
}

/// Takes down what the brokers have acknowledged.
pub(super) struct Taken {
    workload: Workload,
    produced: World,
    rows: Rows,
    start: Time,
}

impl Taken {
    /// For the judge and for the checker.
    pub(super) fn new(workload: Workload, produced: World, rows: Rows) -> Self {
        // All is told as if it had been there at the start: what a host says of a record comes later in any case.
        Self { workload, produced, rows, start: hosts::now() }
    }

    /// The broker has the message of this number, as this record.
    pub(super) fn tell(&mut self, number: u64, lane: String, record: RecordId) -> Result<(), Problem> {
        let outputs = self.workload.outputs(number);
        self.rows.add(&Written { id: record.to_string(), lane: lane.clone(), position: number, outputs })?;
        let lane = Some(lane.into());
        self.produced.tell_at(self.start, 0, What::Produced { record, lane, event_id: None })
    }

    fn flush(&mut self) -> Result<(), Problem> {
        self.rows.flush()?;
        self.produced.flush()
    }
}

impl Writer {
    pub(super) async fn new(run: &Run, taken: Taken, allowed: watch::Receiver<u64>) -> Result<Self, Problem> {
        let names = &run.stage.names;
        let kafka = run.config.kafka.as_ref().map(|kafka| kafka::Writer::new(kafka, names)).transpose()?;
        let sqs = match &run.stage.sqs {
            Some(client) => Some(sqs::Writer::new(client, names).await?),
            None => None,
        };
        Ok(Self { workload: run.workload, kafka, sqs, taken, allowed, written: Arc::clone(&run.written) })
    }

    pub(super) async fn write(mut self) -> Result<(), Problem> {
        let mut number = 0;
        while number < self.workload.messages {
            let allowed = (*self.allowed.borrow_and_update()).min(self.workload.messages);
            while number < allowed {
                let message = self.workload.message(number);
                match (self.workload.broker(number), &mut self.kafka, &mut self.sqs) {
                    (Broker::Kafka, Some(kafka), _) => kafka.write(number, &message, &mut self.taken).await?,
                    (Broker::Sqs, _, Some(sqs)) => sqs.write(number, message, &mut self.taken).await?,
                    _ => unreachable!("a message goes where there is a broker"),
                }
                number += 1;
            }
            if let Some(kafka) = &mut self.kafka {
                kafka.arrive(&mut self.taken).await?;
            }
            if let Some(sqs) = &mut self.sqs {
                sqs.arrive(&mut self.taken).await?;
            }
            self.written.store(number, Ordering::Relaxed);
            if number < self.workload.messages && self.allowed.changed().await.is_err() {
                return Ok(());
            }
        }
        self.taken.flush()
    }
}
