//! The standard error of a guest in one attempt: language runtimes report there why they end. It is stored apart from
//! the log, whose limits a guest may have used up before.

use std::collections::VecDeque;

use crate::plugin::uncaught;

/// Maximum size of the stored beginning, and of the stored end, in bytes.
const PART: usize = 8 << 10;
/// Maximum length of a stored line in bytes.
const LINE: usize = 2 << 10;
/// Bytes that a line counts beside its text.
const OVERHEAD: usize = 32;

/// Beginning and end of standard error, from the last line that begins a report of an uncaught error.
#[derive(Debug, Clone, Default)]
pub(in crate::plugin) struct LastWords {
    head: Vec<Box<str>>,
    tail: VecDeque<Box<str>>,
    head_bytes: usize,
    tail_bytes: usize,
}

impl LastWords {
    /// Adds one line, without its line break.
    pub(in crate::plugin) fn push(&mut self, line: &str) {
        if uncaught::opens(line) {
            *self = Self::default();
        }
        let line: Box<str> = line[..line.floor_char_boundary(LINE)].into();
        let size = line.len() + OVERHEAD;
        if self.tail.is_empty() && self.head_bytes + size <= PART {
            self.head_bytes += size;
            self.head.push(line);
            return;
        }
        self.tail_bytes += size;
        self.tail.push_back(line);
        while self.tail_bytes > PART {
            let Some(dropped) = self.tail.pop_front() else { break };
            self.tail_bytes -= dropped.len() + OVERHEAD;
        }
    }

    /// Returns all stored lines in order.
    pub(in crate::plugin) fn lines(&self) -> Vec<&str> {
        self.head.iter().chain(&self.tail).map(|line| &**line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_a_report_and_the_end_are_kept_however_much_is_written() {
        let mut words = LastWords::default();
        words.push("something else");
        words.push("panic: first");
        words.push("Traceback (most recent call last):");
        (0..10_000).for_each(|number| words.push(&format!("  line {number}")));
        words.push(&"é".repeat(LINE));
        words.push("KeyError: 'nope'");
        let lines = words.lines();
        assert_eq!((lines[0], lines[1]), ("Traceback (most recent call last):", "  line 0"));
        assert_eq!((lines[lines.len() - 2].len(), lines[lines.len() - 1]), (LINE, "KeyError: 'nope'"));
        let kept: usize = lines.iter().map(|line| line.len() + OVERHEAD).sum();
        assert!(kept <= 2 * PART, "{kept}");
    }
}
