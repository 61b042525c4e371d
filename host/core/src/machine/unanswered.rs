//! Decides whether an unanswered commit of a transaction was carried out.
//!
//! The committed offsets of the group show it, once the producer's epoch has ended and no transaction is pending. An offset
//! alone proves nothing: another host may have received the partition meanwhile, handled the same records and committed the
//! same offset. Only the [`Mark`] of the transaction proves it. A transaction is committed as a whole or not at all, so one
//! partition with the mark is enough. For every other partition the group's offset is valid: if it differs from what this
//! machine knew before, the state in memory is dropped and the partition is read again from the group's offset.

use super::Machine;
use crate::action::{Action, Ask};
use crate::event::{Aborted, Event, Unanswered};
use crate::ids::Partition;
use crate::mark::Mark;

impl Machine {
    /// Decides the result of a transaction from the committed offsets of the group. Returns the events that report it, to be
    /// handled in this order. [`Machine::handle`] does the same for callers that don't need these events.
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
            // Nothing is confirmed for a partition that was reassigned since.
            true => Event::Transacted(
                ours.into_iter()
                    .filter(|position| self.partitions.mark_before_the_last(&position.partition).is_some())
                    .collect(),
            ),
            false => Event::NotTransacted(others, Aborted::Unavailable(reason)),
        });
        events
    }

    /// Drops the state of these partitions, because the group has committed something else.
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
