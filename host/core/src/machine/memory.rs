//! What is remembered of messages that were handed back to their queue.
//!
//! A queue counts receipts, and not every receipt is an attempt: a message may come and go because one before it in
//! its group failed. So attempts are counted here, and the queue's count is believed only for messages that were
//! never seen.

use std::collections::{HashMap, VecDeque};

use super::Machine;
use super::delivery::{Delivery, Trouble};
use crate::message::Position;
use crate::time::Time;

/// Messages remembered at most; the oldest are forgotten first.
const CAPACITY: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Memory {
    past: HashMap<Box<str>, Past>,
    order: VecDeque<Box<str>>,
}

#[derive(Debug)]
pub(super) struct Past {
    /// The number of the next attempt.
    attempt: u32,
    first_received: Time,
    trouble: Option<Box<Trouble>>,
}

impl Memory {
    fn keep(&mut self, id: &str, past: Past) {
        if self.past.insert(id.into(), past).is_none() {
            self.order.push_back(id.into());
        }
        // A message that was taken out and kept again stands in the order twice; the first place does it no harm.
        while self.order.len() > CAPACITY {
            if let Some(oldest) = self.order.pop_front() {
                self.past.remove(&oldest);
            }
        }
    }

    fn take(&mut self, id: &str) -> Option<Past> {
        self.past.remove(id)
    }
}

impl Machine {
    /// Gives a message its past back, if it has one. Otherwise the queue's count stands for the attempts, but never
    /// so that the first attempt here comes after the last.
    pub(super) fn recall(&mut self, delivery: &mut Delivery, receives: u32) {
        let Position::MessageId(id) = &delivery.record.position else { return };
        match self.memory.take(id) {
            Some(past) => {
                delivery.attempt = past.attempt;
                delivery.received = past.first_received;
                delivery.trouble = past.trouble;
            }
            None => delivery.attempt = receives.clamp(1, self.route.policy.retry.max_attempts.max(1)),
        }
    }

    /// Remembers a message that goes back to its queue.
    pub(super) fn remember(&mut self, delivery: crate::event::DeliveryId) {
        let delivery = &mut self.deliveries[delivery];
        if let Position::MessageId(id) = &delivery.record.position {
            let past = Past {
                attempt: delivery.attempt,
                first_received: delivery.received,
                trouble: delivery.trouble.clone(),
            };
            self.memory.keep(id, past);
        }
    }
}
