//! The messages of a run: each follows from the seed and its number, so that whoever reads one later can tell what it
//! has to be, and need not remember it.

use std::ops::Range;

use crate::broker::verify::Message;

/// Messages with their keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Workload {
    pub(super) seed: u64,
    pub(super) messages: u64,
    /// Of 100 messages so many fail whatever the hosts do.
    pub(super) failing: u8,
    /// Brokers with logs. They are numbered from 0, and queues behind them.
    pub(super) logs: usize,
    /// Brokers with queues.
    pub(super) queues: usize,
}

/// Of twenty messages one goes to a queue, where there is a log too: a queue is slower by far.
const SHARE: u64 = 20;

/// Keys, or message groups.
const KEYS: Range<u16> = 0..600;

/// What a message that ends well tells the handler to do (`handler.wat`), and how many of 10,000 do.
const WELL: [(&str, u32); 9] =
    [("d1", 8300), ("d0", 700), ("d2", 560), ("r1", 300), ("r2", 100), ("t1", 20), ("m1", 5), ("u1", 10), ("l1", 5)];

/// The same of one that fails for good.
const FAILING: [(&str, u32); 7] =
    [("r9", 5000), ("p9", 3000), ("t9", 1000), ("u9", 900), ("m9", 60), ("l9", 20), ("f9", 20)];

impl Workload {
    /// The number of the broker that a message goes to.
    pub(super) fn broker(&self, number: u64) -> usize {
        let (first, count, before) = self.turn(number);
        first + (before % count as u64) as usize
    }

    /// How many before it go to the same broker.
    fn ordinal(&self, number: u64) -> u64 {
        let (_, count, before) = self.turn(number);
        before / count as u64
    }

    /// The brokers that take turns with messages like this one: the number of the first of them, how many there are, and how
    /// many messages before this one go to them.
    fn turn(&self, number: u64) -> (usize, usize, u64) {
        match (self.logs, self.queues) {
            (0, queues) => (0, queues.max(1), number),
            (logs, 0) => (0, logs, number),
            (logs, queues) if number % SHARE == SHARE - 1 => (logs, queues, number / SHARE),
            (logs, _) => (0, logs, number - number / SHARE),
        }
    }

    /// The message of this number.
    pub(super) fn message(&self, number: u64) -> Message {
        // Neighbours need unlike beginnings.
        let mut chance = fastrand::Rng::with_seed(self.seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        // The first messages of a run have one each, so that a short run sees every outcome.
        let first = usize::try_from(self.ordinal(number)).ok().and_then(|first| WELL.iter().chain(&FAILING).nth(first));
        let order = match first {
            Some((order, _)) => order,
            None if chance.u8(0..100) < self.failing => pick(&FAILING, &mut chance),
            None => pick(&WELL, &mut chance),
        };
        let key = format!("k{}", chance.u16(KEYS));
        let padding = "·".repeat(chance.usize(0..60));
        Message { key, payload: format!("{order} {number} {padding}") }
    }

    /// How many outputs the message of this number leads to; `None` where it always becomes a dead letter.
    pub(super) fn outputs(&self, number: u64) -> Option<u32> {
        let payload = self.message(number).payload;
        let mut order = payload.chars();
        match (order.next(), order.next().and_then(|digit| digit.to_digit(10))) {
            (Some('d'), count) => count,
            (_, Some(9)) => None,
            _ => Some(1),
        }
    }

    /// The message that this payload says it is, if it is that to the last byte.
    pub(super) fn recognise(&self, payload: &[u8]) -> Option<u64> {
        let text = std::str::from_utf8(payload).ok()?;
        let number: u64 = text.split(' ').nth(1)?.parse().ok()?;
        (number < self.messages && self.message(number).payload == text).then_some(number)
    }
}

/// What a message keeps its order with: its key at its broker.
pub(super) fn lane(broker: &str, key: &[u8]) -> String {
    format!("{broker}:{}", String::from_utf8_lossy(key))
}

fn pick(mix: &[(&'static str, u32)], chance: &mut fastrand::Rng) -> &'static str {
    let mut ticket = chance.u32(0..mix.iter().map(|(_, share)| share).sum());
    for (order, share) in mix {
        match ticket.checked_sub(*share) {
            Some(rest) => ticket = rest,
            None => return order,
        }
    }
    mix[0].0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_recognised_and_a_changed_one_is_not() {
        let workload = Workload { seed: 7, messages: 1000, failing: 10, logs: 1, queues: 1 };
        let mut payload = workload.message(321).payload;
        assert_eq!(workload.recognise(payload.as_bytes()), Some(321));
        assert_eq!(Workload { seed: 8, ..workload }.recognise(payload.as_bytes()), None);
        payload.push(' ');
        assert_eq!(workload.recognise(payload.as_bytes()), None);
    }

    #[test]
    fn a_short_run_has_every_kind_of_message_on_each_broker() {
        let workload = Workload { seed: 7, messages: 400, failing: 0, logs: 1, queues: 1 };
        for broker in [0, 1] {
            let messages = (0..400).filter(|number| workload.broker(*number) == broker);
            let mut orders: Vec<_> = messages.map(|number| workload.message(number).payload[..2].to_owned()).collect();
            orders.sort();
            orders.dedup();
            assert!(
                WELL.iter().chain(&FAILING).all(|(order, _)| orders.iter().any(|it| it == order)),
                "{broker}: {orders:?}"
            );
        }
    }

    #[test]
    fn one_message_of_twenty_goes_to_queues_and_brokers_alike_take_turns() {
        let brokers = |logs, queues| {
            let workload = Workload { seed: 7, messages: 400, failing: 0, logs, queues };
            let mut counts = vec![0; logs + queues];
            (0..400).for_each(|number| counts[workload.broker(number)] += 1);
            counts
        };
        assert_eq!(brokers(1, 1), [380, 20]);
        assert_eq!(brokers(2, 2), [190, 190, 10, 10]);
        assert_eq!((brokers(0, 1), brokers(1, 0)), (vec![400], vec![400]));
        assert_eq!(brokers(0, 2), [200, 200]);
    }

    #[test]
    fn a_message_says_how_many_outputs_it_leads_to() {
        let workload = Workload { seed: 7, messages: 400, failing: 0, logs: 1, queues: 0 };
        for number in 0..400 {
            let payload = workload.message(number).payload;
            let failing = FAILING.iter().any(|(order, _)| payload.starts_with(order));
            assert_eq!(workload.outputs(number).is_none(), failing, "{payload}");
        }
        let outputs: Vec<_> = (0..4).map(|number| workload.outputs(number)).collect();
        assert_eq!(outputs, [Some(1), Some(0), Some(2), Some(1)]);
    }

    #[test]
    fn as_many_messages_fail_as_were_asked_for() {
        for failing in [0, 10, 50] {
            let workload = Workload { seed: 7, messages: 10_000, failing, logs: 1, queues: 0 };
            let is_failing =
                |number: &u64| FAILING.iter().any(|(order, _)| workload.message(*number).payload.starts_with(order));
            let count = (100..10_000).filter(is_failing).count() as u64;
            assert!(count.abs_diff(u64::from(failing) * 99) < 200, "{failing} %: {count} of 9900");
        }
    }
}
