//! The offset up to which all is done, of one partition.

use std::collections::VecDeque;

/// Offsets that are under way, and which of them are done.
#[derive(Debug, Default)]
pub(super) struct Watermark {
    /// The offset of the first entry.
    base: i64,
    done: VecDeque<bool>,
}

impl Watermark {
    /// Offsets come in order; there may be gaps.
    pub(super) fn begin(&mut self, offset: i64) {
        if self.done.is_empty() {
            self.base = offset;
        }
        while self.base + (self.done.len() as i64) < offset {
            self.done.push_back(true);
        }
        self.done.push_back(false);
    }

    pub(super) fn end(&mut self, offset: i64) {
        let entry = usize::try_from(offset - self.base).ok().and_then(|index| self.done.get_mut(index));
        *entry.expect("what ends has begun") = true;
        while self.done.front() == Some(&true) {
            self.done.pop_front();
            self.base += 1;
        }
    }

    /// What may be committed: the offset of the first message that is not done.
    pub(super) fn offset(&self) -> i64 {
        self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stands_at_the_first_that_is_not_done() {
        let mut watermark = Watermark::default();
        for offset in [5, 6, 8] {
            watermark.begin(offset);
        }
        watermark.end(6);
        assert_eq!(watermark.offset(), 5);
        watermark.end(5);
        assert_eq!(watermark.offset(), 8, "there never was a 7");
        watermark.end(8);
        assert_eq!(watermark.offset(), 9);
    }
}
