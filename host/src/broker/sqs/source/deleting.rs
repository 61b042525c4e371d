//! The unanswered deletes.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard};

use cofferdam_core::event::DeliveryId;

/// Deliveries with an unanswered delete. An extension of a deleted message fails because the lease is gone. That is no
/// lost lease, and the core must not receive it before the answer to the delete.
#[derive(Debug, Default)]
pub(super) struct Deleting(Mutex<HashSet<DeliveryId>>);

impl Deleting {
    pub(super) fn begin(&self, delivery: DeliveryId) {
        self.set().insert(delivery);
    }

    pub(super) fn end(&self, delivery: DeliveryId) {
        self.set().remove(&delivery);
    }

    pub(super) fn contains(&self, delivery: DeliveryId) -> bool {
        self.set().contains(&delivery)
    }

    fn set(&self) -> MutexGuard<'_, HashSet<DeliveryId>> {
        self.0.lock().expect("nobody panics while holding it")
    }
}
