//! The toy broker in the conformance suite.

use std::sync::Arc;

use cofferdam::sink::Sink;
use cofferdam::source::Source;
use cofferdam_core::message::{Headers, Record};
use cofferdam_core::output::{Destination, Publication};
use cofferdam_core::source::SourceTraits;

use super::{Consumer, LARGEST, Outlet, SOURCE, Store, queue};
use crate::Need;
use crate::conformance::{Item, Reach};

/// The name of the queue.
const QUEUE: &str = "conformance";

/// A broker with one queue.
#[derive(Default)]
pub struct Bench {
    store: Arc<Store>,
}

impl crate::conformance::Bench for Bench {
    async fn open(_: Reach) -> Result<Self, Need> {
        Ok(Self::default())
    }

    fn traits(&self) -> SourceTraits {
        SOURCE
    }

    fn place(&self) -> Destination {
        queue(QUEUE)
    }

    async fn write(&self, items: &[Item]) {
        for item in items {
            self.store.put(&Publication {
                destination: self.place(),
                key: None,
                headers: Headers::default(),
                payload: Some(item.value.clone().into()),
                timestamp_ms: None,
                group: Some(item.key.as_str().into()),
                deduplication: None,
            });
        }
    }

    async fn source(&self, _: &SourceTraits) -> Box<dyn Source> {
        Box::new(Consumer::new(self.store.clone(), QUEUE))
    }

    async fn sink(&self) -> Box<dyn Sink> {
        Box::new(Outlet::new(self.store.clone()))
    }

    async fn stored(&self) -> Vec<Item> {
        let text = |bytes: Option<bytes::Bytes>| {
            String::from_utf8(bytes.unwrap_or_default().to_vec()).expect("the suite reads text back")
        };
        let item = |record: Record| Item { key: text(record.key), value: text(record.payload) };
        self.store.messages(QUEUE).into_iter().map(item).collect()
    }

    fn too_large(&self) -> usize {
        LARGEST + 1
    }

    fn leave(&self) {
        self.store.leave();
    }

    fn come_back(&self) {
        self.store.come_back();
    }
}
