//! SQS in the conformance suite: a FIFO queue or a standard queue.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName;
use cofferdam::broker::sqs;
use cofferdam::clock::Clock;
use cofferdam::sink::Sink;
use cofferdam::source::Source;
use cofferdam_core::output::Destination;
use cofferdam_core::source::{Lease, SourceTraits};

use super::{Bench, Item, Reach};
use crate::sqs::{Message, Queue, QueueSpec, REGION, Sqs};
use crate::{Gate, Need, unique};

/// A FIFO queue, whose groups are the keys.
pub type Fifo = OfSqs<true>;

/// A standard queue, which has neither keys nor an order.
pub type Standard = OfSqs<false>;

/// A queue.
pub struct OfSqs<const FIFO: bool> {
    server: Sqs,
    queue: Queue,
    gate: Option<Gate>,
}

impl<const FIFO: bool> OfSqs<FIFO> {
    async fn client(&self) -> aws_sdk_sqs::Client {
        let through = self.gate.as_ref().map(Gate::endpoint);
        sqs::client(Some(REGION), Some(through.as_deref().unwrap_or(self.server.endpoint()))).await
    }
}

impl<const FIFO: bool> Bench for OfSqs<FIFO> {
    async fn open(reach: Reach) -> Result<Self, Need> {
        let server = crate::sqs::sqs()?;
        let spec = if FIFO { QueueSpec::fifo("conformance") } else { QueueSpec::standard("conformance") };
        let queue = server.create(spec).await;
        let gate = match reach {
            Reach::Direct => None,
            Reach::Severable => Some(Gate::before(server.endpoint()).await),
        };
        Ok(Self { server, queue, gate })
    }

    fn traits(&self) -> SourceTraits {
        SourceTraits::leased_queue(Lease::default(), Duration::from_secs(12 * 3600))
    }

    fn place(&self) -> Destination {
        sqs::queue(self.queue.name.as_str())
    }

    async fn write(&self, items: &[Item]) {
        for item in items {
            let message = Message::new(item.value.as_str());
            let message = match FIFO {
                // A message group id must not contain spaces.
                true => message.group(item.key.replace(' ', "-")).deduplication(unique("message")),
                false => message,
            };
            self.server.send(&self.queue, message).await;
        }
    }

    async fn source(&self, traits: &SourceTraits) -> Box<dyn Source> {
        let config = sqs::source::Config {
            lease: traits.lease.expect("a queue of sqs leases").length,
            wait: Duration::from_secs(1),
            ..sqs::source::Config::new(self.client().await, &self.queue.name, Clock::set())
        };
        Box::new(sqs::source::Sqs::connect(config).await.expect("the queue is there"))
    }

    async fn sink(&self) -> Box<dyn Sink> {
        // As in routes, a publication is retried until it is answered.
        let config = sqs::sink::Config { limit: None, ..sqs::sink::Config::new(self.client().await) };
        let queues: [Arc<str>; 1] = [self.queue.name.as_str().into()];
        Box::new(sqs::sink::Sqs::connect(config, queues).await.expect("the queue is there"))
    }

    async fn stored(&self) -> Vec<Item> {
        let received = self.server.receive_all(&self.queue).await;
        let item = |message: crate::sqs::Received| {
            let group = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::MessageGroupId));
            Item { key: group.cloned().unwrap_or_default(), value: message.body().unwrap_or_default().to_owned() }
        };
        received.into_iter().map(item).collect()
    }

    fn too_large(&self) -> usize {
        (1 << 20) + 1
    }

    fn leave(&self) {
        self.gate.as_ref().expect("this one can be severed").shut();
    }

    fn come_back(&self) {
        self.gate.as_ref().expect("this one can be severed").open();
    }
}
