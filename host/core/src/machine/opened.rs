//! Decoded envelopes: the envelope of a delivery is decoded once, and kept for the next attempt if memory allows.
//!
//! The machine decodes it if it suppresses duplicates, otherwise the worker of the first attempt, which gives it back if the
//! attempt fails. A kept envelope counts as in flight. After a success it is freed before the outputs are published.

use std::sync::Arc;

use super::Machine;
use crate::envelope::Opened;
use crate::ids::DeliveryId;

/// Envelopes that need no more than this part of their records are kept even where the bound on bytes is reached: large
/// records fill it, and their envelopes are small beside them.
const SMALL: u64 = 4;

impl Machine {
    /// Keeps a decoded envelope for the next attempt of a delivery, and counts it as in flight. If it does not fit into the
    /// bound, it is freed, and the next attempt decodes the envelope again.
    pub(super) fn keep_opened(&mut self, id: DeliveryId, opened: Arc<Opened>) {
        self.free_opened(id);
        // What a worker decodes later would never be counted.
        if !opened.is_decoded() {
            return;
        }
        let delivery = &mut self.deliveries[id];
        let size = opened.size() as u64;
        if size <= delivery.record_size() / SMALL || self.intake.has_room(size) {
            delivery.keep_opened(opened);
            self.intake.keeps(size);
        }
    }

    /// Frees the decoded envelope of a delivery. A worker that still has it may continue with it.
    pub(super) fn free_opened(&mut self, id: DeliveryId) {
        let size = self.deliveries[id].free_opened();
        self.intake.freed(size);
    }
}

#[cfg(test)]
mod tests;
