//! The dice: anything that can happen, in any order; and the calm in which everything must come to its end.

use std::time::Duration;

use super::{SECOND, World, failure, rejected, unavailable};
use cofferdam_core::event::Event;
use cofferdam_core::outcome::{Class, Failure};

/// Steps in which a calm world must come to its end; far more than any needs.
const PATIENCE: usize = 20_000;

impl World {
    /// Something happens.
    pub fn step(&mut self) {
        match self.dice.u32(0..100) {
            0..12 => self.write(),
            12..30 => self.take_in(),
            30..55 => self.end_one(),
            55..75 => self.answer_one(),
            75..80 => self.answer_commit_by_chance(),
            80..86 => self.answer_queue(),
            86..95 => self.pass_time(),
            95..99 => self.rebalance(),
            _ => self.lose_lease(),
        }
    }

    fn is_queue(&self) -> bool {
        self.route.lease.is_some()
    }

    fn write(&mut self) {
        let key = ["", "a", "b", "c"][self.dice.usize(0..4)];
        let size = self.dice.usize(0..300);
        if self.is_queue() {
            self.queue.send(key, size);
            return;
        }
        let number = self.dice.i32(0..3);
        if self.dice.u32(0..8) == 0 {
            self.broker.skip(number, 2);
        }
        self.broker.produce(number, key, size);
    }

    fn take_in(&mut self) {
        if self.is_queue() { self.receive() } else { self.fetch() }
    }

    fn end_one(&mut self) {
        if self.running.is_empty() {
            return;
        }
        let index = self.dice.usize(0..self.running.len());
        let class = match self.dice.u32(0..100) {
            0..60 => {
                let outputs = self.dice.usize(0..3);
                return self.end_well(index, outputs);
            }
            60..70 => Class::Retryable,
            70..75 => Class::Trapped,
            75..80 => Class::TimedOut,
            80..85 => Class::Deferred,
            85..90 => Class::HostFault,
            90..94 => Class::Permanent,
            94..96 => Class::Malformed,
            96..98 => Class::Unrouted,
            _ => Class::Revoked,
        };
        let wish = [None, None, Some(Duration::ZERO), Some(SECOND), Some(3_000 * SECOND)][self.dice.usize(0..5)];
        self.end(index, Failure { retry_after: wish, ..failure(class) }.into());
    }

    fn answer_one(&mut self) {
        if self.sending.is_empty() {
            return;
        }
        let index = self.dice.usize(0..self.sending.len());
        let refusal = match self.dice.u32(0..10) {
            0..8 => None,
            8 => unavailable(),
            _ => rejected(),
        };
        self.answer(index, refusal);
    }

    fn answer_commit_by_chance(&mut self) {
        let well = self.dice.u32(0..4) > 0;
        self.answer_commit(well);
    }

    fn answer_queue(&mut self) {
        let well = self.dice.u32(0..3) > 0;
        if self.dice.bool() { self.answer_delete(well) } else { self.answer_extend() }
    }

    fn pass_time(&mut self) {
        let longest = [20, 2_000, 40_000][self.dice.usize(0..3)];
        let time = Duration::from_millis(self.dice.u64(0..longest));
        self.wait(time);
    }

    fn rebalance(&mut self) {
        if self.is_queue() {
            return;
        }
        let number = self.dice.i32(0..3);
        let revoked = self.broker.consumer(number).map(|consumer| consumer.revoked);
        match revoked {
            None => self.assign(number),
            Some(false) if self.dice.bool() => self.revoke(number),
            // The source has waited long enough, and the group gives the partition to us again.
            Some(true) if self.dice.bool() => self.assign(number),
            Some(_) => self.lose(number),
        }
    }

    /// The queue takes a lease back before its time.
    fn lose_lease(&mut self) {
        let live = self.machine.deliveries().filter(|(_, delivery)| delivery.is_live());
        let leased: Vec<_> = live.filter_map(|(id, delivery)| Some((id, delivery.receipt()?.clone()))).collect();
        if let Some((id, receipt)) = self.dice.choice(leased) {
            self.queue.release(&[receipt], self.now);
            self.tell(Event::LeaseLost(vec![id]));
        }
    }

    /// Everything that is out is answered, well.
    fn answer_all(&mut self) -> bool {
        let before = self.told;
        self.take_in();
        while !self.running.is_empty() {
            let index = self.dice.usize(0..self.running.len());
            self.end_well(index, 1);
        }
        self.store_all();
        self.answer_commit(true);
        while !self.queue.deletes.is_empty() {
            self.answer_delete(true);
        }
        while !self.queue.extends.is_empty() {
            self.answer_extend();
        }
        self.told > before
    }

    /// Brokers, sinks and handlers are well from now on: every record must be settled, and nothing stay behind.
    pub fn calm_down(&mut self) {
        for number in 0..3 {
            if !self.is_queue() && self.broker.consumer(number).is_none() {
                self.assign(number);
            }
        }
        for _ in 0..PATIENCE {
            if self.answer_all() {
                continue;
            }
            if self.is_finished() {
                return;
            }
            let wakes = [self.machine.next_wake(), self.queue.next_visible(self.now)];
            let wake = wakes.into_iter().flatten().min().expect("what is unfinished waits for something");
            self.wait(wake.since(self.now));
            for number in 0..3 {
                if !self.is_queue() && self.broker.consumer(number).is_none() {
                    self.assign(number);
                }
            }
        }
        panic!("it does not come to an end");
    }

    fn is_finished(&self) -> bool {
        self.broker.is_finished() && self.queue.messages.is_empty() && self.machine.in_flight() == 0
    }

    /// Lets go what is left to do until `Drained`, in a world that goes on as it likes.
    pub fn see_the_drain_out(&mut self) {
        for _ in 0..PATIENCE {
            if self.witness.drained > 0 {
                return;
            }
            self.step();
        }
        panic!("the drain does not end");
    }
}
