//! Defects that tests switch on, to check that they are detected. Only with the feature `sabotage`.

use super::Machine;
use crate::progress::Progress;

/// The defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sabotage {
    /// A record is settled as soon as its publications are requested.
    CommitBeforePublish,
    /// A commit is one offset too high.
    WatermarkOffByOne,
    /// The end offset of a partition is committed although earlier records are not settled.
    EndPassesUnsettled,
    /// The end offset of a partition is accepted regardless of where the search for it began.
    EndFromElsewhere,
    /// Later messages of the key run while a message waits for its retry.
    RetryOvertakes,
    /// A failed attempt is not counted.
    AttemptForgotten,
    /// The next attempt does not wait until the broker knows the previous one.
    AttemptNotAwaited,
    /// Later outputs are sent after the sink has refused one.
    RefusedOutputOvertaken,
    /// Each delivery is settled twice.
    DuplicateSettle,
    /// A message is deleted while its publications are on their way.
    DeleteBeforeDurable,
    /// A message is handed back to its queue, and later ones of its group run.
    ReleaseKeepsLater,
    /// A retry hands back the message to its queue, with those behind it.
    NeighboursGivenBack,
    /// A drain hands back messages that the queue then moves away.
    LastReceiveGivenBack,
    /// The next owner handles finished records above the commit point again.
    ProgressIgnored,
    /// Metadata for another offset or topic is accepted.
    ForeignProgressBelieved,
    /// Messages with a lost lease are not given up.
    LostLeaseKept,
    /// A message is forgotten although no lease ends for it and it was not handed back.
    ForgottenThoughHeld,
    /// A lost partition is not given up.
    LostPartitionKept,
    /// An extension that gets no answer is not requested again.
    ExtensionNotRepeated,
    /// The answer to another commit ends the wait for the last one.
    AnswerOfAnotherCommit,
    /// A partition is given up without its last commit.
    LastCommitForgotten,
    /// A partition is given up without the content of the unanswered commit.
    UnansweredCommitForgotten,
    /// A partition is given up while a transaction that contains its offset is unanswered.
    TransactionNotAwaited,
    /// The source gets grants for twice the free room.
    GrantedTwice,
    /// Outputs that are not durable are not counted.
    OutputsNotCounted,
    /// Attempts start regardless of the amount of outputs that are not durable.
    OutputsHoldNothingBack,
    /// A finished record stops counting before the broker knows it.
    FinishedBeforeTheCommit,
    /// A drain handles later messages of a key although it has abandoned an earlier one.
    AbandonedIsOvertaken,
    /// No order per key is kept.
    LanesIgnored,
    /// A dead letter that cannot be stored is dropped.
    DeadLetterDropped,
    /// A dead letter that is rejected for good holds the whole route.
    RefusedHoldsRoute,
    /// Later messages of a key run although a dead letter of the key is rejected for good.
    RefusedIsOvertaken,
    /// Messages behind a dead letter that is rejected for good count as a reserve of the host.
    RefusedFillsReserve,
    /// A stop hands back a record whose dead letter is rejected, and keeps what waits with its outputs behind it.
    BehindRefusedStays,
    /// The event id of a dead letter is recorded as handled.
    DeadLetterRecorded,
    /// Events of different sources with equal ids are treated as duplicates.
    SourceIgnored,
    /// At most once: a record is handled before the broker has confirmed its acknowledgement.
    PledgeNotAwaited,
    /// Failed retries count towards opening the circuit.
    RetriesTrip,
    /// Only the first attempt of a message counts, so after a restart in an outage nothing does.
    RestartForgotten,
    /// Successful messages are not subtracted from the failures.
    SuccessDoesNotCount,
    /// Retries are probes even if a message waits for its first attempt.
    ProbesAreRetries,
    /// A retry is never a probe.
    RetriesNeverProbe,
    /// The wait before a round of probes grows without bound.
    ProbesWaitForEver,
    /// Attempts start in a pause.
    PauseForgotten,
    /// In a pause, one requested attempt lets all others start.
    TriesWithoutEnd,
    /// A resume does not end the pause.
    ResumeForgotten,
    /// A drain does not end the pause.
    PauseOutlastsDrain,
    /// A transaction contains the outputs without the offsets.
    TransactionWithoutOffsets,
    /// A stop waits for broker answers without a limit.
    StopWaitsForAnswers,
    /// An unanswered commit is accepted if the group has an equal offset, regardless of who committed it.
    EqualOffsetBelieved,
}

impl Machine {
    /// Switches on this defect.
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
