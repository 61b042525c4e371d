//! Writes the messages of a run, as many as are allowed so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use cofferdam_checker::Written;
use cofferdam_core::time::Time;
use cofferdam_guarantees::What;

use super::history::{self, World};
use super::readers::Rows;
use super::workload::{Workload, lane};
use crate::broker::verify;
use crate::exit::Problem;

pub(super) struct Writer {
    workload: Workload,
    /// In the order in which the workload numbers brokers.
    writers: Vec<(&'static str, Box<dyn verify::Writer>)>,
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
        Self { workload, produced, rows, start: history::now() }
    }

    /// The broker has these messages.
    fn tell(&mut self, broker: &str, there: Vec<verify::Written>) -> Result<(), Problem> {
        for verify::Written { number, key, record } in there {
            let lane = lane(broker, key.as_bytes());
            let outputs = self.workload.outputs(number);
            self.rows.add(&Written { id: record.clone(), lane: lane.clone(), position: number, outputs })?;
            let what = What::Produced { record: record.into(), lane: Some(lane.into()), event_id: None };
            self.produced.tell_at(self.start, 0, what)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Problem> {
        self.rows.flush()?;
        self.produced.flush()
    }
}

impl Writer {
    /// Writes through `writers`, never more than are `allowed`, and counts in `written`.
    pub(super) fn new(
        workload: Workload,
        writers: Vec<(&'static str, Box<dyn verify::Writer>)>,
        taken: Taken,
        allowed: watch::Receiver<u64>,
        written: Arc<AtomicU64>,
    ) -> Self {
        Self { workload, writers, taken, allowed, written }
    }

    pub(super) async fn write(mut self) -> Result<(), Problem> {
        let mut number = 0;
        while number < self.workload.messages {
            let allowed = (*self.allowed.borrow_and_update()).min(self.workload.messages);
            while number < allowed {
                let (broker, writer) = &mut self.writers[self.workload.broker(number)];
                let there = writer.write(number, self.workload.message(number)).await?;
                self.taken.tell(broker, there)?;
                number += 1;
            }
            for (broker, writer) in &mut self.writers {
                let there = writer.arrive().await?;
                self.taken.tell(broker, there)?;
            }
            self.written.store(number, Ordering::Relaxed);
            if number < self.workload.messages && self.allowed.changed().await.is_err() {
                return Ok(());
            }
        }
        self.taken.flush()
    }
}
