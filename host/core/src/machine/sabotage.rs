//! Ways to break the machine, for tests of those who look for broken machines. Only with the feature `sabotage`.

use super::Machine;
use crate::progress::Progress;

/// What is done wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sabotage {
    /// A record is settled as soon as its publications are handed out.
    CommitBeforePublish,
    /// A commit says one offset more than is settled.
    WatermarkOffByOne,
    /// The end of a partition that was read is committed, whatever is not settled before it.
    EndPassesUnsettled,
    /// The end of a partition is believed, wherever the search for it began.
    EndFromElsewhere,
    /// Those behind a record that is tried again go on meanwhile.
    RetryOvertakes,
    /// A failed attempt is not counted.
    AttemptForgotten,
    /// The next attempt does not wait until the broker knows of the one before.
    AttemptNotAwaited,
    /// Outputs go on behind one that the sink has refused.
    RefusedOutputOvertaken,
    /// Each delivery is settled twice.
    DuplicateSettle,
    /// A message is deleted while its publications are on their way.
    DeleteBeforeDurable,
    /// A message goes back to its queue, and those behind it in its group go on.
    ReleaseKeepsLater,
    /// A message that is tried again goes back to its queue, and those behind it with it.
    NeighboursGivenBack,
    /// A drain hands back what the queue will then move away.
    LastReceiveGivenBack,
    /// What was finished above the commit point is handled again by the next owner.
    ProgressIgnored,
    /// Metadata is believed that was written for another offset or another topic.
    ForeignProgressBelieved,
    /// A lease that is lost is not given up.
    LostLeaseKept,
    /// A message is forgotten that no lease takes away and that nobody has returned.
    ForgottenThoughHeld,
    /// A partition that is lost is not given up.
    LostPartitionKept,
    /// A partition is given up without its last commit.
    LastCommitForgotten,
    /// A partition is given up without what a commit says that the broker has not answered.
    UnansweredCommitForgotten,
    /// The source is granted twice what there is room for.
    GrantedTwice,
    /// Outputs that are not durable take no room.
    OutputsNotCounted,
    /// Attempts begin however much of outputs is not durable.
    OutputsHoldNothingBack,
    /// A record counts no more when it is finished, and not only when the broker knows.
    FinishedBeforeTheCommit,
    /// Nothing keeps order.
    LanesIgnored,
    /// A dead letter that finds nobody is forgotten.
    DeadLetterDropped,
    /// A dead letter that is refused for good holds the whole route.
    RefusedHoldsRoute,
    /// Those behind a record whose dead letter is refused for good go on.
    RefusedIsOvertaken,
    /// An event whose record became a dead letter is recorded as handled.
    DeadLetterRecorded,
    /// Events of different sources are taken for one where their ids are equal.
    SourceIgnored,
    /// At most once, a record is handled before the broker knows that it is settled.
    PledgeNotAwaited,
    /// Failed retries count towards opening the circuit.
    RetriesTrip,
    /// Messages that end well do not count against opening the circuit.
    SuccessDoesNotCount,
    /// Probes are retries, whoever waits at a first attempt.
    ProbesAreRetries,
    /// No retry is ever a probe.
    RetriesNeverProbe,
    /// The wait before a round of probes grows without a limit.
    ProbesWaitForEver,
    /// Attempts start in a pause.
    PauseForgotten,
    /// In a pause, one attempt that is asked for lets all others start.
    TriesWithoutEnd,
    /// A pause goes on when it should end.
    ResumeForgotten,
    /// A pause goes on in a drain.
    PauseOutlastsDrain,
    /// A transaction takes the outputs and leaves the offsets where they were.
    TransactionWithoutOffsets,
    /// A stop has no limit for answers that do not come.
    StopWaitsForAnswers,
    /// A commit without an answer counts as done where the group has an equal offset, whoever committed it.
    EqualOffsetBelieved,
}

impl Machine {
    /// Lets the machine do this wrongly from now on.
    pub fn sabotage(&mut self, by: Sabotage) {
        self.sabotage = Some(by);
    }

    pub(super) fn sabotaged_progress(&self, progress: Progress, metadata: Option<&str>) -> Progress {
        match self.sabotage {
            Some(Sabotage::ProgressIgnored) => Progress::default(),
            Some(Sabotage::ForeignProgressBelieved) => {
                Progress::decode(metadata.unwrap_or_default()).unwrap_or_default()
            }
            _ => progress,
        }
    }

    pub(super) fn is_sabotaged(&self, by: Sabotage) -> bool {
        self.sabotage == Some(by)
    }
}
