//! Commits: the commit point of each partition, with its metadata.

use super::Machine;
use super::timers::Timer;
use crate::action::{Action, Ask};
use crate::ids::CommitPosition;
use crate::time::Time;

/// Share of the commit interval after which a commit follows if a delivery waits for it.
const PROMPT_SHARE: u32 = 10;

/// The state of a machine's commits.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// Number of positions of the last commit that the broker has not answered.
    unanswered: usize,
    /// The time of the next commit.
    due: Option<Time>,
    /// Whether a delivery waits for the next commit.
    prompt: bool,
    /// Whether the broker has refused the last commit.
    refused: bool,
}

impl Commits {
    pub(super) fn are_unanswered(&self) -> bool {
        self.unanswered > 0
    }

    pub(super) fn were_refused(&self) -> bool {
        self.refused
    }

    /// Notes that a delivery waits for the next commit.
    pub(super) fn hurry(&mut self) {
        self.prompt = true;
    }

    pub(super) fn ask(&mut self, positions: usize) {
        self.unanswered = positions;
    }

    /// Counts answers of the broker; there is one for each partition. The answer for a partition that was given up belongs
    /// to an older request; it arrives when no answer is awaited, or merely ends the waiting early.
    pub(super) fn answered(&mut self, positions: usize) {
        self.unanswered = self.unanswered.saturating_sub(positions);
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
        if self.commits.unanswered > 0 || !self.partitions.news {
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
        if self.commits.unanswered > 0 || self.draining.is_over() {
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
            self.commits.ask(positions.len());
            self.actions.push_back(Action::Ask(Ask::Commit(positions)));
        }
    }

    pub(super) fn committed(&mut self, positions: &[CommitPosition], now: Time) {
        self.commits.answered(positions.len());
        for position in positions {
            self.note_committed(position);
        }
        // Records that the broker knows as settled need no room in the bounds.
        self.share_anew();
        self.commit_in_time(now);
    }

    /// Marks the positions as due again, because the broker has not confirmed them.
    pub(super) fn commit_failed(&mut self, positions: &[CommitPosition], now: Time) {
        self.commits.answered(positions.len());
        self.commits.refuse();
        for position in positions {
            self.partitions.refuse(position);
        }
        self.commit_in_time(now);
    }
}
