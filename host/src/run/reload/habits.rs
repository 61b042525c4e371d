//! Which builds follow a build: what a person has saved meanwhile is built, what the build writes itself is not built for ever.
//!
//! Nobody can tell who has written a file. So:
//!
//! * A source that changes while no build runs starts a build.
//! * A source that changes during a build starts one more: a person may have saved it. Not so one that comes into being during
//!   the first: a lock file, for instance.
//! * A source that has changed during every build so far, three at least, or during eight in a row, is the build's own: it
//!   starts no build until it changes while none runs.
//! * Builds that follow each other at once wait: 1 s, 2 s, 4 s, at most a minute. A change that comes a second or more after a
//!   build ends the waiting.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::sources::Change;

/// A change within so long of the end of a build may be by what the build has left running.
const SOON: Duration = Duration::from_secs(1);

/// Between builds that follow each other.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Builds in a row during which a file has to change until it is theirs: where no build has left it alone.
const ALWAYS: u32 = 3;
/// And where one has. Between so many builds lies a minute, in which a person would save too.
const MOSTLY: u32 = 8;

/// What is known of the builds of one command.
#[derive(Default)]
pub(super) struct Habits {
    builds: u32,
    ended: Option<Instant>,
    /// Builds in a row that began at the end of another.
    chain: u32,
    files: BTreeMap<PathBuf, Habit>,
    /// What the next build is for, and when it may begin.
    due: Option<(Instant, Vec<PathBuf>)>,
}

#[derive(Default, Clone, Copy)]
struct Habit {
    /// Builds during which it has changed.
    in_a_row: u32,
    /// Whether a build has left it alone, or somebody else has changed it.
    spared: bool,
    own: bool,
}

impl Habits {
    /// These have changed while no build ran.
    pub(super) fn changed(&mut self, mut files: Vec<PathBuf>, now: Instant) {
        let soon = self.ended.is_some_and(|ended| now.saturating_duration_since(ended) < SOON);
        if soon {
            files.retain(|file| !self.files.get(file).is_some_and(|habit| habit.own));
        } else {
            let by_somebody = Habit { spared: true, ..Habit::default() };
            self.files.extend(files.iter().map(|file| (file.clone(), by_somebody)));
        }
        if soon {
            self.follow(files, now);
        } else if !files.is_empty() {
            self.chain = 0;
            self.add(now, files);
        }
    }

    /// A build is to begin: the files that it is for, if it is due.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Vec<PathBuf>> {
        self.due.take_if(|(at, _)| *at <= now).map(|(_, files)| files)
    }

    /// When the next build may begin, if there is to be one.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.as_ref().map(|(at, _)| *at)
    }

    /// A build has ended, `well` or not, and these have changed meanwhile. Returns those that are its own from now on.
    pub(super) fn built(&mut self, changed: Vec<Change>, well: bool, now: Instant) -> Vec<PathBuf> {
        let first = self.builds == 0;
        self.builds += 1;
        self.ended = Some(now);
        for (file, habit) in &mut self.files {
            // A build that failed may not have come so far.
            if well && !changed.iter().any(|change| change.file == *file) {
                *habit = Habit { spared: true, in_a_row: 0, ..*habit };
            }
        }
        let (mut own, mut others) = (Vec::new(), Vec::new());
        for Change { file, came } in changed {
            let habit = self.files.entry(file.clone()).or_insert(Habit { spared: !first, ..Habit::default() });
            habit.in_a_row += 1;
            let was = habit.own;
            habit.own |= habit.in_a_row >= if habit.spared { MOSTLY } else { ALWAYS };
            match (habit.own, was) {
                (true, true) => {}
                (true, false) => own.push(file),
                (false, _) if first && came => {}
                (false, _) => others.push(file),
            }
        }
        self.follow(others, now);
        own
    }

    /// One more build, for these.
    fn follow(&mut self, files: Vec<PathBuf>, now: Instant) {
        if files.is_empty() {
            return;
        }
        let at = now + self.wait();
        if self.due.is_none() {
            self.chain += 1;
        }
        self.add(at, files);
    }

    /// How long the next build waits that follows another.
    fn wait(&self) -> Duration {
        let seconds = self.chain.checked_sub(1).map_or(0, |doubled| 1_u64 << doubled.min(6));
        Duration::from_secs(seconds).min(LONGEST_WAIT)
    }

    fn add(&mut self, at: Instant, more: Vec<PathBuf>) {
        let (due, files) = self.due.get_or_insert_with(|| (at, Vec::new()));
        *due = at.min(*due);
        files.extend(more);
        files.sort();
        files.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn files(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    fn changes(names: &[&str]) -> Vec<Change> {
        files(names).into_iter().map(|file| Change { file, came: false }).collect()
    }

    #[test]
    fn a_file_that_every_build_changes_is_its_own_until_somebody_else_changes_it() {
        let (mut habits, start) = (Habits::default(), Instant::now());
        assert!(habits.built(changes(&["stamp"]), true, start).is_empty());
        assert_eq!(habits.begin(start), Some(files(&["stamp"])), "a person may have saved it");
        assert!(habits.built(changes(&["stamp"]), true, start).is_empty());
        assert_eq!((habits.begin(start), habits.due()), (None, Some(start + SECOND)), "it waits");
        assert_eq!(habits.begin(start + SECOND), Some(files(&["stamp"])));
        assert_eq!(habits.built(changes(&["stamp"]), true, start + SECOND), files(&["stamp"]));
        assert_eq!(habits.due(), None);

        let later = start + 60 * SECOND;
        habits.changed(files(&["main"]), later);
        assert_eq!(habits.begin(later), Some(files(&["main"])));
        assert!(habits.built(changes(&["stamp"]), true, later).is_empty(), "it is told once");
        habits.changed(files(&["stamp"]), later);
        assert_eq!(habits.due(), None, "what the build left running wrote it");
        habits.changed(files(&["stamp"]), later + 2 * SECOND);
        assert_eq!(habits.begin(later + 2 * SECOND), Some(files(&["stamp"])), "somebody wrote it");
    }

    #[test]
    fn what_a_person_saves_during_builds_is_built_each_time() {
        let (mut habits, mut now) = (Habits::default(), Instant::now());
        habits.built(Vec::new(), true, now);
        now += 60 * SECOND;
        habits.changed(files(&["main"]), now);
        // More often in a row than makes a file the build's own that was never left alone.
        for _ in 0..5 {
            assert_eq!(habits.begin(now), Some(files(&["main"])));
            now += 30 * SECOND;
            assert!(habits.built(changes(&["main"]), true, now).is_empty());
            now = habits.due().expect("one more");
        }
        // A save while it waits is built at once.
        now = habits.ended.expect("it has") + 2 * SECOND;
        assert_eq!(habits.begin(now), None);
        habits.changed(files(&["main"]), now);
        assert_eq!(habits.begin(now), Some(files(&["main"])));
        habits.built(Vec::new(), true, now);
        assert_eq!(habits.due(), None);
    }

    #[test]
    fn builds_that_follow_each_other_come_ever_more_seldom_whatever_they_write() {
        let (mut habits, start) = (Habits::default(), Instant::now());
        let mut now = start;
        // Another name each time, during the build or just after it.
        for number in 0..20 {
            let new = format!("log-{number}");
            if number < 10 {
                habits.built(changes(&[&new]), true, now);
            } else {
                habits.built(Vec::new(), true, now);
                habits.changed(files(&[&new]), now);
            }
            now = habits.due().expect("nobody can know that it is not a person's");
            assert!(habits.begin(now).is_some());
        }
        assert!(now - start > 60 * SECOND * 3, "{:?}", now - start);
        assert!(habits.wait() <= LONGEST_WAIT);
    }

    #[test]
    fn what_comes_into_being_during_the_first_build_is_of_the_build() {
        let (mut habits, now) = (Habits::default(), Instant::now());
        let came = |name: &str| vec![Change { file: name.into(), came: true }];
        habits.built(came("lock"), true, now);
        assert_eq!(habits.due(), None);
        habits.built(came("page"), true, now);
        assert_eq!(habits.begin(now), Some(files(&["page"])), "a person may have made it");
    }

    #[test]
    fn a_build_that_fails_before_it_writes_forgives_nothing() {
        let (mut habits, now) = (Habits::default(), Instant::now());
        habits.built(changes(&["stamp"]), true, now);
        habits.built(Vec::new(), false, now);
        habits.built(changes(&["stamp"]), true, now);
        assert_eq!(habits.built(changes(&["stamp"]), false, now), files(&["stamp"]));
    }
}
