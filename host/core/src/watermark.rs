//! The commit point of one partition: the first offset that is not settled.

use std::collections::VecDeque;
use std::ops::Range;

/// Which offsets of a partition were received, and which of them are settled.
///
/// Offsets may have gaps (compaction, transaction markers), so places are counted, not offsets. Memory is 16
/// bytes for each record above the commit point.
#[derive(Debug, Default)]
pub struct Watermark {
    /// From the commit point on, in the order of offsets; the first is never settled.
    open: VecDeque<Entry>,
    /// The place of the first entry of `open`.
    first: u64,
    /// One more than the last offset received.
    end: Option<i64>,
    /// Runs of settled records above the commit point.
    runs: usize,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    settled: bool,
}

/// The place of a record among those received of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(u64);

impl Watermark {
    /// Notes that `offset` was received. Offsets must rise; one that does not is refused with `None` (the broker
    /// has repeated a record that is in hand or settled already).
    pub fn receive(&mut self, offset: i64) -> Option<Place> {
        if self.end.is_some_and(|end| offset < end) {
            return None;
        }
        self.end = Some(offset.saturating_add(1));
        self.open.push_back(Entry { offset, settled: false });
        Some(Place(self.first + self.open.len() as u64 - 1))
    }

    /// Notes that the record at `place` is settled. Returns how many records the commit point has passed by it.
    pub fn settle(&mut self, place: Place) -> usize {
        let index = usize::try_from(place.0 - self.first).expect("a place above the commit point fits the queue");
        let is_settled = |index: usize| self.open.get(index).is_some_and(|entry| entry.settled);
        let (joins_left, joins_right) = (index > 0 && is_settled(index - 1), is_settled(index + 1));
        self.open[index].settled = true;
        self.runs = self.runs + 1 - usize::from(joins_left) - usize::from(joins_right);
        let before = self.open.len();
        if index == 0 {
            self.runs -= 1;
        }
        while self.open.front().is_some_and(|entry| entry.settled) {
            self.open.pop_front();
            self.first += 1;
        }
        before - self.open.len()
    }

    /// The next offset to read after a restart: every earlier one is settled. `None` before anything was received.
    pub fn commit_point(&self) -> Option<i64> {
        self.open.front().map(|entry| entry.offset).or(self.end)
    }

    /// Records received and not covered by the commit point.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// From the commit point on: each offset received, and whether it is settled.
    pub fn entries(&self) -> impl Iterator<Item = (i64, bool)> {
        self.open.iter().map(|entry| (entry.offset, entry.settled))
    }

    /// The offset behind the last one received.
    pub fn end(&self) -> Option<i64> {
        self.end
    }

    /// How many ranges [`Watermark::finished`] has.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Ranges of offsets above the commit point of which everything that was received is settled, rising.
    pub fn finished(&self) -> Vec<Range<i64>> {
        let mut finished: Vec<Range<i64>> = Vec::with_capacity(self.runs);
        let mut goes_on = false;
        for entry in &self.open {
            match finished.last_mut().filter(|_| goes_on && entry.settled) {
                // Offsets between the two were never written, or are gone: they will not come.
                Some(run) => run.end = entry.offset + 1,
                None if entry.settled => finished.push(entry.offset..entry.offset + 1),
                None => {}
            }
            goes_on = entry.settled;
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
    fn a_repeated_offset_is_refused() {
        let mut watermark = Watermark::default();
        assert_eq!(watermark.commit_point(), None);
        watermark.receive(7).expect("the first");
        assert_eq!(watermark.receive(7), None);
        assert_eq!(watermark.receive(3), None);
        assert_eq!(watermark.commit_point(), Some(7));
    }
}
