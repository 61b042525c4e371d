//! Commits: everything up to an offset, and what travels with it.

use super::Machine;
use super::timers::Timer;
use crate::action::{Action, Ask};
use crate::ids::CommitPosition;
use crate::time::Time;

/// What was tried is committed within this share of the interval: the next attempt waits for that.
const PROMPT_SHARE: u32 = 10;

/// The commits of a machine.
#[derive(Debug, Default)]
pub(super) struct Commits {
    /// Positions of the last one that the broker has not answered.
    unanswered: usize,
    /// When the next is due.
    due: Option<Time>,
    /// Somebody waits for the next one.
    prompt: bool,
    /// The broker has refused the last one.
    refused: bool,
}

impl Commits {
    pub(super) fn are_unanswered(&self) -> bool {
        self.unanswered > 0
    }

    pub(super) fn were_refused(&self) -> bool {
        self.refused
    }

    /// Somebody waits for the next one.
    pub(super) fn hurry(&mut self) {
        self.prompt = true;
    }

    pub(super) fn ask(&mut self, positions: usize) {
        self.unanswered = positions;
    }

    /// A broker answers for each partition; that of a partition given up is no answer to what was asked here, and comes
    /// when nothing more is awaited or merely ends the waiting early.
    pub(super) fn answered(&mut self, positions: usize) {
        self.unanswered = self.unanswered.saturating_sub(positions);
    }

    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// They may be asked for again at once.
    pub(super) fn forgive(&mut self) {
        self.refused = false;
    }
}

impl Machine {
    /// Commits when the interval is over, or as soon as much has been settled since the last time.
    pub(super) fn commit_in_time(&mut self, now: Time) {
        if self.commits.unanswered > 0 || !self.partitions.news {
            return;
        }
        // Outputs that wait for a transaction leave with the next.
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

    /// Somebody waits for the next commit.
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
        // An earlier one was set meanwhile, and this is the later.
        if self.commits.due.is_some_and(|due| due <= now) {
            self.commit();
        }
    }

    /// Commits what the broker does not have, one commit at a time.
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
        // What the broker knows takes no room any more, from anybody.
        self.share_anew();
        self.commit_in_time(now);
    }

    /// The positions are due again: until the broker has confirmed them they count as news.
    pub(super) fn commit_failed(&mut self, positions: &[CommitPosition], now: Time) {
        self.commits.answered(positions.len());
        self.commits.refuse();
        for position in positions {
            self.partitions.refuse(position);
        }
        self.commit_in_time(now);
    }
}
