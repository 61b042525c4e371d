//! Whether a record follows those before it, repeats one of them, or belongs to a log that begins anew.

use super::queue::BATCH;

/// What librdkafka gives as the leader epoch of a record that has none.
pub(super) const UNKNOWN_EPOCH: i32 = -1;

/// How the offset of a record follows the one before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    Next,
    Repeat,
    Anew,
}

/// Tells how a record at `offset`, written in leader epoch `epoch`, follows the records before `next`, the last of which was
/// written in `last`. An epoch is -1 if it is not known.
///
/// librdkafka returns a record twice if it rebalances between taking a batch from its queue and storing the new
/// position. This goes back by at most a batch, the end of the log stays at or above the position, and the record has the
/// epoch that it had. Any other step back means that the log was truncated or created again. Epochs never decrease along
/// a log, so an older offset with a newer epoch is another record: an unclean leader election has cut the log there (KIP-101).
pub(super) fn place(
    (offset, epoch): (i64, i32),
    (next, last): (Option<i64>, i32),
    high: impl FnOnce() -> Option<i64>,
) -> Place {
    match next {
        Some(next) if offset < next => {
            let batch = BATCH as i64;
            let is_other = last != UNKNOWN_EPOCH && epoch > last;
            let is_anew = is_other || next - offset > batch || high().is_some_and(|high| high < next);
            if is_anew { Place::Anew } else { Place::Repeat }
        }
        _ => Place::Next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_of_librdkafka_is_told_from_a_log_that_begins_anew() {
        let far = || Some(1_000_000);
        let at = |offset, next, high: fn() -> Option<i64>| place((offset, 4), (next, 4), high);
        assert_eq!(at(7, None, far), Place::Next);
        assert_eq!(at(7, Some(7), far), Place::Next);
        assert_eq!(at(9, Some(7), far), Place::Next, "gaps are what compaction and transactions leave");
        assert_eq!(at(6, Some(7), far), Place::Repeat);
        assert_eq!(at(0, Some(256), far), Place::Repeat);
        assert_eq!(at(0, Some(257), far), Place::Anew);
        assert_eq!(at(0, Some(7), || Some(3)), Place::Anew, "the log ends before what was read");
    }

    #[test]
    fn a_record_of_a_newer_epoch_at_an_offset_that_was_read_is_no_repeat() {
        let far = || Some(1_000_000);
        assert_eq!(place((6, 5), (Some(7), 4), far), Place::Anew, "the log was cut at 6 and goes on");
        assert_eq!(place((6, 3), (Some(7), 4), far), Place::Repeat, "an older record");
        assert_eq!(place((7, 5), (Some(7), 4), far), Place::Next, "another leader");
        assert_eq!(place((6, 5), (Some(7), UNKNOWN_EPOCH), far), Place::Repeat, "an old broker gives no epochs");
        assert_eq!(place((6, UNKNOWN_EPOCH), (Some(7), 4), far), Place::Repeat);
    }
}
