//! What is remembered of messages that were handed back to their queue.
//!
//! A queue counts receives, and not every receive is an attempt: somebody may have looked at the message, or a host was
//! stopped before the message had its turn. So attempts are counted here. For receives that nobody here knows of the
//! queue's count stands in (an attempt may have ended with the death of its host), and then at least one retry is left.
//! Where the broker does not count, a host knows of its own attempts and of no others.

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
    /// How many of those before were assumed.
    assumed: u32,
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
    /// Gives a message its past back, if it has one. For receives that are not known here the queue's count stands for
    /// attempts, but never so that the first attempt here is the last.
    pub(super) fn recall(&mut self, delivery: &mut Delivery) {
        let Tenure::Receipt(receipt) = &mut delivery.tenure else { return };
        let Position::MessageId(id) = &delivery.record.position else { return };
        let (next, assumed, known) = match self.memory.take(id) {
            Some(past) => {
                delivery.received = past.first_received;
                delivery.trouble = past.trouble;
                (past.attempt, past.assumed, past.receives)
            }
            None => (1, 0, 0),
        };
        let unknown = receipt.receives.map_or(0, |receives| receives.saturating_sub(known.saturating_add(1)));
        let most = self.route.policy.retry.max_attempts.max(1);
        let with_a_retry = most.saturating_sub(1).max(next);
        delivery.attempt = next.saturating_add(unknown).min(with_a_retry).clamp(1, most);
        receipt.assumed = assumed + delivery.attempt.saturating_sub(next);
    }

    /// Remembers a message that goes back to its queue.
    pub(super) fn remember(&mut self, delivery: crate::ids::DeliveryId) {
        let delivery = &mut self.deliveries[delivery];
        if let (Position::MessageId(id), Tenure::Receipt(receipt)) = (&delivery.record.position, &delivery.tenure) {
            let past = Past {
                attempt: delivery.attempt,
                assumed: receipt.assumed,
                receives: receipt.receives.unwrap_or_default(),
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
        Past { attempt: 1, assumed: 0, receives: 1, first_received: Time::default(), trouble: None, time: 0 }
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
