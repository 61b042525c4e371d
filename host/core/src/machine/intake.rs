//! The bounds on messages and bytes in flight, and the grants to the source.

use std::sync::Arc;
use std::time::Duration;

use super::Machine;
use super::delivery::{Delivery, Receipt, State, Tenure};
use super::key::PartitionKey;
use super::partition::Arrival;
use super::timers::Timer;
use crate::action::Ask;
use crate::event::Leased;
use crate::ids::{DeliveryId, Partition};
use crate::lanes::LaneKey;
use crate::message::Record;
use crate::progress::Tried;
use crate::route::Bounds;
use crate::time::Time;
use crate::watermark::Place;

/// Minimum share of the bound for a grant. Smaller grants wait, because each would wake the source.
const SHARE: u32 = 8;

/// Share of the bound: if so many records are settled and not committed, the commit does not wait for its interval.
const COMMIT_SHARE: u32 = 4;

/// The current use of the bounds, and the unused grants.
#[derive(Debug)]
pub(super) struct Intake {
    bounds: Bounds,
    /// Number of received messages that are neither committed nor gone from the queue.
    open: u32,
    /// Bytes of records in memory, and of decoded envelopes that are kept.
    held: u64,
    /// Bytes of outputs that are not durable.
    outputs: u64,
    /// The part of `outputs` that sinks have and will answer.
    sent: u64,
    /// Unused grants; the source counts the same way. The last record may exceed the granted bytes, so the bytes may become
    /// negative.
    messages: u32,
    bytes: i64,
}

impl Intake {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self { bounds, open: 0, held: 0, outputs: 0, sent: 0, messages: 0, bytes: 0 }
    }

    fn received(&mut self, size: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub_unsigned(size);
    }

    fn opened(&mut self, size: u64) {
        self.open += 1;
        self.held += size;
    }

    /// Frees the room of messages that were committed or are gone from the queue.
    pub(super) fn closed(&mut self, messages: usize) {
        self.open -= u32::try_from(messages).unwrap_or(u32::MAX).min(self.open);
    }

    pub(super) fn freed(&mut self, size: u64) {
        self.held -= size.min(self.held);
    }

    /// Whether so many bytes more stay within the bound.
    pub(super) fn has_room(&self, size: u64) -> bool {
        self.held.saturating_add(self.outputs).saturating_add(size) <= self.bounds.bytes
    }

    /// A decoded envelope of so many bytes stays in memory.
    pub(super) fn keeps(&mut self, size: u64) {
        self.held = self.held.saturating_add(size);
    }

    pub(super) fn has_outputs(&mut self, size: u64) {
        self.outputs = self.outputs.saturating_add(size);
    }

    pub(super) fn freed_outputs(&mut self, size: u64) {
        self.outputs -= size.min(self.outputs);
    }

    pub(super) fn sent(&mut self, size: u64) {
        self.sent = self.sent.saturating_add(size);
    }

    pub(super) fn answered(&mut self, size: u64) {
        self.sent -= size.min(self.sent);
    }

    /// Whether outputs that the sinks will answer fill the bound on bytes, so that no attempt may add more. Outputs behind a
    /// refused dead letter are not included, because they may wait for days.
    pub(super) fn is_full_of_sent(&self) -> bool {
        self.sent >= self.bounds.bytes
    }

    /// Whether outputs alone fill the bound on bytes.
    pub(super) fn is_full_of_outputs(&self) -> bool {
        self.outputs >= self.bounds.bytes
    }

    /// Whether so many settled records need an early commit, because they take room from others.
    pub(super) fn is_much(&self, settled: usize) -> bool {
        settled >= (self.bounds.messages / COMMIT_SHARE).max(1) as usize
    }

    /// Maximum number of unfinished records of one partition: its share of the bound, or the free room of all partitions if
    /// that is more. So a blocked partition takes at most half of the room, and a partition that is active alone is not
    /// limited.
    pub(super) fn share_of_each(&self, partitions: usize) -> usize {
        let share = self.bounds.messages as usize / partitions.max(1);
        share.max(self.bounds.messages.saturating_sub(self.open) as usize).max(1)
    }

    /// Whether no more messages can be received.
    pub(super) fn is_full(&self) -> bool {
        self.open >= self.bounds.messages || self.held + self.outputs >= self.bounds.bytes
    }

    /// Returns the messages and bytes to grant, unless too few. `lookahead` limits the messages that are granted at a time.
    pub(super) fn replenish(&mut self, lookahead: Option<u32>) -> Option<(u32, u64)> {
        let bound = self.bounds.messages.saturating_sub(self.open);
        let messages = lookahead.unwrap_or(bound).min(bound).saturating_sub(self.messages);
        // The bytes by which the last record exceeded its grant are granted again once there is room, because the source
        // still subtracts them.
        let room =
            i128::from(self.bounds.bytes) - i128::from(self.held) - i128::from(self.outputs) - i128::from(self.bytes);
        let bytes = u64::try_from(room).unwrap_or(0);
        let enough = |room: u64, bound: u64, rest: bool| room > 0 && (rest || room >= bound / u64::from(SHARE));
        let share = lookahead.unwrap_or(u32::MAX).min(self.bounds.messages);
        let worth = enough(messages.into(), share.into(), self.messages == 0)
            || enough(bytes, self.bounds.bytes, self.bytes <= 0);
        if !worth {
            return None;
        }
        self.messages += messages;
        self.bytes = self.bytes.saturating_add_unsigned(bytes);
        Some((messages, bytes))
    }

    pub(super) fn in_use(&self) -> Bounds {
        Bounds { messages: self.open, bytes: self.held + self.outputs }
    }
}

impl Machine {
    pub(super) fn records(&mut self, partition: &Partition, records: Vec<Record>, now: Time) {
        let key = self.partitions.find(partition).filter(|key| !self.partitions.is_leaving(*key));
        for record in records {
            let size = record.size() as u64;
            self.intake.received(size);
            let crate::message::Position::Offset { offset, .. } = record.position else { continue };
            // Records that the client had fetched before a revocation are left to the next owner.
            let Some(key) = key.filter(|_| !self.draining.is_draining()) else { continue };
            // The client repeats records after a seek; they are in flight or settled already.
            let told = !self.route.is_exactly_once();
            match self.partitions.receive(key, offset, told) {
                Arrival::New(place, tried) => {
                    let id = self.receive(record, Tenure::Offset { partition: key, offset, place }, now);
                    self.remind(id, tried);
                    self.pledge(id, key, offset, place);
                }
                // The record counts until a commit covers it, because no earlier commit has reported it.
                Arrival::Finished if self.route.is_exactly_once() => self.intake.opened(0),
                Arrival::Finished | Arrival::Repeated => {}
            }
        }
        if let Some(key) = key {
            self.pause_if_full(key);
        }
        self.commit_in_time(now);
    }

    /// Notes that no unreceived record exists before this offset. Once all received ones are settled, the commit point may
    /// move there.
    pub(super) fn reached(&mut self, partition: &Partition, from: Option<i64>, offset: i64, now: Time) {
        let Some(key) = self.partitions.find(partition).filter(|key| !self.partitions.is_leaving(*key)) else { return };
        #[cfg(feature = "sabotage")]
        let from = if self.is_sabotaged(super::Sabotage::EndFromElsewhere) { None } else { from };
        if !self.draining.is_draining() {
            self.partitions.reach(key, from, offset);
            self.commit_in_time(now);
        }
    }

    pub(super) fn messages(&mut self, messages: Vec<Leased>, now: Time) {
        let mut received = Vec::with_capacity(messages.len());
        for Leased { record, receipt, receives, until } in messages {
            self.intake.received(record.size() as u64);
            let lease = until.map(|until| self.new_lease(until));
            let check = lease.as_ref().map(|lease| lease.check);
            let receives = self.route.source.counts_deliveries.then_some(receives);
            let id = self.receive(record, Tenure::Receipt(Box::new(Receipt::new(receipt, receives, lease))), now);
            if let Some(check) = check {
                self.timers.set(check, Timer::Lease(id));
            }
            received.push(id);
        }
        if self.draining.is_draining() {
            received = self.turn_away(received, now);
        }
        if self.route.is_at_most_once() {
            received.into_iter().for_each(|id| self.delete(id));
        }
    }

    fn receive(&mut self, record: Record, tenure: Tenure, now: Time) -> DeliveryId {
        let partition = match &tenure {
            Tenure::Offset { partition, .. } => self.partitions.number(*partition),
            Tenure::Receipt(_) => {
                self.prefetch.received();
                0
            }
        };
        let lane = LaneKey::of(self.route.order, partition, record.key.as_deref());
        #[cfg(feature = "sabotage")]
        let lane = lane.filter(|_| !self.is_sabotaged(super::Sabotage::LanesIgnored));
        let lane = lane.map(|lane| self.lanes.hash(lane));
        let mut delivery = Delivery::new(record, tenure, self.account.received, now);
        self.recall(&mut delivery);
        self.account.received += 1;
        self.live += 1;
        self.intake.opened(delivery.size());
        debug_assert_eq!(delivery.state, State::Waiting);
        let mut is_head = true;
        let id = self.deliveries.insert_with_key(|id| {
            if let Some(lane) = lane {
                let (lane, first) = self.lanes.enter(lane, id);
                (delivery.lane, is_head) = (Some(lane), first);
            }
            delivery
        });
        if is_head {
            self.enqueue(id);
        }
        id
    }

    /// Restores the attempts that an earlier owner has committed for this record.
    fn remind(&mut self, id: DeliveryId, tried: Option<Tried>) {
        if let Some(Tried { attempt, since }) = tried {
            let delivery = &mut self.deliveries[id];
            let most = self.route.policy.retry.max_attempts.max(1);
            (delivery.attempt, delivery.received) = (attempt.min(most), since.min(delivery.received));
        }
    }

    /// At most once: the record is committed before it is handled, so it waits for the commit.
    fn pledge(&mut self, id: DeliveryId, key: PartitionKey, offset: i64, place: Place) {
        if self.route.is_at_most_once() {
            self.partitions.settle(key, offset, place);
            self.deliveries[id].counted = self.partitions.commits + 1;
            #[cfg(feature = "sabotage")]
            if self.is_sabotaged(super::Sabotage::PledgeNotAwaited) {
                self.deliveries[id].counted = 0;
            }
            self.commits.hurry();
        }
    }

    /// Hands messages back to their queue, to be received again after `delay`. If the queue cannot delay them for so long,
    /// they are put off again when they are received.
    pub(super) fn release(&mut self, receipts: Vec<Arc<str>>, delay: Duration) {
        if !receipts.is_empty() {
            let delay = delay.min(self.route.source.longest_delay.unwrap_or_default());
            self.actions.push_back(crate::action::Action::Ask(Ask::Release { receipts, delay }));
        }
    }
}
