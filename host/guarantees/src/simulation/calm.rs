//! The calm after the storm: everything heals, and must come to its end.

use cofferdam_core::outcome::Class;

use super::{Ending, Life, SECOND, World, failure, storm::PARTITIONS};
use crate::What;

/// How long a quarantine takes: far longer than anything else waits.
const QUARANTINE: std::time::Duration = std::time::Duration::from_secs(3_600);

/// Rounds in which a calm world must come to its end; far more than any needs.
const PATIENCE: usize = 20_000;

impl World {
    /// A host that was told to stop and has come to its end is gone.
    pub(super) fn leave_when_drained(&mut self) {
        if self.host().life == Life::Up && self.seen().drained > 0 {
            // What the broker was asked and has not answered may be done all the same.
            self.store_some_of_what_is_out();
            // Who was not answered has not stopped in order.
            self.note(if self.machine().was_cut_short() { What::Killed } else { What::Stopped });
            self.leave();
        }
    }

    /// Brokers, sinks, hosts and handlers are well from now on: every record must be settled, and nothing stay behind.
    /// Returns whether it was.
    pub(crate) fn calm_down(&mut self) -> bool {
        self.sinks.heal();
        self.note_of_world(What::Calm);
        for _ in 0..PATIENCE {
            self.rise();
            if self.answer_all() {
                continue;
            }
            if self.is_finished() {
                return true;
            }
            let visible = self.queue.next_visible(self.now);
            let wakes = [self.next_wake().map(|(wake, _)| wake), visible];
            let Some(wake) = wakes.into_iter().flatten().min() else { return false };
            self.wait(wake.since(self.now));
        }
        false
    }

    /// Everything is well, but the dead letters of some records are refused, in every form. After an hour all that can go on
    /// has gone on.
    pub(crate) fn quarantine(&mut self) {
        self.sinks.heal();
        self.sinks.refuse_letters();
        let until = self.now.after(QUARANTINE);
        while self.now < until {
            self.rise();
            if !self.answer_all() {
                self.wait(SECOND);
            }
        }
        self.note_of_world(What::Quiet);
    }

    /// Every host runs and knows what it has; every partition has an owner.
    fn rise(&mut self) {
        for at in 0..self.hosts.len() {
            self.at = at;
            self.leave_when_drained();
            match self.host().life {
                Life::Up => {}
                Life::Frozen => self.host_mut().life = Life::Up,
                Life::Down => self.start(),
            }
            if self.seen().paused {
                self.resume();
            }
            self.learn();
        }
        if self.is_queue() {
            return;
        }
        for number in 0..PARTITIONS {
            if self.broker.is_free(number) {
                let able: Vec<usize> = (0..self.hosts.len()).filter(|at| !self.hosts[*at].seen.draining).collect();
                if let Some(at) = self.dice.choice(able) {
                    self.on(at).assign(number);
                }
            }
        }
    }

    /// Everything that is out is answered, well. Returns whether there was anything.
    fn answer_all(&mut self) -> bool {
        let before = self.told;
        for at in 0..self.hosts.len() {
            self.at = at;
            if self.host().life == Life::Down {
                continue;
            }
            self.take_in();
            while !self.host().running.is_empty() {
                let index = self.dice.usize(0..self.hosts[at].running.len());
                let is_refused = self.sinks.refuses_letter_of(&self.in_hand()[index]);
                match self.poisoned(index).or(is_refused.then_some(Class::Permanent)) {
                    Some(class) => self.end(index, failure(class).into()),
                    None => self.end_well(index, 1),
                }
            }
            self.store_all();
            if self.seen().drained > 0 {
                continue; // it has ended by what it was told, and hears no answers
            }
            self.answer_given_up();
            self.answer_commit(true);
            self.answer_transaction(Ending::Committed);
            while !self.host().recording.is_empty() {
                self.answer_record(0, true, true);
            }
            while !self.host().deletes.is_empty() {
                self.answer_delete(true);
            }
            while !self.host().extends.is_empty() {
                self.answer_extend();
            }
        }
        self.told > before
    }

    fn is_finished(&self) -> bool {
        let idle = self.hosts.iter().all(|host| host.machine.in_flight() == 0 && !host.seen.draining);
        self.broker.is_finished() && self.queue.messages.is_empty() && idle
    }

    /// All hosts are told to stop, in a calm world, and do. Returns whether they did.
    pub(crate) fn stop_all(&mut self) -> bool {
        for at in 0..self.hosts.len() {
            self.on(at).drain(10 * SECOND);
            for _ in 0..PATIENCE {
                if self.seen().drained > 0 {
                    break;
                }
                if !self.answer_all() {
                    let Some((wake, _)) = self.next_wake() else { return false };
                    self.wait(wake.since(self.now));
                }
                self.at = at;
            }
            if self.seen().drained == 0 {
                return false;
            }
            self.fall_asleep();
            self.leave_when_drained();
        }
        true
    }

    /// What an independent reader sees at the end.
    pub(crate) fn read(&mut self) {
        for stored in std::mem::take(&mut self.sinks.stored) {
            self.note_of_world(What::Found { record: stored.of.into(), effect: stored.effect });
        }
        let records =
            self.broker.logs.iter().flat_map(|(number, log)| log.outstanding(*number)).map(|record| record.id());
        let messages = self.queue.messages.iter().map(|message| message.record.id());
        for id in records.chain(messages).collect::<Vec<_>>() {
            self.note_of_world(What::Outstanding { record: id.into() });
        }
    }
}
