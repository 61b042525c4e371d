//! The very end of a delivery: its memory.

use std::hint::black_box;

use super::Machine;
use super::delivery::{Delivery, State};
use crate::ids::DeliveryId;

/// So many are forgotten together.
const TOGETHER: usize = 16;

/// With this many bytes of records and outputs, none waits for others.
const MUCH: u64 = 64 << 10;

/// Deliveries at their end. They are forgotten at the next event; where attempts end and publications become durable in
/// a row, a few wait for each other.
#[derive(Debug, Default)]
pub(super) struct Retired {
    deliveries: Vec<DeliveryId>,
    /// Of their records and outputs.
    bytes: u64,
}

impl Retired {
    /// Whether none of them may wait any longer.
    pub(super) fn is_enough(&self) -> bool {
        self.deliveries.len() >= TOGETHER || self.bytes >= MUCH
    }
}

impl Machine {
    /// Nothing refers to it any more.
    pub(super) fn retire(&mut self, id: DeliveryId) {
        let delivery = &mut self.deliveries[id];
        delivery.state = State::Retired;
        self.intake.freed(delivery.record_size());
        self.intake.freed_outputs(delivery.outputs());
        // Elsewhere it counts until a commit covers it.
        if self.route.source.acknowledges_each() || self.route.is_at_most_once() {
            self.intake.closed(1);
        }
        self.retired.deliveries.push(id);
        self.retired.bytes = self.retired.bytes.saturating_add(bytes(delivery));
    }

    /// Frees what is at its end.
    ///
    /// All of it was looked at last when thousands of others had not come yet, and is in no cache any more. To give one
    /// piece of it back is to count a reference down, and a processor reads nothing ahead across that: piece by piece, each
    /// would be waited for alone. So all are read first, which the processor does side by side.
    pub(super) fn sweep(&mut self) {
        for id in &self.retired.deliveries {
            black_box(read(&self.deliveries[*id]));
        }
        for id in self.retired.deliveries.drain(..) {
            self.deliveries.remove(id);
        }
        self.retired.bytes = 0;
    }
}

/// Bytes of the record and of what it led to.
fn bytes(delivery: &Delivery) -> u64 {
    if delivery.is_stored_as_error() {
        // Made here, of whatever size: there are few of them.
        return MUCH;
    }
    delivery.size()
}

/// Touches all that is read to give a delivery back, and that few others read.
fn read(delivery: &Delivery) -> usize {
    let headers = delivery.publications.iter().map(|publication| publication.headers.size());
    let trace = delivery.ended().map_or(0, |ended| ended.trace.message.len());
    delivery.record.size() + headers.sum::<usize>() + trace
}
