//! Splits the response of a batch call by entry. The id of an entry is its index in the batch, from 0.

use aws_sdk_sqs::types::BatchResultErrorEntry;

use super::fault::Fault;

/// The largest number of entries in a batch.
pub const MOST: usize = 10;

/// Returns the result of each of `count` entries, in their order. An entry that the response does not mention counts as
/// a transient failure.
pub fn answers<'a>(
    count: usize,
    successful: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<Result<(), Fault>> {
    let mut answers = vec![Err(Fault::unmentioned()); count];
    let mut set = |id: &str, answer| {
        if let Some(slot) = id.parse().ok().and_then(|place: usize| answers.get_mut(place)) {
            *slot = answer;
        }
    };
    for id in successful {
        set(id, Ok(()));
    }
    for entry in failed {
        set(entry.id(), Err(Fault::of_entry(entry)));
    }
    answers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_entry_gets_its_own_answer() {
        let failed = BatchResultErrorEntry::builder().id("1").code("ReceiptHandleIsInvalid").sender_fault(true).build();
        let answers = answers(4, ["2", "0", "9", "x"].into_iter(), &[failed.unwrap()]);
        assert_eq!(answers[0], Ok(()));
        assert!(matches!(answers[1], Err(Fault::Gone(_))));
        assert_eq!(answers[2], Ok(()));
        assert_eq!(answers[3], Err(Fault::unmentioned()));
    }
}
