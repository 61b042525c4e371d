//! The commit point of a partition: the first unsettled offset.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

/// Number of recent records that are stored separately. Older ones are stored as runs, so all settled records after an
/// unsettled one need the memory of one entry.
const KEPT: usize = if cfg!(test) { 4 } else { 16_384 };

/// The received offsets of a partition, and which of them are settled.
///
/// Offsets may have gaps (compaction, transaction markers), so the struct counts places instead of offsets. It needs 16
/// bytes for each of the recent records above the commit point, and about 60 for each older one that is not settled.
#[derive(Debug, Default)]
pub struct Watermark {
    /// The oldest records, from the commit point on, by the place of the first one of each run; the first run is never
    /// settled.
    early: BTreeMap<u64, Run>,
    /// The following records, in the order of offsets. Without earlier ones, the first is never settled.
    open: VecDeque<Entry>,
    /// The place of the first entry of `open`.
    first: u64,
    /// One more than the last received offset, or more if no lower offset will follow.
    end: Option<i64>,
    /// Runs of settled records above the commit point.
    runs: usize,
    /// Records received and not covered by the commit point.
    count: usize,
    /// Unsettled records among them.
    waiting: usize,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    settled: bool,
}

/// A run of settled records, or one unsettled record.
#[derive(Debug)]
struct Run {
    start: i64,
    /// One more than the last offset.
    end: i64,
    count: usize,
    settled: bool,
}

/// The place of a record among those received of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u64);

impl Watermark {
    /// Records that `offset` was received. Offsets must rise; for one that does not, the result is `None` (the broker
    /// repeated a record that is in flight or settled).
    pub fn receive(&mut self, offset: i64) -> Option<Place> {
        if self.end.is_some_and(|end| offset < end) {
            return None;
        }
        self.end = Some(offset.saturating_add(1));
        self.open.push_back(Entry { offset, settled: false });
        self.count += 1;
        self.waiting += 1;
        let place = Place(self.first + self.open.len() as u64 - 1);
        if self.open.len() > KEPT {
            self.put_away();
        }
        Some(place)
    }

    /// Records that no further record below `offset` will follow.
    pub fn reach(&mut self, offset: i64) {
        self.end = self.end.max(Some(offset));
    }

    /// Moves the oldest entry to the runs.
    fn put_away(&mut self) {
        let Some(Entry { offset, settled }) = self.open.pop_front() else { return };
        let place = self.first;
        self.first += 1;
        let last = self.early.last_entry().filter(|last| last.get().settled && settled);
        if let Some(mut last) = last {
            let run = last.get_mut();
            (run.end, run.count) = (offset + 1, run.count + 1);
        } else {
            self.early.insert(place, Run { start: offset, end: offset + 1, count: 1, settled });
        }
    }

    /// Marks the record at `place` as settled. Returns by how many records the commit point advances.
    pub fn settle(&mut self, place: Place) -> usize {
        let before = self.count;
        self.waiting -= 1;
        match place.0.checked_sub(self.first) {
            Some(index) => self.settle_open(usize::try_from(index).expect("a place in the queue fits it")),
            None => self.settle_early(place.0),
        }
        // The commit point advances to the first unsettled record.
        if let Some(first) = self.early.first_entry().filter(|first| first.get().settled) {
            self.runs -= 1;
            self.count -= first.remove().count;
        } else if self.early.is_empty() && self.is_settled(0) {
            self.runs -= 1;
        }
        while self.early.is_empty() && self.is_settled(0) {
            self.open.pop_front();
            self.first += 1;
            self.count -= 1;
        }
        before - self.count
    }

    /// Whether settling the record at `place` extends or merges runs of settled records instead of adding one.
    pub(crate) fn joins(&self, place: Place) -> bool {
        let is_settled = |(_, run): (&u64, &Run)| run.settled;
        match place.0.checked_sub(self.first).map(usize::try_from) {
            Some(Ok(0)) => self.early.last_key_value().is_some_and(is_settled) || self.is_settled(1),
            Some(Ok(index)) => self.is_settled(index - 1) || self.is_settled(index + 1),
            Some(Err(_)) => false,
            None => {
                let behind = self.early.range(place.0 + 1..).next();
                self.early.range(..place.0).next_back().is_some_and(is_settled)
                    || behind.map_or_else(|| self.is_settled(0), is_settled)
            }
        }
    }

    fn is_settled(&self, index: usize) -> bool {
        self.open.get(index).is_some_and(|entry| entry.settled)
    }

    fn settle_open(&mut self, index: usize) {
        let before = if index == 0 {
            self.early.last_key_value().is_some_and(|(_, run)| run.settled)
        } else {
            self.is_settled(index - 1)
        };
        let behind = self.is_settled(index + 1);
        self.open[index].settled = true;
        self.runs = self.runs + 1 - usize::from(before) - usize::from(behind);
    }

    fn settle_early(&mut self, place: u64) {
        let behind = match self.early.range(place + 1..).next() {
            Some((next, run)) if run.settled => Some(*next),
            Some(_) => None,
            None => {
                self.runs -= usize::from(self.is_settled(0));
                None
            }
        };
        let behind = behind.and_then(|next| self.early.remove(&next));
        let mut run = self.early.remove(&place).expect("a place among the early ones that is not settled");
        run.settled = true;
        self.runs += 1;
        if let Some(behind) = behind {
            (run.end, run.count, self.runs) = (behind.end, run.count + behind.count, self.runs - 1);
        }
        if let Some((_, before)) = self.early.range_mut(..place).next_back().filter(|(_, before)| before.settled) {
            (before.end, before.count, self.runs) = (run.end, before.count + run.count, self.runs - 1);
        } else {
            self.early.insert(place, run);
        }
    }

    /// The next offset to read after a restart: every earlier one is settled. `None` before anything was received.
    pub fn commit_point(&self) -> Option<i64> {
        let early = self.early.first_key_value().map(|(_, run)| run.start);
        early.or_else(|| self.open.front().map(|entry| entry.offset)).or(self.end)
    }

    /// Records received and not covered by the commit point.
    pub fn open(&self) -> usize {
        self.count
    }

    /// For each record or run from the commit point on: the offset, whether it is settled, and the number of records.
    pub fn entries(&self) -> impl Iterator<Item = (i64, bool, usize)> {
        let early = self.early.values().map(|run| (run.start, run.settled, run.count));
        early.chain(self.open.iter().map(|entry| (entry.offset, entry.settled, 1)))
    }

    /// Number of settled records above the commit point, from this offset on.
    pub(crate) fn settled_from(&self, offset: i64) -> usize {
        let settled = self.entries().filter(|(start, settled, _)| *settled && *start >= offset);
        settled.map(|(_, _, count)| count).sum()
    }

    /// Records received and not settled.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// The offset after the last received one, or a lower bound of the next.
    pub fn end(&self) -> Option<i64> {
        self.end
    }

    /// How many ranges [`Watermark::finished`] has.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Ranges of offsets above the commit point in which every received record is settled, in rising order.
    pub fn finished(&self) -> Vec<Range<i64>> {
        let early = self.early.values().map(|run| (run.start..run.end, run.settled));
        let open = self.open.iter().map(|entry| (entry.offset..entry.offset + 1, entry.settled));
        let mut finished: Vec<Range<i64>> = Vec::with_capacity(self.runs);
        let mut goes_on = false;
        for (offsets, settled) in early.chain(open) {
            match finished.last_mut().filter(|_| goes_on && settled) {
                // Offsets between the two were never written or were removed: they will not follow.
                Some(run) => run.end = offsets.end,
                None if settled => finished.push(offsets),
                None => {}
            }
            goes_on = settled;
        }
        finished
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_commit_point_never_passes_an_unsettled_offset(
            gaps in prop::collection::vec(1_i64..4, 1..60),
            order in any::<prop::sample::Index>().prop_map(|index| index.index(usize::MAX)),
        ) {
            let mut watermark = Watermark::default();
            let mut offset = 0;
            let mut unsettled = Vec::new();
            for gap in gaps {
                offset += gap;
                let place = watermark.receive(offset).expect("offsets rise");
                unsettled.push((offset, place));
            }
            let offsets: Vec<i64> = unsettled.iter().map(|(offset, _)| *offset).collect();
            let mut chance = order;
            while !unsettled.is_empty() {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (_, place) = unsettled.swap_remove((chance >> 33) % unsettled.len());
                watermark.settle(place);
                let lowest = unsettled.iter().map(|(offset, _)| *offset).min();
                prop_assert_eq!(watermark.commit_point(), lowest.or(Some(offset + 1)));
                let finished = watermark.finished();
                prop_assert_eq!(watermark.runs(), finished.len());
                let is_finished = |offset: &i64| finished.iter().any(|run| run.contains(offset));
                prop_assert!(unsettled.iter().all(|(offset, _)| !is_finished(offset)));
                let above = offsets.iter().filter(|offset| Some(**offset) > watermark.commit_point());
                let settled = above.filter(|offset| unsettled.iter().all(|(other, _)| other != *offset));
                prop_assert!(settled.into_iter().all(is_finished));
            }
            prop_assert_eq!(watermark.open(), 0);
        }
    }

    #[test]
    fn what_is_settled_behind_one_that_waits_takes_the_room_of_one() {
        let mut watermark = Watermark::default();
        let first = watermark.receive(0).expect("the first");
        for offset in 1..10_000 {
            let place = watermark.receive(offset).expect("offsets rise");
            assert_eq!(watermark.settle(place), 0);
            assert!(watermark.early.len() <= 2 && watermark.open.len() <= KEPT);
        }
        let behind = 1..10_000;
        assert_eq!((watermark.commit_point(), watermark.finished()), (Some(0), vec![behind]));
        assert_eq!(watermark.settle(first), 10_000);
        assert_eq!((watermark.commit_point(), watermark.open(), watermark.runs()), (Some(10_000), 0, 0));
    }

    #[test]
    fn the_end_that_was_reached_is_committed_once_all_before_it_is_settled() {
        let mut watermark = Watermark::default();
        watermark.reach(3);
        assert_eq!((watermark.commit_point(), watermark.open()), (Some(3), 0), "nothing stood before");
        let place = watermark.receive(4).expect("behind it");
        watermark.reach(9);
        watermark.reach(6);
        assert_eq!(watermark.commit_point(), Some(4));
        assert_eq!((watermark.settle(place), watermark.commit_point()), (1, Some(9)));
        assert_eq!(watermark.receive(8), None, "nothing stood between");
    }

    #[test]
    fn a_repeated_offset_is_refused() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.commit_point(), None);
        watermark.receive(7).expect("the first");
        assert_eq!(watermark.receive(7), None);
        assert_eq!(watermark.receive(3), None);
        assert_eq!(watermark.commit_point(), Some(7));
    }
}
