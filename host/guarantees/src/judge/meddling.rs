//! What others do to the topic and to the group.

use super::Judge;
use super::ownership::Ending;
use super::record::Number;

impl Judge {
    /// A topic was deleted: what nobody has handled of it is gone. So is the group's offset, and with it what says whether a
    /// transaction without an answer was done: what was in hand may be sent once more.
    pub(super) fn topic_deleted(&mut self, name: &str) {
        let partition = self.partition(name);
        self.partitions[partition as usize].deleted = true;
        for (_, number) in self.in_partition(partition) {
            let record = &mut self.records[number as usize];
            record.again |= record.receipts.iter().any(|receipt| receipt.settled.is_none());
            self.leave_alone(number);
        }
    }

    /// The group's offset was moved: what is before it is nobody's business, all from it on is to be handled, as if nothing of it
    /// had been handled before.
    pub(super) fn moved(&mut self, name: &str, to: i64) {
        let partition = self.partition(name);
        self.disown_partition(partition, Ending::Fault);
        self.partitions[partition as usize].open.clear();
        self.partitions[partition as usize].committed = to;
        for (offset, number) in self.in_partition(partition) {
            if offset < to {
                self.leave_alone(number);
                continue;
            }
            self.partitions[partition as usize].open.insert(offset, number);
            self.report.figures.at_risk += 1;
            let record = &mut self.records[number as usize];
            (record.complete, record.last_asked) = (None, None);
            (record.acknowledged, record.finished, record.claimed, record.gone) = (false, false, false, false);
            (record.licensed, record.repeating, record.again) = (true, false, true);
            (record.highest, record.floor) = (0, 1);
            if let Some(lane) = record.lane {
                self.lanes[lane as usize].ahead.insert(number);
            }
        }
    }

    fn leave_alone(&mut self, number: Number) {
        let record = &mut self.records[number as usize];
        record.gone |= !record.acknowledged;
        self.let_pass(number);
    }

    fn in_partition(&self, partition: u32) -> Vec<(i64, Number)> {
        let placed = (0..).zip(&self.records).filter_map(|(number, record)| Some((record.place?, number)));
        placed.filter(|((at, _), _)| *at == partition).map(|((_, offset), number)| (offset, number)).collect()
    }
}
