//! Decides which builds follow a build. Files that a person saved during a build must be built; files that the build writes
//! itself must not start builds for ever.
//!
//! The host cannot know who has written a file. The rules:
//!
//! * A source that changes while no build runs starts a build.
//! * A source that changes during a build starts one more build, because a person may have saved it. Exception: a source
//!   that the first build creates, for instance a lock file, starts none.
//! * A source that has changed during every build so far (at least three), or during eight builds in a row, is build output:
//!   it starts no build until it changes while no build runs.
//! * Consecutive builds are delayed: by 1 s, 2 s, 4 s, at most a minute. A change at least 1 s after the end of a build ends
//!   the delay.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::sources::Change;

/// Processes that a build leaves running may still change files for this time after its end.
const SOON: Duration = Duration::from_secs(1);

/// Maximum delay between consecutive builds.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Number of consecutive builds that change a file until it counts as build output, if no build has left it unchanged.
const ALWAYS: u32 = 3;
/// The same number, if some build has left the file unchanged. At the end there is a minute between builds, in which a
/// person could also save the file.
const MOSTLY: u32 = 8;

/// The history of the builds of one command.
#[derive(Default)]
pub(super) struct Habits {
    builds: u32,
    ended: Option<Instant>,
    /// Number of builds in a row that started directly after another.
    chain: u32,
    files: BTreeMap<PathBuf, Habit>,
    /// The earliest start of the next build, and the changed files.
    due: Option<(Instant, Vec<PathBuf>)>,
}

#[derive(Default, Clone, Copy)]
struct Habit {
    /// Number of consecutive builds during which the file has changed.
    in_a_row: u32,
    /// Whether a build has left the file unchanged, or the file has changed while no build ran.
    spared: bool,
    own: bool,
}

impl Habits {
    /// Records files that have changed while no build ran.
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

    /// Returns the changed files and clears them, if a build is due.
    pub(super) fn begin(&mut self, now: Instant) -> Option<Vec<PathBuf>> {
        self.due.take_if(|(at, _)| *at <= now).map(|(_, files)| files)
    }

    /// The earliest start of the next build; `None` if none is planned.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.as_ref().map(|(at, _)| *at)
    }

    /// Records the end of a build and the files that changed during it. Returns files that count as build output from now
    /// on.
    pub(super) fn built(&mut self, changed: Vec<Change>, well: bool, now: Instant) -> Vec<PathBuf> {
        let first = self.builds == 0;
        self.builds += 1;
        self.ended = Some(now);
        for (file, habit) in &mut self.files {
            // A failed build may have stopped before it wrote the file.
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

    /// Plans one more build for these files.
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

    /// The delay of a build that follows another.
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
        // More builds in a row than a file would need to count as build output, if no build had left it unchanged.
        for _ in 0..5 {
            assert_eq!(habits.begin(now), Some(files(&["main"])));
            now += 30 * SECOND;
            assert!(habits.built(changes(&["main"]), true, now).is_empty());
            now = habits.due().expect("one more");
        }
        // A save during the delay is built at once.
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
        // Each time another file name, during the build or just after it.
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
