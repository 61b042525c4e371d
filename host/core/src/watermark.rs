//! The commit point of one partition: the first offset that is not settled.

use std::collections::VecDeque;

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
        self.open[index].settled = true;
        let before = self.open.len();
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
            let mut chance = order;
            while !unsettled.is_empty() {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (_, place) = unsettled.swap_remove((chance >> 33) % unsettled.len());
                watermark.settle(place);
                let lowest = unsettled.iter().map(|(offset, _)| *offset).min();
                prop_assert_eq!(watermark.commit_point(), lowest.or(Some(offset + 1)));
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
