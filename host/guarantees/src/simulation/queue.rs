//! A queue with leases and groups, and what its consumer has asked of it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Allowance;
use cofferdam_core::event::{DeliveryId, Leased};
use cofferdam_core::message::{Position, Record};
use cofferdam_core::time::Time;

#[derive(Debug)]
pub struct Queue {
    pub messages: Vec<Message>,
    lease: Duration,
    sent: u32,
    receipts: u64,
    pub deletes: Vec<(DeliveryId, Arc<str>)>,
    pub extends: Vec<(DeliveryId, Arc<str>, Duration)>,
    /// Record ids that were released together, and when they can be received again.
    pub released: Vec<(Vec<String>, Time)>,
}

#[derive(Debug)]
pub struct Message {
    pub record: Record,
    receives: u32,
    pub visible_at: Time,
    /// The handle of the last receipt.
    receipt: Option<Arc<str>>,
}

impl Queue {
    pub fn new(lease: Duration) -> Self {
        let (deletes, extends, released) = (Vec::new(), Vec::new(), Vec::new());
        Self { messages: Vec::new(), lease, sent: 0, receipts: 0, deletes, extends, released }
    }

    /// Sends a message of `size` bytes. An empty group stands for none.
    pub fn send(&mut self, group: &str, size: usize) {
        let record = Record {
            source: "q".into(),
            position: Position::MessageId(format!("m-{}", self.sent).into()),
            key: (!group.is_empty()).then(|| Bytes::from(group.to_owned())),
            headers: Vec::new(),
            payload: Some(vec![b'x'; size].into()),
            timestamp_ms: Some(5),
        };
        self.sent += 1;
        self.messages.push(Message { record, receives: 0, visible_at: Time::default(), receipt: None });
    }

    /// Gives out up to ten. As with AWS, an invisible message blocks what comes after it in its group, and nothing
    /// that comes before it.
    pub fn receive(&mut self, now: Time, allowance: &mut Allowance) -> Vec<Leased> {
        let until = now.after(self.lease);
        let mut blocked: Vec<Bytes> = Vec::new();
        let mut leased = Vec::new();
        for message in &mut self.messages {
            let group = message.record.key.clone();
            if !allowance.is_left() || leased.len() == 10 {
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
            message.visible_at = until;
            message.receipt = Some(Arc::clone(&receipt));
            leased.push(Leased { record: message.record.clone(), receipt, receives: message.receives, until });
        }
        leased
    }

    fn find(&mut self, receipt: &Arc<str>) -> Option<&mut Message> {
        self.messages.iter_mut().find(|message| message.receipt.as_ref() == Some(receipt))
    }

    pub fn delete(&mut self, receipt: &Arc<str>) -> bool {
        let before = self.messages.len();
        self.messages.retain(|message| message.receipt.as_ref() != Some(receipt));
        self.messages.len() < before
    }

    pub fn extend(&mut self, receipt: &Arc<str>, until: Time) -> bool {
        self.find(receipt).map(|message| message.visible_at = until).is_some()
    }

    pub fn release(&mut self, receipts: &[Arc<str>], at: Time) {
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

    pub fn forget_consumer(&mut self) {
        self.deletes.clear();
        self.extends.clear();
    }

    /// When the next message can be received that cannot be now.
    pub fn next_visible(&self, now: Time) -> Option<Time> {
        self.messages.iter().map(|message| message.visible_at).filter(|at| *at > now).min()
    }
}
