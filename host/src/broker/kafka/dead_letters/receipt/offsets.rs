//! Offsets as ranges, from parsing to lookup, because one receipt may name a million offsets.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Offsets of a partition, at least one. The text form is `3-7,9`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Offsets {
    /// Ascending, with a gap between neighbours. The ends are exclusive.
    ranges: Vec<Range<i64>>,
}

impl Offsets {
    /// Returns these offsets, which must not be negative; `None` if the set is empty.
    pub(crate) fn of(offsets: &BTreeSet<i64>) -> Option<Self> {
        let mut ranges: Vec<Range<i64>> = Vec::new();
        for &offset in offsets {
            match ranges.last_mut() {
                Some(range) if range.end == offset => range.end = offset + 1,
                _ => ranges.push(offset..offset + 1),
            }
        }
        (!ranges.is_empty()).then_some(Self { ranges })
    }

    /// Returns the ranges, in order.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = Range<i64>> {
        self.ranges.iter().cloned()
    }

    /// Returns the last offset.
    pub(crate) fn last(&self) -> Option<i64> {
        self.ranges.last().map(|range| range.end - 1)
    }
}

/// The text is not one that [`Offsets`] writes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid offset ranges; expected ascending ranges such as 3-7,9")]
pub(crate) struct Error;

impl TryFrom<String> for Offsets {
    type Error = Error;

    /// Accepts only texts that [`Offsets`] writes.
    fn try_from(text: String) -> Result<Self, Error> {
        let mut ranges = Vec::new();
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (first.parse::<i64>().map_err(|_| Error)?, last.parse::<i64>().map_err(|_| Error)?);
            ranges.push(first..last.checked_add(1).ok_or(Error)?);
        }
        let ascending = ranges.windows(2).all(|pair| pair[0].end < pair[1].start);
        let offsets = Self { ranges };
        let filled = offsets.ranges.iter().all(|range| range.start < range.end && range.start >= 0);
        (ascending && filled && offsets.to_string() == text).then_some(offsets).ok_or(Error)
    }
}

impl From<Offsets> for String {
    fn from(offsets: Offsets) -> Self {
        offsets.to_string()
    }
}

impl fmt::Display for Offsets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, range) in self.ranges.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let (first, last) = (range.start, range.end - 1);
            match first == last {
                true => write!(f, "{comma}{first}")?,
                false => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Offsets, Error> {
        text.to_owned().try_into()
    }

    #[test]
    fn offsets_are_written_as_ranges() {
        for (offsets, text) in [(vec![7], "7"), (vec![3, 4, 5, 9, 11, 12], "3-5,9,11-12")] {
            let offsets = Offsets::of(&offsets.into_iter().collect()).expect("there are some");
            assert_eq!(offsets.to_string(), text);
        }
        assert_eq!(Offsets::of(&BTreeSet::new()), None);
    }

    #[test]
    fn what_is_never_written_is_not_read() {
        let never =
            ["", "x", "1,", "9-2", "4-4", "-1", "+1", "01", "1-2,3", "5,4", "1-9,2", " 1", "0-9223372036854775807"];
        for text in never {
            assert_eq!(read(text), Err(Error), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn offsets_come_back(numbers in btree_set(0..200i64, 1..50)) {
            let offsets = Offsets::of(&numbers).expect("there are some");
            let back = read(&offsets.to_string()).expect("as it is written");
            prop_assert_eq!(back.last(), numbers.last().copied());
            prop_assert_eq!(back.ranges().flatten().collect::<BTreeSet<_>>(), numbers);
        }

        #[test]
        fn any_text_is_read_as_it_would_be_written_or_not_at_all(text in "[0-9,-]{0,12}") {
            if let Ok(offsets) = read(&text) {
                prop_assert_eq!(offsets.to_string(), text);
            }
        }
    }
}
