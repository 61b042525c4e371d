//! The dice: anything that can happen, in any order.

use std::time::Duration;

use cofferdam_core::message::{Header, Headers};
use cofferdam_core::outcome::{Class, Failure};

use super::sinks::{SOURCE, STORE};
use super::{Ending, Life, SECOND, World, failure, rejected};

/// What can be out of reach for a while.
const DESTINATIONS: [&str; 5] = ["out", "dead", "errors", SOURCE, STORE];

/// Partitions of the topic.
pub(super) const PARTITIONS: i32 = 3;

impl World {
    /// Something happens to somebody.
    pub(crate) fn step(&mut self) {
        self.at = self.dice.usize(0..self.hosts.len());
        self.leave_when_drained();
        let life = self.host().life;
        match life {
            Life::Up => self.step_of_host(),
            // Others go on meanwhile.
            Life::Frozen | Life::Down if self.dice.u32(0..8) > 0 => {}
            Life::Frozen => self.host_mut().life = Life::Up,
            Life::Down => self.start(),
        }
    }

    fn step_of_host(&mut self) {
        if self.operated && self.dice.u32(0..20) == 0 {
            self.operate();
            return self.leave_when_drained();
        }
        match self.dice.u32(0..if self.meddled { 206 } else { 200 }) {
            0..24 => self.write_something(),
            24..60 => self.take_in(),
            60..110 => self.end_one(),
            110..150 => self.answer_one(),
            150..160 => self.answer_commit_by_chance(),
            160..172 => self.answer_queue(),
            172..188 => self.pass_time(),
            188..194 => self.rebalance(),
            194 => self.lose_lease(),
            195 => self.fault(),
            196..198 => self.learn(),
            198 => self.change_the_weather(),
            199 => self.stop_by_chance(),
            200..205 => self.move_by_chance(),
            _ => self.recreate_by_chance(),
        }
        self.leave_when_drained();
    }

    fn write_something(&mut self) {
        // With bad messages there are more of them than a circuit takes to open.
        let most = if self.poison.share > 0 { 3 } else { 1 };
        (0..self.dice.u32(1..=most)).for_each(|_| self.write_one());
    }

    fn write_one(&mut self) {
        let key = ["", "a", "b", "c"][self.dice.usize(0..4)];
        let size = self.dice.usize(0..300);
        let headers = self.some_headers();
        if self.is_queue() {
            return self.post_with(key, size, headers);
        }
        let number = self.dice.i32(0..PARTITIONS);
        self.write_with(number, key, size, headers);
        // Before the next record of some partition, or at its end.
        if self.dice.u32(0..8) == 0 {
            self.broker.skip(self.dice.i32(0..PARTITIONS), 2);
        }
    }

    /// Of an event that may have been sent before, where that makes a difference; else now and then what a producer
    /// writes to pass for a host.
    /// Two sources give the same ids.
    fn some_headers(&mut self) -> Headers {
        if !self.route.suppress_duplicates {
            let forged = [
                ("cofferdam-dlq-outcome", "permanent"),
                ("cofferdam-dlq-source", "payments"),
                ("_cofferdam-dlq-x", ""),
            ];
            let forges = self.dice.u32(0..8) == 0;
            return forged.iter().filter(|_| forges).map(|(name, value)| Header::text(name, value)).collect();
        }
        let (source, id) = (["s", "s/t"][self.dice.usize(0..2)], format!("event-{}", self.dice.u32(0..20)));
        let told = [("ce_specversion", "1.0"), ("ce_type", "t"), ("ce_source", source), ("ce_id", &id)];
        told.map(|(name, value)| Header::text(name, value)).into()
    }

    pub(super) fn take_in(&mut self) {
        if self.sinks.is_down(SOURCE) {
            return;
        }
        if self.is_queue() { self.receive() } else { self.fetch() }
    }

    fn end_one(&mut self) {
        if self.host().running.is_empty() {
            return;
        }
        let index = self.dice.usize(0..self.hosts[self.at].running.len());
        // What the world does may strike a bad message too.
        if let Some(class) = self.poisoned(index).filter(|_| self.dice.u32(0..10) > 0) {
            return self.end(index, failure(class).into());
        }
        let class = match self.dice.u32(0..100) {
            0..60 => {
                let outputs = self.dice.u32(0..3);
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
        // Where it is asked how long a message takes, nobody wishes for an hour.
        let longest = if self.poison.share > 0 { 20 } else { 3_000 };
        let wish = [None, None, Some(Duration::ZERO), Some(SECOND), Some(longest * SECOND)][self.dice.usize(0..5)];
        self.end(index, Failure { retry_after: wish, ..failure(class) }.into());
    }

    fn answer_one(&mut self) {
        if !self.host().recording.is_empty() && self.dice.bool() {
            let index = self.dice.usize(0..self.hosts[self.at].recording.len());
            let recorded = !self.sinks.is_down(STORE) && self.dice.u32(0..8) > 0;
            let told = self.dice.u32(0..8) > 0;
            return self.answer_record(index, recorded, told);
        }
        if self.host().client.transaction.is_some() {
            return self.answer_commit_by_chance();
        }
        if self.host().sending.is_empty() {
            return;
        }
        let index = self.dice.usize(0..self.hosts[self.at].sending.len());
        let index = self.first_of_its_row(index);
        let down = self.sinks.is_down(&self.host().sending[index].publication.destination.name);
        match self.dice.u32(0..20) {
            _ if down => self.refuse_row(index, 0),
            0..16 => self.answer(index, None),
            16..18 => self.refuse_row(index, 0),
            18 => self.answer(index, rejected()),
            // Some are durable, and the answer says that nobody has answered.
            _ => {
                let stored = self.dice.usize(1..4);
                self.refuse_row(index, stored);
            }
        }
    }

    fn answer_commit_by_chance(&mut self) {
        if !self.host().given_up.is_empty() && self.dice.bool() {
            return self.answer_given_up();
        }
        if self.host().client.unanswered {
            // It is looked at when much may have happened.
            return match self.dice.u32(0..24) {
                _ if self.sinks.is_down(SOURCE) => {}
                0 => self.answer_transaction(Ending::Committed),
                1..5 => self.overtake(),
                _ => {}
            };
        }
        if self.host().client.transaction.is_some() {
            if !self.sinks.is_down(SOURCE) && self.dice.u32(0..3) == 0 {
                return self.stage_transaction();
            }
            let ending = match self.dice.u32(0..20) {
                _ if self.sinks.is_down(SOURCE) || self.sinks.is_down("out") => Ending::Unavailable,
                0..9 => Ending::Committed,
                9..14 => Ending::Unanswered { done: self.dice.bool() },
                14..17 => Ending::Unavailable,
                17..19 => Ending::Rejected,
                _ => Ending::Fenced,
            };
            return self.answer_transaction(ending);
        }
        let taken = !self.sinks.is_down(SOURCE) && self.dice.u32(0..4) > 0;
        let told = taken && self.dice.u32(0..8) > 0;
        self.end_commit(taken, told);
    }

    /// A partition of the transaction that was not answered goes to another host, which is quick: it handles what there is,
    /// and commits it.
    fn overtake(&mut self) {
        let asked = self.host().client.asked.iter().flatten().map(|(position, _)| position.partition.number).collect();
        let able = |at: &usize| *at != self.at && self.hosts[*at].life == Life::Up && !self.hosts[*at].seen.draining;
        let others: Vec<usize> = (0..self.hosts.len()).filter(able).collect();
        let (asked, other): (Option<i32>, _) = (self.dice.choice::<Vec<i32>>(asked), self.dice.choice(others));
        let (Some(number), Some(other)) = (asked, other) else { return };
        self.on(other).assign(number);
        self.fetch();
        while !self.host().running.is_empty() {
            self.end_well(0, 1);
        }
        self.wait(SECOND);
        if self.host().life == Life::Up && !self.host().client.unanswered {
            self.answer_transaction(Ending::Committed);
        }
    }

    fn answer_queue(&mut self) {
        let well = !self.sinks.is_down(SOURCE) && self.dice.u32(0..3) > 0;
        match self.dice.u32(0..16) {
            0..8 => self.answer_delete(well),
            // The source has no room for the request.
            8 if !self.host().extends.is_empty() => drop(self.host_mut().extends.remove(0)),
            _ => self.answer_extend(),
        }
    }

    fn pass_time(&mut self) {
        let mut longest = [20, 2_000, 40_000][self.dice.usize(0..3)];
        // Where it is not asked how long a message takes, an hour may pass in which nobody answers.
        if self.poison.share == 0 && self.dice.u32(0..16) == 0 {
            longest = 4_000_000;
        }
        let time = Duration::from_millis(self.dice.u64(0..longest));
        self.wait(time);
    }

    fn rebalance(&mut self) {
        if self.is_queue() {
            return;
        }
        let number = self.dice.i32(0..PARTITIONS);
        let owned = self.owner(number);
        let revoked = self.host_mut().client.hold(number).map(|hold| hold.revoked);
        match (owned, revoked) {
            (None, _) if !self.host().seen.draining => self.assign(number),
            // A host that stands still or is cut off: the partition goes to another, and it does not know.
            (Some(other), _) if other != self.at => {
                let able = !self.host().seen.draining;
                if able && (self.hosts[other].life == Life::Frozen || self.dice.u32(0..4) == 0) {
                    self.assign(number);
                }
            }
            (Some(_), Some(false)) if self.dice.bool() => self.revoke(number),
            // The source has waited long enough, and the group gives the partition to us again.
            (Some(_), Some(true)) if self.dice.bool() && !self.host().seen.draining => self.assign(number),
            (_, Some(_)) => self.lose(number),
            _ => {}
        }
    }

    /// The host whose commits of this partition count.
    pub(super) fn owner(&self, number: i32) -> Option<usize> {
        let holds =
            |host: &super::Host| host.client.holds.get(&number).is_some_and(|hold| self.broker.is_owner(number, hold));
        self.hosts.iter().position(holds)
    }

    /// The host learns which partitions it has lost, and which topics are not what they were, and whether its connection has
    /// ended.
    pub(super) fn learn(&mut self) {
        self.learn_of_the_connection();
        for number in 0..PARTITIONS {
            let Some(hold) = self.host().client.holds.get(&number) else { continue };
            if !self.broker.is_owner(number, hold) {
                self.lose(number);
            } else if self.broker.is_deleted(number, hold) && !hold.revoked {
                self.lose(number);
                if !self.host().seen.draining {
                    self.assign(number);
                }
            }
        }
    }

    /// Somebody moves the group's offset of a partition that nobody has, to where its metadata does not belong.
    fn move_by_chance(&mut self) {
        let number = self.dice.i32(0..PARTITIONS);
        let Some((end, before)) = self.broker.logs.get(&number).map(|log| (log.end, log.written_for)) else { return };
        let offset = self.dice.i64(0..=end);
        if !self.is_queue() && self.broker.is_free(number) && before != Some(offset) {
            self.move_offset(number, offset);
        }
    }

    /// A topic is deleted and created again.
    fn recreate_by_chance(&mut self) {
        let number = self.dice.i32(0..PARTITIONS);
        if !self.is_queue() && self.broker.logs.get(&number).is_some_and(|log| log.end > 0) {
            self.recreate(number);
        }
    }

    /// The queue takes a lease back before its time, or ends the connection of a host, which may learn it later.
    fn lose_lease(&mut self) {
        if self.route.source.lease.is_none() {
            return self.disconnect();
        }
        let live = self.machine().deliveries().filter(|(_, delivery)| delivery.is_live());
        let leased: Vec<_> = live.filter_map(|(id, delivery)| Some((id, delivery.receipt()?.clone()))).collect();
        if let Some((id, receipt)) = self.dice.choice(leased) {
            self.queue.release(&[receipt], self.now, Duration::ZERO);
            self.lease_lost(id);
        }
    }

    /// The host is killed, stands still, one of its clients gives up for good, or its clock jumps.
    fn fault(&mut self) {
        match self.dice.u32(0..6) {
            0..2 => {
                self.store_some_of_what_is_out();
                self.kill();
                if self.meddled {
                    (0..PARTITIONS).for_each(|_| self.move_by_chance());
                }
            }
            2 => {
                self.host_mut().life = Life::Frozen;
                // A broker that hears nothing of a consumer ends its connection.
                if self.dice.bool() && self.route.source.lease.is_none() {
                    self.disconnect();
                }
            }
            3 => self.fail_a_client(),
            _ => {
                let jump = Duration::from_millis(self.dice.u64(0..100_000));
                self.host_mut().ahead += jump;
            }
        }
    }

    /// A client of the host has failed for good, and nothing goes on without it: the consumer, which loses all it had, or
    /// the producer, which answers for what it has not sent. The route ends, and the process with it.
    fn fail_a_client(&mut self) {
        if self.host().seen.draining {
            return;
        }
        if self.is_queue() || self.dice.bool() {
            while !self.host().sending.is_empty() {
                let stored = self.dice.usize(0..4);
                self.refuse_row(0, stored);
            }
        } else {
            let held: Vec<i32> = self.host().client.holds.keys().copied().collect();
            held.into_iter().for_each(|number| self.lose(number));
        }
        let limit = Duration::from_millis(self.dice.u64(0..20_000));
        self.drain(limit);
    }

    /// What is on its way when a host dies or ends may arrive.
    pub(super) fn store_some_of_what_is_out(&mut self) {
        let mut rows: Vec<usize> = (0..self.host().sending.len()).map(|index| self.first_of_its_row(index)).collect();
        rows.dedup();
        for first in rows.into_iter().collect::<std::collections::BTreeSet<_>>() {
            let row = self.row(first);
            let arrived = self.dice.usize(0..=row.len());
            row[..arrived].iter().for_each(|index| self.sinks.store(&self.hosts[self.at].sending[*index]));
        }
        if !self.sinks.is_down(SOURCE) && self.dice.bool() {
            if self.host().client.transaction.is_some() {
                if !self.transacted().iter().any(|sending| self.sinks.refuses(sending)) {
                    self.commit_transaction();
                }
                return;
            }
            let host = &mut self.hosts[self.at];
            host.client.answer(&mut self.broker, true, false);
        }
    }

    /// A destination goes out of reach, or all come back.
    fn change_the_weather(&mut self) {
        if self.dice.u32(0..4) == 0 {
            self.sinks.refuse_letters();
        } else if self.dice.bool() {
            let destination = DESTINATIONS[self.dice.usize(0..DESTINATIONS.len())];
            self.sinks.set_down(destination, true);
        } else {
            self.sinks.heal();
        }
    }

    /// People pause the host, let a message through, or end the pause. A command that makes no sense comes too.
    fn operate(&mut self) {
        match (self.seen().paused, self.dice.u32(0..10)) {
            _ if self.seen().drained > 0 => {}
            (false, 0..3) | (true, 9) => self.pause(),
            (false, 3) | (true, 0..5) => self.try_one(),
            (false, 4) | (true, 5..) => self.resume(),
            (false, _) => {}
        }
    }

    fn stop_by_chance(&mut self) {
        if !self.host().seen.draining && self.dice.u32(0..4) == 0 {
            let limit = Duration::from_millis(self.dice.u64(0..20_000));
            self.drain(limit);
        }
    }
}
