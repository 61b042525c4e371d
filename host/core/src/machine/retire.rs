//! Frees the memory of deliveries that have ended.

use std::hint::black_box;

use super::Machine;
use super::delivery::{Delivery, State};
use crate::ids::DeliveryId;

/// Number of deliveries that are freed together.
const TOGETHER: usize = 16;

/// Bytes of records and outputs at which they are freed without waiting for more.
const MUCH: u64 = 64 << 10;

/// Deliveries that have ended. They are freed at the next event; during a sequence of ended attempts and durable
/// publications they are freed in groups.
#[derive(Debug, Default)]
pub(super) struct Retired {
    deliveries: Vec<DeliveryId>,
    /// Bytes of their records and outputs.
    bytes: u64,
}

impl Retired {
    /// Whether they must be freed now.
    pub(super) fn is_enough(&self) -> bool {
        self.deliveries.len() >= TOGETHER || self.bytes >= MUCH
    }
}

impl Machine {
    /// Retires a delivery to which nothing refers any more.
    pub(super) fn retire(&mut self, id: DeliveryId) {
        let delivery = &mut self.deliveries[id];
        delivery.state = State::Retired;
        self.intake.freed(delivery.record_size() + delivery.opened_size());
        self.intake.freed_outputs(delivery.outputs());
        // With cumulative acknowledgement, the record counts until a commit covers it.
        if self.route.source.acknowledges_each() || self.route.is_at_most_once() {
            self.intake.closed(1);
        }
        self.retired.deliveries.push(id);
        self.retired.bytes = self.retired.bytes.saturating_add(bytes(delivery));
    }

    /// Frees the deliveries that have ended.
    ///
    /// Their data was last used when thousands of later deliveries had not arrived yet, so it is in no CPU cache any more.
    /// Freeing a piece decrements a reference count, and the CPU does not prefetch across that, so each piece would cause a
    /// cache miss of its own. So all pieces are read first, which the CPU does in parallel.
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

/// Bytes of the record and of its publications.
fn bytes(delivery: &Delivery) -> u64 {
    if delivery.is_stored_as_error() {
        // The dead letter was built here and may have any size. There are few, so each counts as enough.
        return MUCH;
    }
    delivery.size()
}

/// Reads everything that freeing a delivery will read and that is not shared widely.
fn read(delivery: &Delivery) -> usize {
    let headers = delivery.publications.iter().map(|publication| publication.headers.size());
    let trace = delivery.ended().map_or(0, |ended| ended.trace.message.len());
    delivery.record.size() + headers.sum::<usize>() + trace
}
