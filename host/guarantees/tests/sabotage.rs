//! Broken cores: the simulation must catch each, by the promise that it breaks.

use cofferdam_core::machine::{Machine, Sabotage};
use cofferdam_core::route::Guarantee;
use cofferdam_guarantees::Promise;
use cofferdam_guarantees::simulation::{Options, simulate};

/// Histories in which it must be caught.
const HISTORIES: u64 = 4_000;

#[track_caller]
fn is_caught(promise: Promise, options: &Options) {
    let caught = (0..HISTORIES).find(|seed| simulate(*seed, options).report.of(promise).broken > 0);
    let seed = caught.unwrap_or_else(|| panic!("not caught in {HISTORIES} histories: {promise}"));
    println!("caught by seed {seed}");
}

macro_rules! caught {
    ($($name:ident: $sabotage:ident breaks $promise:ident,)*) => {
        $(#[test]
        fn $name() {
            let prepare = |machine: &mut Machine| machine.sabotage(Sabotage::$sabotage);
            is_caught(Promise::$promise, &Options { prepare, ..Options::default() });
        })*
    };
}

caught! {
    a_commit_before_the_outputs_are_durable: CommitBeforePublish breaks DurableFirst,
    a_delete_before_the_outputs_are_durable: DeleteBeforeDurable breaks DurableFirst,
    a_dead_letter_that_is_given_up: DeadLetterDropped breaks DurableFirst,
    a_watermark_off_by_one: WatermarkOffByOne breaks CommitOrder,
    an_end_that_passes_what_is_not_settled: EndPassesUnsettled breaks CommitOrder,
    an_end_that_was_looked_for_from_elsewhere: EndFromElsewhere breaks NothingLost,
    a_retry_that_is_overtaken: RetryOvertakes breaks KeyOrder,
    an_output_that_goes_on_behind_a_refused_one: RefusedOutputOvertaken breaks KeyOrder,
    a_release_that_keeps_later_ones: ReleaseKeepsLater breaks KeyOrder,
    neighbours_that_are_given_back_with_a_retry: NeighboursGivenBack breaks NotMoved,
    a_last_receive_that_is_given_back_at_a_stop: LastReceiveGivenBack breaks NotMoved,
    lanes_that_keep_no_order: LanesIgnored breaks KeyOrder,
    an_attempt_that_is_forgotten: AttemptForgotten breaks AttemptsCounted,
    an_attempt_before_the_one_before_is_known: AttemptNotAwaited breaks AttemptsCounted,
    a_delivery_that_is_settled_twice: DuplicateSettle breaks SettledOnce,
    a_lost_lease_that_is_kept: LostLeaseKept breaks SettledOnce,
    a_lost_partition_that_is_kept: LostPartitionKept breaks SettledOnce,
    finished_offsets_that_are_handled_again: ProgressIgnored breaks RepeatsBounded,
    metadata_that_is_believed_at_another_offset: ForeignProgressBelieved breaks DurableFirst,
    a_partition_given_up_without_its_last_commit: LastCommitForgotten breaks RepeatsBounded,
    a_partition_given_up_without_what_was_not_answered: UnansweredCommitForgotten breaks RepeatsBounded,
    a_refused_dead_letter_that_holds_the_route: RefusedHoldsRoute breaks OthersGoOn,
    a_record_that_is_overtaken_while_its_dead_letter_is_refused: RefusedIsOvertaken breaks KeyOrder,
    events_of_two_sources_that_are_taken_for_one: SourceIgnored breaks NothingLost,
    a_dead_letter_that_is_recorded_as_handled: DeadLetterRecorded breaks NothingLost,
    a_record_handled_before_it_is_acknowledged_at_most_once: PledgeNotAwaited breaks RepeatsBounded,
    a_transaction_that_leaves_its_offsets_behind: TransactionWithoutOffsets breaks ExactlyOnce,
    probes_that_never_take_a_retry: RetriesNeverProbe breaks NothingLost,
    probes_that_wait_longer_and_longer: ProbesWaitForEver breaks Timely,
    a_record_that_counts_no_more_before_the_broker_knows: FinishedBeforeTheCommit breaks Bounded,
    a_source_that_is_granted_too_much: GrantedTwice breaks Bounded,
    outputs_that_take_no_room: OutputsNotCounted breaks Bounded,
    attempts_that_begin_beside_a_bound_full_of_outputs: OutputsHoldNothingBack breaks Bounded,
    attempts_that_start_in_a_pause: PauseForgotten breaks PauseKept,
    one_attempt_in_a_pause_that_lets_others_start: TriesWithoutEnd breaks PauseKept,
    a_pause_that_never_ends: ResumeForgotten breaks NothingLost,
}

#[test]
fn an_equal_offset_that_is_taken_for_the_own_commit() {
    let prepare = |machine: &mut Machine| machine.sabotage(Sabotage::EqualOffsetBelieved);
    // Two partitions in a transaction without an answer, and another host that comes as far with one of them: rare.
    let options = Options { prepare, delivery: Some(Guarantee::ExactlyOnce), ..Options::default() };
    is_caught(Promise::NothingLost, &options);
}

#[test]
fn a_partition_that_is_given_up_before_its_transaction_is_answered() {
    let prepare = |machine: &mut Machine| machine.sabotage(Sabotage::TransactionNotAwaited);
    let options = Options { prepare, delivery: Some(Guarantee::ExactlyOnce), ..Options::default() };
    is_caught(Promise::SettledOnce, &options);
}

#[test]
fn a_message_that_is_forgotten_though_no_lease_of_it_ends() {
    let prepare = |machine: &mut Machine| machine.sabotage(Sabotage::ForgottenThoughHeld);
    let options = Options { prepare, ..Options::default() };
    let stuck = |seed| {
        let run = simulate(seed, &options);
        run.setting.contains("without leases") && run.broke_off.is_some_and(|why| why.contains("come to its end"))
    };
    assert!((0..HISTORIES).any(stuck), "not caught in {HISTORIES} histories");
}

#[test]
fn a_stop_that_waits_for_answers_without_a_limit() {
    let prepare = |machine: &mut Machine| machine.sabotage(Sabotage::StopWaitsForAnswers);
    let options = Options { prepare, ..Options::default() };
    let late = |seed| {
        let why = simulate(seed, &options).broke_off;
        why.is_some_and(|why| why.contains("a stop ends within its limits"))
    };
    assert!((0..HISTORIES).any(late), "not caught in {HISTORIES} histories");
}
