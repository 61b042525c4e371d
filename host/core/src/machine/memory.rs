//! Remembers messages that were handed back to their queue.
//!
//! A queue counts receives, and not every receive is an attempt: another consumer may have looked at the message, or a host
//! stopped before the message's turn. So the machine counts attempts itself. Receives that this host has not seen count as
//! attempts, because an attempt may have ended with the death of its host; at least one retry is left then. If the broker
//! does not count receives, a host knows only its own attempts.

use std::collections::{HashMap, VecDeque};

use super::Machine;
use super::delivery::{Delivery, Tenure, Trouble};
use crate::message::Position;
use crate::time::Time;

/// Maximum number of remembered messages. The oldest are forgotten first.
const CAPACITY: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Memory {
    past: HashMap<Box<str>, Past>,
    /// The messages in the order of their addition, each with the number of that addition.
    order: VecDeque<(u64, Box<str>)>,
    times: u64,
}

#[derive(Debug)]
pub(super) struct Past {
    /// The number of the next attempt.
    attempt: u32,
    /// How many of the earlier attempts were assumed.
    assumed: u32,
    /// How often the queue had delivered the message.
    receives: u32,
    first_received: Time,
    trouble: Option<Box<Trouble>>,
    /// The number of the addition that is valid; older entries in `order` are ignored.
    time: u64,
}

impl Memory {
    fn keep(&mut self, id: &str, mut past: Past) {
        self.times += 1;
        past.time = self.times;
        self.past.insert(id.into(), past);
        self.order.push_back((self.times, id.into()));
        // A message that was taken out and added again is in `order` more than once.
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
    /// Restores the remembered attempts of a message. Receives that this host has not seen count as attempts, but the first
    /// attempt here is never the last one because of that.
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

    /// Remembers a message that is handed back to its queue.
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
