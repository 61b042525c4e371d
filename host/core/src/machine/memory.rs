//! What is remembered of messages that were handed back to their queue.
//!
//! A queue counts receipts, and not every receipt is an attempt: a message may come and go because one before it in
//! its group failed. So attempts are counted here, and the queue's count is believed only for what was not seen: other
//! hosts may have received the message in between, or before.

use std::collections::{HashMap, VecDeque};

use super::Machine;
use super::delivery::{Delivery, Tenure, Trouble};
use crate::message::Position;
use crate::time::Time;

/// Messages remembered at most; the oldest are forgotten first.
const CAPACITY: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Memory {
    past: HashMap<Box<str>, Past>,
    /// In the order in which they were kept, with the number of that time.
    order: VecDeque<(u64, Box<str>)>,
    times: u64,
}

#[derive(Debug)]
pub(super) struct Past {
    /// The number of the next attempt.
    attempt: u32,
    /// How often the queue had handed it out.
    receives: u32,
    first_received: Time,
    trouble: Option<Box<Trouble>>,
    /// Which of its places in the order counts.
    time: u64,
}

impl Memory {
    fn keep(&mut self, id: &str, mut past: Past) {
        self.times += 1;
        past.time = self.times;
        self.past.insert(id.into(), past);
        self.order.push_back((self.times, id.into()));
        // A message that was taken out and kept again stands in the order more than once.
        while self.past.len() > CAPACITY || self.order.len() > 2 * CAPACITY {
            let Some((time, oldest)) = self.order.pop_front() else { return };
            if self.past.get(&oldest).is_some_and(|past| past.time == time) {
                self.past.remove(&oldest);
            }
        }
    }

    fn take(&mut self, id: &str) -> Option<Past> {
        self.past.remove(id)
    }
}

impl Machine {
    /// Gives a message its past back, if it has one. Where it has none, and for what others did in between, the queue's
    /// count stands for the attempts, but never so that the first attempt here comes after the last.
    pub(super) fn recall(&mut self, delivery: &mut Delivery) {
        let Tenure::Lease(lease) = &delivery.tenure else { return };
        let receives = lease.receives;
        let Position::MessageId(id) = &delivery.record.position else { return };
        let attempt = match self.memory.take(id) {
            Some(past) => {
                delivery.received = past.first_received;
                delivery.trouble = past.trouble;
                past.attempt.saturating_add(receives.saturating_sub(past.receives.saturating_add(1)))
            }
            None => receives,
        };
        delivery.attempt = attempt.clamp(1, self.route.policy.retry.max_attempts.max(1));
    }

    /// Remembers a message that goes back to its queue.
    pub(super) fn remember(&mut self, delivery: crate::event::DeliveryId) {
        let delivery = &mut self.deliveries[delivery];
        if let (Position::MessageId(id), Tenure::Lease(lease)) = (&delivery.record.position, &delivery.tenure) {
            let past = Past {
                attempt: delivery.attempt,
                receives: lease.receives,
                first_received: delivery.received,
                trouble: delivery.trouble.clone(),
                time: 0,
            };
            self.memory.keep(id, past);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past() -> Past {
        Past { attempt: 1, receives: 1, first_received: Time::default(), trouble: None, time: 0 }
    }

    #[test]
    fn the_oldest_are_forgotten_and_one_that_comes_and_goes_is_not_old() {
        let mut memory = Memory::default();
        memory.keep("again", past());
        memory.keep("old", past());
        for number in 1..CAPACITY {
            assert!(memory.take("again").is_some());
            memory.keep("again", past());
            memory.keep(&number.to_string(), past());
            assert!(memory.past.len() <= CAPACITY && memory.order.len() <= 2 * CAPACITY);
        }
        assert!(memory.take("old").is_none());
        assert!(memory.take("again").is_some());
        assert!(memory.take("1").is_some());
    }

    #[test]
    fn one_message_that_comes_and_goes_for_ever_takes_no_room() {
        let mut memory = Memory::default();
        for _ in 0..10 * CAPACITY {
            memory.keep("again", past());
            assert!(memory.take("again").is_some());
        }
        assert!(memory.order.len() <= 2 * CAPACITY);
    }
}
