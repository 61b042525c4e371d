//! A queue with leases and groups.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_core::event::Leased;
use cofferdam_core::message::{Headers, Position, Record};
use cofferdam_core::route::Lease;
use cofferdam_core::time::Time;

use super::Allowance;

/// Longest receive, as with SQS.
const BATCH: usize = 10;

/// A queue: FIFO within a group.
#[derive(Debug)]
pub struct Queue {
    /// What was sent and not deleted, in order.
    pub messages: Vec<Message>,
    lease: Duration,
    /// The redrive policy: what would be received more often is moved away.
    max_receives: Option<u32>,
    /// What was moved away and not told yet.
    pub(super) moved: Vec<String>,
    sent: u32,
    receipts: u64,
    /// Record ids that were released together, and when they can be received again.
    pub released: Vec<(Vec<String>, Time)>,
}

/// A message of the queue.
#[derive(Debug)]
pub struct Message {
    /// As it is handed out.
    pub record: Record,
    /// How often it was handed out.
    pub receives: u32,
    visible_at: Time,
    /// The handle of the last receipt.
    receipt: Option<Arc<str>>,
}

impl Queue {
    pub(super) fn new(rules: Lease) -> Self {
        let Lease { length: lease, max_receives, .. } = rules;
        Self {
            messages: Vec::new(),
            lease,
            max_receives,
            moved: Vec::new(),
            sent: 0,
            receipts: 0,
            released: Vec::new(),
        }
    }

    /// Sends a message of `size` bytes, and returns it. An empty group stands for none.
    pub(super) fn send(&mut self, group: &str, size: usize, headers: Headers) -> Record {
        let record = Record {
            source: "q".into(),
            position: Position::MessageId(format!("m-{}", self.sent).into()),
            key: (!group.is_empty()).then(|| Bytes::from(group.to_owned())),
            headers,
            payload: Some(vec![b'x'; size].into()),
            timestamp_ms: Some(5),
        };
        self.sent += 1;
        self.messages.push(Message { record: record.clone(), receives: 0, visible_at: Time::default(), receipt: None });
        record
    }

    /// Gives out up to ten to a host whose clock is `ahead`. As with AWS, an invisible message blocks what comes after
    /// it in its group, and nothing that comes before it. What was received too often is moved away.
    pub(super) fn receive(&mut self, now: Time, ahead: Duration, allowance: &mut Allowance) -> Vec<Leased> {
        let visible_at = now.after(self.lease);
        if let Some(most) = self.max_receives {
            let (moved, kept) =
                self.messages.drain(..).partition(|message| message.visible_at <= now && message.receives >= most);
            self.messages = kept;
            let moved: Vec<Message> = moved;
            self.moved.extend(moved.iter().map(|message| message.record.id()));
        }
        let mut blocked: Vec<Bytes> = Vec::new();
        let mut leased = Vec::new();
        for message in &mut self.messages {
            let group = message.record.key.clone();
            if !allowance.is_left() || leased.len() == BATCH {
                break;
            }
            if group.as_ref().is_some_and(|group| blocked.contains(group)) {
                continue;
            }
            if message.visible_at > now {
                blocked.extend(group);
                continue;
            }
            allowance.take(&message.record);
            self.receipts += 1;
            let receipt: Arc<str> = format!("h-{}", self.receipts).into();
            message.receives += 1;
            message.visible_at = visible_at;
            message.receipt = Some(Arc::clone(&receipt));
            let (record, receives, until) = (message.record.clone(), message.receives, visible_at.after(ahead));
            leased.push(Leased { record, receipt, receives, until });
        }
        leased
    }

    fn find(&mut self, receipt: &Arc<str>) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.receipt.as_ref() == Some(receipt))
    }

    /// Deletes what this receipt stands for; `false` if it is no longer the last one.
    pub(super) fn delete(&mut self, receipt: &Arc<str>) -> bool {
        let before = self.messages.len();
        self.messages.retain(|message| message.receipt.as_ref() != Some(receipt));
        self.messages.len() < before
    }

    pub(super) fn extend(&mut self, receipt: &Arc<str>, until: Time) -> bool {
        self.find(receipt).map(|message| message.visible_at = until).is_some()
    }

    pub(super) fn release(&mut self, receipts: &[Arc<str>], at: Time) {
        let mut released = Vec::new();
        for receipt in receipts {
            if let Some(message) = self.find(receipt) {
                message.visible_at = at;
                message.receipt = None;
                released.push(message.record.id());
            }
        }
        self.released.push((released, at));
    }

    /// When the next message can be received that cannot be now.
    pub(super) fn next_visible(&self, now: Time) -> Option<Time> {
        self.messages.iter().map(|message| message.visible_at).filter(|at| *at > now).min()
    }
}
