//! The messages that paused routes would handle next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cofferdam_core::message::Record;

/// The next message of each paused route that has one, in the order in which they began to wait.
#[derive(Default)]
pub(super) struct Waiting(Mutex<Vec<(Arc<str>, Arc<Record>)>>);

impl Waiting {
    /// Sets the next message of a route.
    pub(super) fn set(&self, route: &Arc<str>, next: Option<&Arc<Record>>) {
        let mut waiting = self.lock();
        waiting.retain(|(other, _)| other != route);
        waiting.extend(next.map(|record| (Arc::clone(route), Arc::clone(record))));
    }

    /// Returns the message that has waited longest.
    pub(super) fn first(&self) -> Option<Arc<Record>> {
        self.lock().first().map(|(_, record)| Arc::clone(record))
    }

    /// Removes the message that has waited longest, and returns its route.
    pub(super) fn take(&self) -> Option<Arc<str>> {
        let mut waiting = self.lock();
        (!waiting.is_empty()).then(|| waiting.remove(0).0)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Arc<str>, Arc<Record>)>> {
        // A panic cannot leave the list in an invalid state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::message::Position;

    use super::*;

    fn record(offset: i64) -> Arc<Record> {
        Arc::new(Record {
            source: "t".into(),
            position: Position::Offset { partition: 0, offset },
            key: None,
            headers: Default::default(),
            payload: None,
            timestamp_ms: None,
        })
    }

    #[test]
    fn the_route_whose_message_has_waited_longest_is_first_and_each_message_is_taken_once() {
        let (waiting, orders, refunds) = (Waiting::default(), Arc::from("orders"), Arc::from("refunds"));
        assert!(waiting.first().is_none() && waiting.take().is_none());
        waiting.set(&orders, Some(&record(1)));
        waiting.set(&refunds, Some(&record(2)));
        assert_eq!(waiting.first(), Some(record(1)));
        waiting.set(&orders, Some(&record(3)));
        assert_eq!((waiting.first(), waiting.take()), (Some(record(2)), Some(refunds)));
        assert_eq!(waiting.take(), Some(Arc::clone(&orders)));
        waiting.set(&orders, Some(&record(4)));
        waiting.set(&orders, None);
        assert_eq!(waiting.take(), None);
    }
}
