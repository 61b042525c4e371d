//! The consumer in use, for those who only look at it. The reader replaces it when a topic was recreated.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use rdkafka::consumer::BaseConsumer;

use super::context::Context;

/// A reference to the consumer in use. It keeps no consumer alive.
#[derive(Clone)]
pub(super) struct Current(Arc<Mutex<Weak<BaseConsumer<Context>>>>);

impl Current {
    pub(super) fn new(consumer: &Arc<BaseConsumer<Context>>) -> Self {
        Self(Arc::new(Mutex::new(Arc::downgrade(consumer))))
    }

    /// Returns the consumer; `None` after the reader has ended.
    pub(super) fn get(&self) -> Option<Arc<BaseConsumer<Context>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade()
    }

    pub(super) fn set(&self, consumer: &Arc<BaseConsumer<Context>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(consumer);
    }
}
