//! Commits: the commit point of each partition, with its metadata.

use std::collections::HashMap;

use super::Machine;
use super::timers::Timer;
use crate::action::{Action, Ask};
use crate::ids::{CommitPosition, Partition};
use crate::time::Time;

/// Share of the commit interval after which a commit follows if a delivery waits for it.
const PROMPT_SHARE: u32 = 10;

/// The state of a machine's commits.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// Offsets of the last commit that the broker has not answered.
    unanswered: HashMap<Partition, i64>,
    /// Whether the last transaction is unanswered.
    transacts: bool,
    /// The time of the next commit.
    due: Option<Time>,
    /// Whether a delivery waits for the next commit.
    prompt: bool,
    /// Whether the broker has refused the last commit.
    refused: bool,
}

impl Commits {
    pub(super) fn are_unanswered(&self) -> bool {
        self.transacts || !self.unanswered.is_empty()
    }

    pub(super) fn were_refused(&self) -> bool {
        self.refused
    }

    /// Notes that a delivery waits for the next commit.
    pub(super) fn hurry(&mut self) {
        self.prompt = true;
    }

    /// Notes the positions of a commit, one for each partition; each is answered.
    fn ask(&mut self, positions: &[CommitPosition]) {
        self.unanswered = positions.iter().map(|position| (position.partition.clone(), position.offset)).collect();
    }

    /// Takes in an answer of the broker; returns whether it was awaited. The last commit of a partition that was given up is
    /// answered, too, and nothing waits for that.
    fn answered(&mut self, position: &CommitPosition) -> bool {
        let is_awaited = self.unanswered.get(&position.partition) == Some(&position.offset);
        if is_awaited {
            self.unanswered.remove(&position.partition);
        }
        is_awaited
    }

    /// Notes whether a transaction is under way.
    pub(super) fn transacts(&mut self, is_under_way: bool) {
        self.transacts = is_under_way;
    }

    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Allows the next commit at once after a refused one.
    pub(super) fn forgive(&mut self) {
        self.refused = false;
    }
}

impl Machine {
    /// Commits after the interval, or earlier if many records have been settled since the last commit.
    pub(super) fn commit_in_time(&mut self, now: Time) {
        if self.commits.are_unanswered() || !self.partitions.news {
            return;
        }
        // Outputs that wait for a transaction leave memory with the next one.
        let fill_memory = self.route.is_exactly_once() && self.intake.is_full_of_outputs();
        let is_much = fill_memory || self.intake.is_much(self.partitions.unknown + self.prepared());
        if is_much && !self.commits.refused {
            self.commit();
            return;
        }
        let prompt = self.commits.prompt && !self.commits.refused;
        let wait = if prompt { self.route.commit_interval / PROMPT_SHARE } else { self.route.commit_interval };
        self.commit_at(now.after(wait));
    }

    /// Schedules a commit for which a delivery waits.
    pub(super) fn commit_soon(&mut self, now: Time) {
        self.commits.hurry();
        self.commit_in_time(now);
    }

    pub(super) fn commit_at(&mut self, at: Time) {
        if self.commits.due.is_none_or(|due| at < due) {
            self.commits.due = Some(at);
            self.timers.set(at, Timer::Commit);
        }
    }

    pub(super) fn commit_due(&mut self, now: Time) {
        // If an earlier timer has committed meanwhile, this one is obsolete.
        if self.commits.due.is_some_and(|due| due <= now) {
            self.commit();
        }
    }

    /// Commits what the broker does not know yet. Only one commit is under way at a time.
    pub(super) fn commit(&mut self) {
        self.commits.due = None;
        if self.commits.are_unanswered() || self.draining.is_over() {
            return;
        }
        (self.commits.refused, self.commits.prompt) = (false, false);
        if self.route.is_exactly_once() {
            self.transact();
            return;
        }
        let positions = self.partitions.positions(self.route.is_at_most_once());
        #[cfg(feature = "sabotage")]
        let positions = if self.is_sabotaged(super::Sabotage::WatermarkOffByOne) {
            positions.into_iter().map(|position| CommitPosition { offset: position.offset + 1, ..position }).collect()
        } else if self.is_sabotaged(super::Sabotage::EndPassesUnsettled) {
            let end = |position: &CommitPosition| self.partitions.end(&position.partition).unwrap_or(position.offset);
            positions.into_iter().map(|position| CommitPosition { offset: end(&position), ..position }).collect()
        } else {
            positions
        };
        if !positions.is_empty() {
            self.commits.ask(&positions);
            self.actions.push_back(Action::Ask(Ask::Commit(positions)));
        }
    }

    pub(super) fn committed(&mut self, positions: &[CommitPosition], now: Time) {
        for position in positions {
            if self.is_awaited(position) {
                self.note_committed(position);
            }
        }
        // Records that the broker knows as settled need no room in the bounds.
        self.share_anew();
        self.commit_in_time(now);
    }

    /// Whether the machine waits for this answer.
    fn is_awaited(&mut self, position: &CommitPosition) -> bool {
        let is_awaited = self.commits.answered(position);
        #[cfg(feature = "sabotage")]
        let is_awaited = is_awaited
            || self.sabotage == Some(super::Sabotage::AnswerOfAnotherCommit)
                && self.commits.unanswered.drain().next().is_some();
        is_awaited
    }

    /// Marks the positions as due again, because the broker has not confirmed them.
    pub(super) fn commit_failed(&mut self, positions: &[CommitPosition], now: Time) {
        for position in positions {
            if self.is_awaited(position) {
                self.commits.refuse();
                self.partitions.refuse(position);
            }
        }
        self.commit_in_time(now);
    }
}
