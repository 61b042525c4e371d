//! As whom the group knows us, for offsets that go with a transaction.
//!
//! The broker refuses offsets of a generation that is past. It does not ask whether a partition is the member's: offsets
//! for one that was lost meanwhile would be taken under the new generation. So the flow is given no membership while
//! there is a loss that it has not heard of; losses are counted before librdkafka may join again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerGroupMetadata};

use super::context::Context;

/// Events of loss that were sent.
#[derive(Debug, Clone, Default)]
pub(super) struct Losses(Arc<AtomicU64>);

impl Losses {
    /// One more is on its way to the flow.
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The flow's side of it.
pub(super) struct Membership {
    consumer: Weak<BaseConsumer<Context>>,
    losses: Losses,
    heard: u64,
}

impl Membership {
    pub(super) fn new(consumer: &Arc<BaseConsumer<Context>>, losses: Losses) -> Self {
        Self { consumer: Arc::downgrade(consumer), losses, heard: 0 }
    }

    /// The flow hears of a loss.
    pub(super) fn heard_of_loss(&mut self) {
        self.heard += 1;
    }

    /// The member that all partitions belong to which the flow takes for its own; `None` where that is not known.
    pub(super) fn current(&self) -> Option<ConsumerGroupMetadata> {
        let member = self.consumer.upgrade()?.group_metadata();
        // In this order: a membership of after a loss is seen together with the loss.
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
    use super::*;

    #[test]
    fn there_is_no_membership_while_a_loss_is_on_its_way() {
        let client = rdkafka::ClientConfig::new().set("group.id", "g").clone();
        let consumer =
            rdkafka::config::FromClientConfigAndContext::from_config_and_context(&client, Context::new(&client, "r"));
        let consumer: Arc<BaseConsumer<Context>> = Arc::new(consumer.unwrap());
        let losses = Losses::default();
        let mut membership = Membership::new(&consumer, losses.clone());
        assert!(membership.current().is_some());
        losses.count();
        assert!(membership.current().is_none());
        membership.heard_of_loss();
        assert!(membership.current().is_some());
        drop(consumer);
        assert!(membership.current().is_none());
    }
}
