//! One route's access to the event-id store. Ids are looked up before the handler is called and recorded when the outputs
//! are durable.

use std::sync::Arc;

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::outcome::{Code, Failure};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio_util::task::TaskTracker;

use crate::dedupe::Store;
use crate::sink::Answers;

/// Maximum number of ids in one call of the store.
const BATCH: usize = 512;

/// The event-id store, in the scope of one route.
#[derive(Clone)]
pub(super) struct Duplicates {
    store: Store,
    scope: Arc<str>,
    tasks: TaskTracker,
    /// The runtime of the store's connections; handlers run on other runtimes.
    runtime: Handle,
}

impl Duplicates {
    pub(super) fn new(store: Store, scope: Arc<str>) -> Self {
        Self { store, scope, tasks: TaskTracker::new(), runtime: Handle::current() }
    }

    /// Returns for each id whether its event was handled before. Can be called from any runtime.
    pub(super) async fn seen(&self, ids: Vec<Box<str>>) -> Result<Vec<bool>, Failure> {
        let (store, scope) = (self.store.clone(), Arc::clone(&self.scope));
        let asked = self.tasks.spawn_on(async move { store.seen(&scope, &ids).await }, &self.runtime);
        let unavailable = |text: String| Failure::host(Code::STORE_UNAVAILABLE, text);
        let seen = asked.await.map_err(|error| unavailable(error.to_string()))?;
        seen.map_err(|error| unavailable(error.to_string()))
    }

    /// Starts tasks that record the event ids, in batches, and returns the number of batches. Each batch sends one answer,
    /// so `answers` must have room for that number.
    pub(super) fn record(&self, events: Vec<(DeliveryId, Box<str>)>, answers: &Sender<Answers>) -> usize {
        let batches = events.len().div_ceil(BATCH);
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let (deliveries, ids): (Vec<_>, Vec<_>) = events.by_ref().take(BATCH).unzip();
            let (store, scope, answers) = (self.store.clone(), Arc::clone(&self.scope), answers.clone());
            let record = async move {
                let answer = match store.record(&scope, &ids).await {
                    Ok(()) => Event::Recorded(deliveries),
                    Err(error) => {
                        tracing::debug!(%error, "failed to record event ids: their messages are not acknowledged yet");
                        Event::NotRecorded(deliveries, error.to_string().into())
                    }
                };
                if answers.try_send(vec![answer]).is_err() {
                    tracing::error!("a flow's queue for results of the event-id store is full");
                }
            };
            self.tasks.spawn_on(record, &self.runtime);
        }
        batches
    }

    /// Waits for the calls of the store that are under way.
    pub(super) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
