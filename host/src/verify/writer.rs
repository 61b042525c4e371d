//! Writes the messages of a run, as many as are allowed so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::history::World;
use super::run::Run;
use super::workload::{Broker, Workload};
use super::{hosts, kafka, sqs};
use crate::exit::Problem;

pub(super) struct Writer {
    workload: Workload,
    kafka: Option<kafka::Writer>,
    sqs: Option<sqs::Writer>,
    produced: World,
    allowed: watch::Receiver<u64>,
    written: Arc<AtomicU64>,
}

impl Writer {
    pub(super) async fn new(run: &Run, produced: World, allowed: watch::Receiver<u64>) -> Result<Self, Problem> {
        let names = &run.stage.names;
        let kafka = run.config.kafka.as_ref().map(|kafka| kafka::Writer::new(kafka, names)).transpose()?;
        let sqs = match &run.stage.sqs {
            Some(client) => Some(sqs::Writer::new(client, names).await?),
            None => None,
        };
        Ok(Self { workload: run.workload, kafka, sqs, produced, allowed, written: Arc::clone(&run.written) })
    }

    pub(super) async fn write(mut self) -> Result<(), Problem> {
        // All is told as if it had been there at the start: what a host says of a record comes later in any case.
        let start = hosts::now();
        let mut number = 0;
        while number < self.workload.messages {
            let allowed = (*self.allowed.borrow_and_update()).min(self.workload.messages);
            while number < allowed {
                let message = self.workload.message(number);
                match (self.workload.broker(number), &mut self.kafka, &mut self.sqs) {
                    (Broker::Kafka, Some(kafka), _) => kafka.write(&message, start, &mut self.produced).await?,
                    (Broker::Sqs, _, Some(sqs)) => sqs.write(number, message, start, &mut self.produced).await?,
                    _ => unreachable!("a message goes where there is a broker"),
                }
                number += 1;
            }
            if let Some(kafka) = &mut self.kafka {
                kafka.arrive(start, &mut self.produced).await?;
            }
            if let Some(sqs) = &mut self.sqs {
                sqs.arrive(start, &mut self.produced).await?;
            }
            self.written.store(number, Ordering::Relaxed);
            if number < self.workload.messages && self.allowed.changed().await.is_err() {
                return Ok(());
            }
        }
        self.produced.flush()
    }
}
