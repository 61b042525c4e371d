//! A queue: with leases, groups and delays, or without them and bound to the connections of its consumers. What it is able
//! to do is what the route says of its source.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cofferdam_core::event::Leased;
use cofferdam_core::message::{Headers, Position, Record};
use cofferdam_core::source::SourceTraits;
use cofferdam_core::time::Time;

use super::Allowance;

/// Longest receive, as with SQS.
const BATCH: usize = 10;

/// A queue: FIFO within a group where it leases messages, else FIFO for its one consumer.
#[derive(Debug)]
pub struct Queue {
    /// What was sent and not deleted, in order.
    pub messages: Vec<Message>,
    /// What it is able to do.
    able: SourceTraits,
    /// Without leases, one consumer after the other has the queue where the route keeps order.
    one_by_one: bool,
    /// Connections of consumers, oldest first: they begin with their first receive.
    connections: Vec<u64>,
    /// Receipts that ended with their connections and whose hosts have not learnt it.
    ended: Vec<(u64, Arc<str>)>,
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
    /// When it can be received; `None`: not before its connection ends or it is returned.
    visible_at: Option<Time>,
    /// The connection that it was delivered to last.
    connection: u64,
    /// The handle of the last receipt.
    receipt: Option<Arc<str>>,
}

impl Queue {
    pub(super) fn new(able: SourceTraits, keeps_order: bool) -> Self {
        Self {
            messages: Vec::new(),
            able,
            one_by_one: able.lease.is_none() && keeps_order,
            connections: Vec::new(),
            ended: Vec::new(),
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
        let visible_at = Some(Time::default());
        self.messages.push(Message { record: record.clone(), receives: 0, visible_at, connection: 0, receipt: None });
        record
    }

    /// Gives out up to ten to a host whose clock is `ahead`, over this connection. As with AWS, an invisible message blocks
    /// what comes after it in its group, and nothing that comes before it; without leases nothing blocks. What was received
    /// too often is moved away.
    pub(super) fn receive(
        &mut self,
        now: Time,
        (connection, ahead): (u64, Duration),
        allowance: &mut Allowance,
    ) -> Vec<Leased> {
        if !self.connections.contains(&connection) {
            self.connections.push(connection);
        }
        if self.one_by_one && self.connections.first() != Some(&connection) {
            return Vec::new();
        }
        let blocks = self.able.lease.is_some();
        let visible_at = self.able.lease.map(|lease| now.after(lease.length));
        if let Some(most) = self.able.max_receives {
            let (moved, kept) =
                self.messages.drain(..).partition(|message| message.is_visible(now) && message.receives >= most);
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
            if !message.is_visible(now) {
                blocked.extend(group.filter(|_| blocks));
                continue;
            }
            allowance.take(&message.record);
            self.receipts += 1;
            let receipt: Arc<str> = format!("h-{}", self.receipts).into();
            message.receives += 1;
            (message.visible_at, message.connection) = (visible_at, connection);
            message.receipt = Some(Arc::clone(&receipt));
            let receives = if self.able.counts_deliveries { message.receives } else { 1 };
            let (record, until) = (message.record.clone(), visible_at.map(|at| at.after(ahead)));
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
        self.find(receipt).map(|message| message.visible_at = Some(until)).is_some()
    }

    /// Keeps these back until then.
    ///
    /// # Panics
    /// Where that is longer than the queue is able to.
    pub(super) fn release(&mut self, receipts: &[Arc<str>], now: Time, delay: Duration) {
        assert!(
            delay <= self.able.longest_delay.unwrap_or_default(),
            "the queue cannot keep a message back for {delay:?}"
        );
        let at = now.after(delay);
        let mut released = Vec::new();
        for receipt in receipts {
            if let Some(message) = self.find(receipt) {
                (message.visible_at, message.receipt) = (Some(at), None);
                released.push(message.record.id());
            }
        }
        self.released.push((released, at));
    }

    /// When the next message can be received that cannot be now.
    pub(super) fn next_visible(&self, now: Time) -> Option<Time> {
        self.messages.iter().filter_map(|message| message.visible_at).filter(|at| *at > now).min()
    }

    /// A connection has ended. Without leases, what it had can be received again, each message in its place. Returns the ids
    /// of their records.
    pub(super) fn disconnect(&mut self, connection: u64) -> Vec<String> {
        self.connections.retain(|one| *one != connection);
        if self.able.lease.is_some() {
            return Vec::new();
        }
        let mut returned = Vec::new();
        for message in self.messages.iter_mut().filter(|message| message.connection == connection) {
            if let Some(receipt) = message.receipt.take() {
                message.visible_at = Some(Time::default());
                self.ended.push((connection, receipt));
                returned.push(message.record.id());
            }
        }
        returned
    }

    /// Whether a connection is known, and has not ended.
    pub(super) fn is_connected(&self, connection: u64) -> bool {
        self.connections.contains(&connection)
    }

    /// The receipts that have ended with this connection: whose it is learns of them now.
    pub(super) fn take_ended(&mut self, connection: u64) -> Vec<Arc<str>> {
        let (taken, left) = self.ended.drain(..).partition(|(one, _)| *one == connection);
        self.ended = left;
        let taken: Vec<(u64, Arc<str>)> = taken;
        taken.into_iter().map(|(_, receipt)| receipt).collect()
    }
}

impl Message {
    fn is_visible(&self, now: Time) -> bool {
        self.visible_at.is_some_and(|at| at <= now)
    }
}
