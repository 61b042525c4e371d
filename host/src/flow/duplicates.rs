//! The store of event ids, as one route uses it: looked up before a handler is called, recorded when its effects are
//! durable.

use std::sync::Arc;

use cofferdam_core::event::{DeliveryId, Event};
use cofferdam_core::outcome::{Code, Failure};
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;
use tokio_util::task::TaskTracker;

use crate::dedupe::Store;
use crate::sink::Answers;

/// Ids recorded by one call, at most.
const BATCH: usize = 512;

/// The store, in the scope of one route.
#[derive(Clone)]
pub(super) struct Duplicates {
    store: Store,
    scope: Arc<str>,
    tasks: TaskTracker,
    /// The store's connections live here, not with the guests.
    runtime: Handle,
}

impl Duplicates {
    pub(super) fn new(store: Store, scope: Arc<str>) -> Self {
        Self { store, scope, tasks: TaskTracker::new(), runtime: Handle::current() }
    }

    /// Which of these events were handled before. May be called from any runtime.
    pub(super) async fn seen(&self, ids: Vec<Box<str>>) -> Result<Vec<bool>, Failure> {
        let (store, scope) = (self.store.clone(), Arc::clone(&self.scope));
        let asked = self.tasks.spawn_on(async move { store.seen(&scope, &ids).await }, &self.runtime);
        let unavailable = |text: String| Failure::host(Code::STORE_UNAVAILABLE, text);
        let seen = asked.await.map_err(|error| unavailable(error.to_string()))?;
        seen.map_err(|error| unavailable(error.to_string()))
    }

    /// Records these events, away from here. `answers` must have room for one for each batch; returns how many batches there
    /// are.
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
                        Event::NotRecorded(deliveries)
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

    /// Waits for what is on its way to the store.
    pub(super) async fn close(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
