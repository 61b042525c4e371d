//! The group membership that a transaction needs to commit offsets.
//!
//! A broker refuses offsets of an old generation. But it does not check whether a partition belongs to the member:
//! offsets of a partition that was lost meanwhile would be accepted under the new generation. So the flow gets no
//! membership while there is a loss that it has not received. Losses are counted before librdkafka may join again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rdkafka::consumer::{Consumer, ConsumerGroupMetadata};

use super::current::Current;

/// The number of loss events that were sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses(Arc<AtomicU64>);

impl Losses {
    /// Counts one more event before it is sent to the flow.
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The flow's view of the membership.
pub(super) struct Membership {
    consumer: Current,
    losses: Losses,
    heard: u64,
}

impl Membership {
    pub(super) fn new(consumer: Current, losses: Losses) -> Self {
        Self { consumer, losses, heard: 0 }
    }

    /// Notes that the flow has received a loss event.
    pub(super) fn heard_of_loss(&mut self) {
        self.heard += 1;
    }

    /// Returns the member that owns all partitions which the flow considers assigned; `None` if that is unknown.
    pub(super) fn current(&self) -> Option<ConsumerGroupMetadata> {
        let member = self.consumer.get()?.group_metadata();
        // Keep this order: a membership that is newer than a loss is then read together with the loss.
        member.filter(|_| self.losses.0.load(Ordering::SeqCst) == self.heard)
    }
}

impl std::fmt::Debug for Membership {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Membership").field("heard", &self.heard).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;

    use super::super::context::Context;
    use super::*;

    #[test]
    fn there_is_no_membership_while_a_loss_is_on_its_way() {
        let client = rdkafka::ClientConfig::new().set("group.id", "g").clone();
        let consumer =
            rdkafka::config::FromClientConfigAndContext::from_config_and_context(&client, Context::new(&client, "r"));
        let consumer: Arc<BaseConsumer<Context>> = Arc::new(consumer.unwrap());
        let losses = Losses::default();
        let mut membership = Membership::new(Current::new(&consumer), losses.clone());
        assert!(membership.current().is_some());
        losses.count();
        assert!(membership.current().is_none());
        membership.heard_of_loss();
        assert!(membership.current().is_some());
        drop(consumer);
        assert!(membership.current().is_none());
    }
}
