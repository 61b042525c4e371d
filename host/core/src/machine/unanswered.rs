//! A commit of a transaction that the broker has not answered: was it done?
//!
//! The group's offsets say so, once the producer's epoch has ended and nothing is pending any more. An offset alone proves
//! nothing: the partition may have gone to another host meanwhile, which handled the same records and committed the same
//! offset. Only the [`Mark`] of the transaction does. A transaction is done as a whole or not at all, so one partition that
//! bears the mark proves it. Of every other partition the group's offset is the truth: where it is not what this machine
//! knew before, what is in memory counts for nothing, and the partition is read again from there.

use super::Machine;
use crate::action::{Action, Ask};
use crate::event::{Aborted, Event, Unanswered};
use crate::ids::Partition;
use crate::mark::Mark;

impl Machine {
    /// What became of a transaction, by what the group has committed: the events that say so, to be handled in this order.
    /// [`Machine::handle`] does the same for who does not want to look at them.
    pub fn decide(&self, unanswered: Unanswered) -> Vec<Event> {
        let Unanswered { positions, found, reason } = unanswered;
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::EqualOffsetBelieved) {
            let is_equal = |found: &crate::event::Found| {
                let same = |position: &&crate::ids::CommitPosition| position.partition == found.partition;
                positions.iter().find(same).is_some_and(|position| Some(position.offset) == found.offset)
            };
            return vec![match found.iter().any(is_equal) {
                true => Event::Transacted(positions),
                false => Event::NotTransacted(positions, Aborted::Unavailable(reason)),
            }];
        }
        let marked = |partition: &Partition| {
            let found = found.iter().find(|found| found.partition == *partition)?;
            Mark::split(found.metadata.as_deref()?).1
        };
        let (ours, others): (Vec<_>, Vec<_>) = positions.into_iter().partition(|position| {
            let mark = Mark::split(&position.metadata).1;
            mark.is_some() && mark == marked(&position.partition)
        });
        let is_done = !ours.is_empty();
        let is_superseded = |partition: &Partition| {
            let known = self.partitions.mark_before_the_last(partition);
            known.is_some_and(|known| is_done || known != marked(partition))
        };
        let superseded: Vec<Partition> =
            others.iter().map(|position| &position.partition).filter(|it| is_superseded(it)).cloned().collect();
        let mut events = Vec::new();
        if !superseded.is_empty() {
            events.push(Event::Superseded(superseded));
        }
        events.push(match is_done {
            // Of a partition that has come and gone since, nothing is to be confirmed.
            true => Event::Transacted(
                ours.into_iter()
                    .filter(|position| self.partitions.mark_before_the_last(&position.partition).is_some())
                    .collect(),
            ),
            false => Event::NotTransacted(others, Aborted::Unavailable(reason)),
        });
        events
    }

    /// What is in memory of these partitions is not what the group goes by.
    pub(super) fn superseded(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            let Some(key) = self.partitions.find(partition) else { continue };
            if self.partitions.is_leaving(key) {
                self.give_up_now(key);
            } else {
                self.lose(partition);
                self.actions.push_back(Action::Ask(Ask::Reread(partition.clone())));
            }
        }
        self.share_anew();
    }
}
