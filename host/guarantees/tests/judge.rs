//! The judge is judged: for each promise a history that breaks it, one fact away from one that keeps it.

use cofferdam_core::action::Fate;
use cofferdam_core::outcome::Class;
use cofferdam_core::route::Guarantee;
use cofferdam_core::time::Time;
use cofferdam_guarantees::{Effect, Fact, Judge, Promise, Report, Terms, What};

const TERMS: Terms = Terms {
    delivery: Guarantee::AtLeastOnce,
    max_attempts: 3,
    error_events: true,
    ignores_unrouted: false,
    counts_deliveries: true,
    in_flight: 3,
    sinks_keep_order: true,
    handlers_agree: true,
    comes_to_an_end: true,
    limit: None,
};

const P: &str = "t/0";

fn judge(facts: impl IntoIterator<Item = (u32, What)>) -> Report {
    judge_under(TERMS, facts)
}

fn judge_under(terms: Terms, facts: impl IntoIterator<Item = (u32, What)>) -> Report {
    let mut judge = Judge::new(terms);
    for (micros, (host, what)) in (1..).zip(facts) {
        judge.take(&Fact { at: Time::from_micros(micros), host, what });
    }
    judge.finish()
}

/// This promise is broken, and no other.
#[track_caller]
fn breaks(promise: Promise, facts: impl IntoIterator<Item = (u32, What)>) {
    let report = judge(facts);
    let broken: Vec<Promise> = report.broken().map(|kept| kept.promise).collect();
    assert_eq!(broken, [promise], "{report}");
}

#[track_caller]
fn breaks_among_others(promise: Promise, facts: impl IntoIterator<Item = (u32, What)>) {
    let report = judge(facts);
    assert!(report.of(promise).broken > 0, "{report}");
}

#[track_caller]
fn keeps(facts: impl IntoIterator<Item = (u32, What)>) -> Report {
    let report = judge(facts);
    assert!(report.is_kept(), "{report}");
    report
}

fn produced(record: &str, lane: Option<&str>) -> (u32, What) {
    (0, What::Produced { record: record.into(), lane: lane.map(Into::into), event_id: None })
}

fn found(record: &str, effect: Effect) -> (u32, What) {
    (0, What::Found { record: record.into(), effect })
}

fn outstanding(record: &str) -> (u32, What) {
    (0, What::Outstanding { record: record.into() })
}

/// What one process of a host does.
#[derive(Clone, Copy)]
struct Host(u32);

const A: Host = Host(1);
const B: Host = Host(2);

impl Host {
    fn assigned(self) -> (u32, What) {
        (self.0, What::Assigned { partitions: vec![P.into()] })
    }

    fn lost(self) -> (u32, What) {
        (self.0, What::Lost { partitions: vec![P.into()] })
    }

    fn gave_up(self) -> (u32, What) {
        (self.0, What::GaveUp { partitions: vec![P.into()] })
    }

    fn killed(self) -> (u32, What) {
        (self.0, What::Killed)
    }

    fn stopped(self) -> (u32, What) {
        (self.0, What::Stopped)
    }

    fn received(self, records: &[&str]) -> (u32, What) {
        (self.0, What::Received { records: records.iter().map(|record| (*record).into()).collect() })
    }

    fn handling(self, record: &str, attempt: u32) -> (u32, What) {
        (self.0, What::Handling { record: record.into(), attempt })
    }

    fn handled(self, record: &str, attempt: u32, outcome: Class, outputs: u32) -> (u32, What) {
        (self.0, What::Handled { record: record.into(), attempt, outcome, outputs })
    }

    fn durable(self, record: &str, effect: Effect) -> (u32, What) {
        (self.0, What::Durable { record: record.into(), effect })
    }

    fn settled(self, record: &str, fate: Fate) -> (u32, What) {
        (self.0, What::Settled { record: record.into(), fate })
    }

    fn commits(self, offset: i64, finished: &[i64], attempts: &[(i64, u32)]) -> (u32, What) {
        let (finished, attempts) = (finished.iter().map(|offset| (*offset, offset + 1)).collect(), attempts.into());
        (self.0, What::Commits { partition: P.into(), offset, finished, attempts })
    }

    fn committed(self, offset: i64) -> (u32, What) {
        (self.0, What::Committed { partition: P.into(), offset })
    }

    fn deletes(self, record: &str) -> (u32, What) {
        (self.0, What::Deletes { record: record.into() })
    }

    fn deleted(self, record: &str) -> (u32, What) {
        (self.0, What::Deleted { record: record.into() })
    }

    fn draining(self) -> (u32, What) {
        (self.0, What::Draining)
    }

    fn lease_lost(self, record: &str) -> (u32, What) {
        (self.0, What::LeaseLost { record: record.into() })
    }

    /// Handles a record well, with one output.
    fn does(self, record: &str, attempt: u32) -> Vec<(u32, What)> {
        vec![
            self.handling(record, attempt),
            self.handled(record, attempt, Class::Done, 1),
            self.durable(record, Effect::Output(0)),
            self.settled(record, Fate::Done),
        ]
    }

    /// The same with a message, whose deletion is not answered.
    fn does_and_deletes(self, record: &str, attempt: u32) -> Vec<(u32, What)> {
        vec![
            self.handling(record, attempt),
            self.handled(record, attempt, Class::Done, 1),
            self.durable(record, Effect::Output(0)),
            self.deletes(record),
        ]
    }

    fn fails(self, record: &str, attempt: u32) -> Vec<(u32, What)> {
        vec![self.handling(record, attempt), self.handled(record, attempt, Class::Retryable, 0)]
    }

    fn commit(self, offset: i64) -> Vec<(u32, What)> {
        vec![self.commits(offset, &[], &[]), self.committed(offset)]
    }
}

/// Parts of a history, one after the other.
fn history(parts: impl IntoIterator<Item = Vec<(u32, What)>>) -> Vec<(u32, What)> {
    parts.into_iter().flatten().collect()
}

/// Two records of one key in a partition of host A.
fn two() -> Vec<(u32, What)> {
    vec![produced("t/0/0", Some("k")), produced("t/0/1", Some("k")), A.assigned(), A.received(&["t/0/0", "t/0/1"])]
}

/// A message that host A has received.
fn message() -> Vec<(u32, What)> {
    vec![produced("m-0", Some("g")), produced("m-1", Some("g")), A.received(&["m-0", "m-1"])]
}

fn all(numbers: std::ops::Range<u32>) -> Vec<(u32, What)> {
    numbers.map(|number| found(&format!("t/0/{number}"), Effect::Output(0))).collect()
}

#[test]
fn a_history_as_it_should_be() {
    let stored = vec![
        A.handling("t/0/1", 1),
        A.handled("t/0/1", 1, Class::Permanent, 0),
        A.durable("t/0/1", Effect::DeadLetter),
        A.durable("t/0/1", Effect::ErrorEvent),
        A.settled("t/0/1", Fate::DeadLettered),
    ];
    let read =
        vec![found("t/0/0", Effect::Output(0)), found("t/0/1", Effect::DeadLetter), found("t/0/1", Effect::ErrorEvent)];
    let report = keeps(history([two(), A.does("t/0/0", 1), stored, A.commit(2), vec![A.stopped()], read]));
    let figures = report.figures;
    assert_eq!((figures.records, figures.handled, figures.dead_lettered, figures.attempts), (2, 1, 1, 2));
    assert_eq!((figures.repeats, figures.faults, figures.most_in_flight), (0, 0, 2));
    let of_others = [Promise::NotMoved, Promise::ExactlyOnce, Promise::Timely, Promise::OthersGoOn, Promise::PauseKept];
    assert!(report.promises.iter().all(|kept| kept.checked > 0 || of_others.contains(&kept.promise)), "{report}");
}

#[test]
fn a_refused_dead_letter_holds_its_key_and_no_other() {
    let fails = || {
        let three = [produced("t/0/0", Some("k")), produced("t/0/1", Some("k")), produced("t/0/2", Some("other"))];
        let received = A.received(&["t/0/0", "t/0/1", "t/0/2"]);
        let first = [A.handling("t/0/0", 1), A.handled("t/0/0", 1, Class::Permanent, 0)];
        let refused = (A.0, What::Refused { record: "t/0/0".into(), effect: Effect::DeadLetter });
        let all = three.into_iter().chain([A.assigned(), received]).chain(first).chain([refused]);
        all.collect::<Vec<_>>()
    };
    let quiet = || vec![(0, What::Quiet)];
    let report = judge(history([fails(), A.does("t/0/2", 1), quiet()]));
    assert_eq!(report.of(Promise::OthersGoOn).broken, 0, "{report}");
    let report = judge(history([fails(), quiet()]));
    assert_eq!(report.of(Promise::OthersGoOn).broken, 1, "the other key waits for nothing: {report}");
}

#[test]
fn in_a_pause_each_attempt_was_asked_for() {
    let [paused, resumed, tries] = [What::Paused, What::Resumed, What::TriesOne].map(|what| vec![(A.0, what)]);
    let (one, other) = (|| A.does("t/0/0", 1), || A.does("t/0/1", 1));
    let whole = |parts: [Vec<(u32, What)>; 5]| judge(history([two(), history(parts), A.commit(2), all(0..2)]));
    let none = Vec::new;
    for (parts, broken) in [
        ([paused.clone(), tries.clone(), one(), resumed.clone(), other()], 0),
        ([paused.clone(), tries.clone(), one(), vec![A.draining()], other()], 0),
        // It was asked for before the pause.
        ([tries.clone(), paused.clone(), one(), resumed, other()], 1),
        ([paused.clone(), tries.clone(), one(), paused, other()], 1),
        ([none(), tries, one(), none(), other()], 0),
    ] {
        let report = whole(parts);
        assert_eq!(report.of(Promise::PauseKept).broken, broken, "{report}");
    }
}

#[test]
fn a_queue_as_it_should_be() {
    let ends = vec![A.handling("m-0", 1), A.handled("m-0", 1, Class::Done, 0), A.deletes("m-0"), A.deleted("m-0")];
    let then = vec![A.settled("m-0", Fate::Done), A.handling("m-1", 1), A.handled("m-1", 1, Class::Done, 0)];
    let last = vec![A.deletes("m-1"), A.deleted("m-1"), A.settled("m-1", Fate::Done), A.stopped()];
    keeps(history([message(), ends, then, last]));
}

#[test]
fn promise_1_a_commit_before_an_output_is_durable() {
    let early = vec![A.handling("t/0/0", 1), A.handled("t/0/0", 1, Class::Done, 1), A.commits(1, &[], &[])];
    breaks_among_others(Promise::DurableFirst, history([two(), early]));
}

#[test]
fn promise_1_an_error_that_is_settled_without_its_dead_letter() {
    let early = vec![
        A.handling("t/0/0", 1),
        A.handled("t/0/0", 1, Class::Permanent, 0),
        A.durable("t/0/0", Effect::ErrorEvent),
        A.settled("t/0/0", Fate::DeadLettered),
    ];
    breaks_among_others(Promise::DurableFirst, history([two(), early]));
}

#[test]
fn promise_1_a_delete_before_an_output_is_durable() {
    let early = vec![A.handling("m-0", 1), A.handled("m-0", 1, Class::Done, 1), A.deletes("m-0")];
    breaks_among_others(Promise::DurableFirst, history([message(), early]));
}

#[test]
fn promise_2_a_delivery_that_is_settled_twice() {
    let twice = vec![A.settled("t/0/1", Fate::Done)];
    let done = history([A.does("t/0/0", 1), A.does("t/0/1", 1)]);
    breaks(Promise::SettledOnce, history([two(), done, twice, A.commit(2), all(0..2)]));
}

#[test]
fn promise_2_a_commit_of_a_partition_that_was_lost() {
    let other = history([vec![B.assigned(), B.received(&["t/0/0", "t/0/1"])], B.does("t/0/0", 1), B.does("t/0/1", 1)]);
    let late = history([vec![A.lost()], other, vec![A.commits(1, &[], &[])], B.commit(2), all(0..2)]);
    breaks(Promise::SettledOnce, history([two(), A.does("t/0/0", 1), late]));
}

#[test]
fn promise_2_a_delete_after_the_lease_was_lost() {
    let done = vec![A.handling("m-0", 1), A.handled("m-0", 1, Class::Done, 0)];
    let late = vec![A.lease_lost("m-0"), A.settled("m-0", Fate::Revoked), A.deletes("m-0")];
    breaks_among_others(Promise::SettledOnce, history([message(), done, late]));
}

#[test]
fn promise_2_a_record_that_was_begun_and_never_ended() {
    let begun = vec![A.handling("t/0/0", 1), A.gave_up()];
    let other = history([vec![B.assigned(), B.received(&["t/0/0", "t/0/1"])], B.does("t/0/0", 1), B.does("t/0/1", 1)]);
    breaks(Promise::SettledOnce, history([two(), begun, other, B.commit(2), all(0..2)]));
}

#[test]
fn promise_3_a_commit_past_a_record_that_is_not_settled() {
    let done = history([A.does("t/0/0", 1), A.does("t/0/1", 1)]);
    let other = history([vec![A.killed(), B.assigned(), B.received(&["t/0/0", "t/0/1"])], B.commit(2)]);
    breaks(Promise::CommitOrder, history([two(), done, other, all(0..2)]));
}

#[test]
fn promise_3_a_commit_that_the_broker_takes_from_who_has_lost_the_partition() {
    let done = history([A.does("t/0/0", 1), vec![B.assigned()], A.commit(1)]);
    let rest = history([vec![B.received(&["t/0/1"])], B.does("t/0/1", 1), B.commit(2)]);
    breaks(Promise::CommitOrder, history([two(), done, rest, all(0..2)]));
}

#[test]
fn promise_3_a_commit_that_goes_back() {
    let done = history([A.does("t/0/0", 1), A.does("t/0/1", 1)]);
    breaks(Promise::CommitOrder, history([two(), done.clone(), A.commit(2), A.commit(1), all(0..2)]));
    // The group's offset goes with its topic, so a host that asks what became of its commit finds nothing and repeats it.
    let deleted = vec![(0, What::TopicDeleted { partition: P.into() })];
    keeps(history([two(), done, deleted, A.commit(2), A.commit(1), all(0..2)]));
    // A host that stood still hears of its commit after the next owner has heard of a later one.
    let asks = history([A.does("t/0/0", 1), vec![A.commits(1, &[], &[]), B.assigned(), B.received(&["t/0/1"])]]);
    let hears = vec![A.lost(), A.committed(1)];
    keeps(history([two(), asks, B.does("t/0/1", 1), B.commit(2), hears, all(0..2)]));
}

#[test]
fn promise_3_a_finished_offset_that_is_not() {
    breaks_among_others(Promise::CommitOrder, history([two(), vec![A.commits(0, &[1], &[])]]));
}

#[test]
fn promise_4_two_hands_on_one_key() {
    let both = vec![A.handling("t/0/0", 1), A.handling("t/0/1", 1)];
    breaks_among_others(Promise::KeyOrder, history([two(), both]));
}

#[test]
fn promise_4_one_that_overtakes_a_retry() {
    let passes = history([A.fails("t/0/0", 1), A.does("t/0/1", 1), A.does("t/0/0", 2)]);
    breaks(Promise::KeyOrder, history([two(), passes, A.commit(2), all(0..2)]));
}

#[test]
fn promise_4_across_hosts() {
    // One that does not know that the partition is gone counts for nothing; who has it now does.
    let taken = vec![A.handling("t/0/0", 1), B.assigned(), B.received(&["t/0/0", "t/0/1"])];
    let other = history([B.does("t/0/0", 1), B.does("t/0/1", 1), B.commit(2), all(0..2)]);
    let zombie = keeps(history([two(), taken.clone(), other.clone()]));
    assert_eq!((zombie.figures.faults, zombie.figures.at_risk), (1, 2));
    let wrong = history([vec![B.handling("t/0/1", 1)]]);
    breaks_among_others(Promise::KeyOrder, history([two(), taken, wrong, other]));
}

#[test]
fn in_transactions_an_attempt_counts_once_its_offset_is_committed() {
    let stops = vec![A.handling("t/0/1", 1), A.handled("t/0/1", 1, Class::Done, 0), A.settled("t/0/1", Fate::Released)];
    let then = vec![A.stopped(), B.assigned(), B.received(&["t/0/1"])];
    let again = vec![B.handling("t/0/1", 1), B.handled("t/0/1", 1, Class::Done, 0)];
    let last = vec![B.commits(2, &[], &[]), B.committed(2), B.settled("t/0/1", Fate::Done)];
    let facts = history([two(), A.does("t/0/0", 1), A.commit(1), stops, then, again, last, all(0..1)]);
    let report = judge_under(Terms { delivery: Guarantee::ExactlyOnce, ..TERMS }, facts.clone());
    assert!(report.is_kept(), "{report}");
    breaks(Promise::RepeatsBounded, facts);
}

#[test]
fn promise_3_two_commits_of_one_offset_have_two_answers() {
    let both = vec![A.commits(1, &[], &[]), A.commits(1, &[2], &[]), A.committed(1), A.committed(1)];
    let begins = history([two(), A.does("t/0/0", 1), both]);
    let ends = history([A.does("t/0/1", 1), A.commit(2), all(0..2)]);
    keeps(history([begins.clone(), ends.clone()]));
    breaks(Promise::CommitOrder, history([begins, vec![A.committed(1)], ends]));
}

#[test]
fn promise_3_an_assignment_that_was_withdrawn_before_it_was_heard_of_takes_nothing_from_anybody() {
    let first = || history([two(), vec![B.assigned()]]);
    let rest = || history([A.does("t/0/1", 1), A.commit(2), all(0..2)]);
    // It is lost at once, and the one who had the partition goes on, with what it had settled too.
    keeps(history([two(), A.does("t/0/0", 1), vec![B.assigned(), B.lost()], rest()]));
    keeps(history([first(), vec![B.lost()], A.does("t/0/0", 1), rest()]));
    // Or the broker takes a commit before that is heard.
    keeps(history([first(), A.does("t/0/0", 1), A.commit(1), vec![B.lost()], rest()]));
    keeps(history([first(), A.does("t/0/0", 1), A.commit(1), vec![B.killed()], rest()]));
    // What it has handled meanwhile is no order and no attempt for the one who has the partition.
    let before = vec![A.handling("t/0/0", 1), A.handled("t/0/0", 1, Class::Retryable, 0), B.assigned()];
    let taken = vec![B.received(&["t/0/0", "t/0/1"]), B.handling("t/0/0", 2), B.handled("t/0/0", 2, Class::Done, 0)];
    let tried = |attempt| vec![B.handling("t/0/1", attempt), B.handled("t/0/1", attempt, Class::Retryable, 0)];
    let vouched = vec![B.lost(), A.committed(0), A.handling("t/0/0", 2), A.handled("t/0/0", 2, Class::Done, 1)];
    let durable = vec![A.durable("t/0/0", Effect::Output(0))];
    let asked = history([two(), vec![A.commits(0, &[], &[])]]);
    keeps(history([asked, before, taken, tried(1), tried(2), vouched, durable, rest()]));
    // What was begun before and handed back after is settled when the partition is given up.
    let begun = vec![A.handling("t/0/1", 1), B.assigned(), B.lost(), A.handled("t/0/1", 1, Class::Retryable, 0)];
    let back = vec![A.settled("t/0/1", Fate::Revoked)];
    let given = history([A.commit(1), vec![A.commits(1, &[], &[(1, 1)]), A.gave_up(), A.committed(1), B.assigned()]]);
    let again = history([vec![B.received(&["t/0/1"])], B.does("t/0/1", 2), B.commit(2), all(0..2)]);
    keeps(history([two(), A.does("t/0/0", 1), begun, back, given, again]));
    // Where the owner was taken at its word, nobody else is.
    let taken = history([vec![B.received(&["t/0/0"])], B.does("t/0/0", 1), B.commit(1), vec![B.lost()]]);
    breaks_among_others(Promise::CommitOrder, history([first(), taken, rest()]));
}

#[test]
fn promise_4_what_a_host_had_fetched_before_it_stood_still() {
    // It is handed over after the partition went to somebody else, and before the host hears so.
    let slow = history([vec![A.received(&["t/0/0"]), A.handling("t/0/0", 1), A.lost()], B.does("t/0/0", 1)]);
    let late = vec![A.settled("t/0/0", Fate::Revoked)];
    let begins = vec![produced("t/0/0", Some("k")), A.assigned(), B.assigned(), B.received(&["t/0/0"])];
    let facts = [begins, slow, late, B.commit(1), all(0..1)];
    let report = keeps(history(facts));
    assert_eq!((report.figures.zombies, report.figures.at_risk), (1, 1));
    // It is even done with it before the other one begins: then that one repeats it, once.
    let first = history([vec![A.received(&["t/0/0"])], A.does("t/0/0", 1), vec![A.lost(), B.received(&["t/0/0"])]]);
    let begins = vec![produced("t/0/0", Some("k")), A.assigned(), B.assigned()];
    let facts = history([begins, first, B.does("t/0/0", 1)]);
    let report = keeps(history([facts.clone(), B.commit(1), all(0..1)]));
    assert_eq!((report.figures.zombies, report.figures.at_risk, report.figures.repeats), (1, 1, 1));
    // Where it comes last, it is the one who repeats, and nobody may after it.
    let last = history([B.does("t/0/0", 1), vec![A.received(&["t/0/0"])], A.does("t/0/0", 1), vec![A.lost()]]);
    let begins = vec![produced("t/0/0", Some("k")), A.assigned(), B.assigned(), B.received(&["t/0/0"])];
    let facts = history([begins, last, B.commit(1)]);
    let report = keeps(history([facts.clone(), all(0..1)]));
    assert_eq!((report.figures.zombies, report.figures.at_risk, report.figures.repeats), (1, 1, 1));
    let again = history([vec![B.gave_up(), A.assigned(), A.received(&["t/0/0"])], A.does("t/0/0", 1)]);
    // That one, and the sum of all repeats.
    assert_eq!(judge(history([facts, again])).of(Promise::RepeatsBounded).broken, 2);
    // Who has never had the partition has no such excuse.
    let stranger = history([vec![B.received(&["t/0/0"]), B.handling("t/0/0", 1)], A.does("t/0/0", 1)]);
    let begins = vec![produced("t/0/0", Some("k")), A.assigned(), A.received(&["t/0/0"])];
    breaks(Promise::SettledOnce, history([begins, stranger, A.commit(1), all(0..1)]));
}

#[test]
fn promise_4_outputs_stand_in_the_order_of_their_records() {
    let handled = history([two(), A.does("t/0/0", 1), A.does("t/0/1", 1), A.commit(2)]);
    let output = |record| found(record, Effect::Output(0));
    let again = vec![output("t/0/0"), output("t/0/1"), output("t/0/0")];
    keeps(history([handled.clone(), again]));
    breaks(Promise::KeyOrder, history([handled, vec![output("t/0/1"), output("t/0/0")]]));
}

#[test]
fn promise_4_what_a_host_repeats_it_repeats_in_order() {
    let first = history([A.does("t/0/0", 1), A.does("t/0/1", 1), vec![A.killed(), B.assigned()]]);
    let again = vec![B.received(&["t/0/0", "t/0/1"])];
    let ends = history([B.commit(2), all(0..2)]);
    keeps(history([two(), first.clone(), again.clone(), B.does("t/0/0", 1), B.does("t/0/1", 1), ends.clone()]));
    breaks(Promise::KeyOrder, history([two(), first, again, B.does("t/0/1", 1), B.does("t/0/0", 1), ends]));
}

#[test]
fn promise_6_more_in_flight_than_the_bound() {
    let records = ["t/0/0", "t/0/1", "t/0/2", "t/0/3"];
    let produced = records.map(|record| produced(record, None)).to_vec();
    let handled = records.iter().flat_map(|record| A.does(record, 1)).collect();
    let facts = [produced, vec![A.assigned(), A.received(&records)], handled, A.commit(4), all(0..4)];
    breaks(Promise::Bounded, history(facts));
}

#[test]
fn promise_7_an_output_of_an_attempt_that_failed() {
    let emits = history([A.fails("t/0/0", 1), vec![A.durable("t/0/0", Effect::Output(0))]]);
    let rest = history([A.does("t/0/0", 2), A.does("t/0/1", 1), A.commit(2), all(0..2)]);
    breaks(Promise::FailedIsSilent, history([two(), emits, rest]));
}

#[test]
fn promise_7_an_output_that_only_the_reader_sees() {
    let done = history([A.does("t/0/0", 1), A.does("t/0/1", 1), A.commit(2), all(0..2)]);
    breaks(Promise::FailedIsSilent, history([two(), done, vec![found("t/0/1", Effect::Output(7))]]));
}

#[test]
fn promise_8_one_that_is_acknowledged_and_outstanding() {
    let done = history([A.does("t/0/0", 1), A.does("t/0/1", 1), A.commit(2), all(0..2)]);
    breaks_among_others(Promise::OneEnd, history([two(), done, vec![outstanding("t/0/1")]]));
}

#[test]
fn promise_8_one_that_is_nowhere() {
    breaks(Promise::OneEnd, history([two(), A.does("t/0/0", 1), A.commit(1), all(0..1)]));
}

#[test]
fn promise_8_one_that_nobody_has_produced() {
    breaks_among_others(Promise::OneEnd, vec![A.assigned(), A.received(&["t/0/0"])]);
}

#[test]
fn nothing_is_lost_an_effect_that_is_not_there() {
    let done = history([A.does("t/0/0", 1), A.does("t/0/1", 1), A.commit(2), all(0..1)]);
    breaks(Promise::NothingLost, history([two(), done]));
}

#[test]
fn nothing_is_lost_a_record_that_is_skipped() {
    // The new owner starts behind it, and no commit ever said that it was settled.
    let skips = history([vec![A.killed(), B.assigned(), B.received(&["t/0/1"])], B.does("t/0/1", 1), B.commit(2)]);
    breaks_among_others(Promise::NothingLost, history([two(), skips, all(1..2)]));
}

#[test]
fn nothing_is_lost_a_history_that_does_not_end() {
    let left = vec![outstanding("t/0/1")];
    breaks(Promise::NothingLost, history([two(), A.does("t/0/0", 1), A.commit(1), all(0..1), left]));
}

#[test]
fn repeats_are_bounded_by_what_was_in_flight() {
    let other = |host: Host| vec![host.assigned(), host.received(&["t/0/0", "t/0/1"])];
    let first = history([two(), A.does("t/0/0", 1)]);
    let again = history([other(B), B.does("t/0/0", 1), B.does("t/0/1", 1), B.commit(2), all(0..2)]);
    // Killed with the record in flight: a repeat is what that costs.
    let report = keeps(history([first.clone(), vec![A.killed()], again.clone()]));
    assert_eq!((report.figures.at_risk, report.figures.repeats), (2, 1));
    // Given up in good order: a repeat is one too many.
    breaks(Promise::RepeatsBounded, history([first.clone(), vec![A.gave_up()], again.clone()]));
    breaks(Promise::RepeatsBounded, history([first.clone(), vec![A.stopped()], again.clone()]));
    // What a commit covers is not in flight.
    breaks(Promise::RepeatsBounded, history([first.clone(), A.commit(1), vec![A.killed()], again.clone()]));
    // One fault, one repeat.
    let thrice = history([other(B), B.does("t/0/0", 1), vec![B.gave_up()], again]);
    breaks(Promise::RepeatsBounded, history([first, vec![A.killed()], thrice]));
}

#[test]
fn a_repeat_that_two_hosts_go_on_with_counts_once_for_each_fault() {
    let lost = |host: Host| host.lease_lost("m-0");
    let done = history([vec![produced("m-0", None), A.received(&["m-0"])], A.does_and_deletes("m-0", 1)]);
    let repeated = history([vec![lost(A), A.settled("m-0", Fate::Revoked), B.received(&["m-0"])], B.fails("m-0", 1)]);
    // It goes back in good order, and A, which goes on with it, loses it before it begins.
    let returned = vec![B.draining(), B.settled("m-0", Fate::Released), A.received(&["m-0"]), lost(A)];
    let other = history([vec![B.received(&["m-0"])], B.fails("m-0", 2)]);
    let late = vec![A.handling("m-0", 2)];
    let ends = vec![
        A.settled("m-0", Fate::Revoked),
        (A.0, What::Discarded { record: "m-0".into(), attempt: 2 }),
        B.handling("m-0", 3),
        B.handled("m-0", 3, Class::Done, 1),
        B.durable("m-0", Effect::Output(0)),
        B.deletes("m-0"),
        B.deleted("m-0"),
        B.settled("m-0", Fate::Done),
        found("m-0", Effect::Output(0)),
    ];
    let report = keeps(history([done, repeated, returned, other, late, ends]));
    assert_eq!((report.figures.at_risk, report.figures.repeats), (2, 2));
}

#[test]
fn what_is_finished_above_the_commit_point_is_not_in_flight() {
    let finished = history([A.does("t/0/1", 1), vec![A.commits(0, &[1], &[]), A.committed(0), A.killed()]]);
    let facts = vec![produced("t/0/0", None), produced("t/0/1", None), A.assigned(), A.received(&["t/0/0", "t/0/1"])];
    let other = vec![B.assigned(), B.received(&["t/0/0", "t/0/1"])];
    let ends = history([B.commit(2), all(0..2)]);
    keeps(history([facts.clone(), finished.clone(), other.clone(), B.does("t/0/0", 1), ends.clone()]));
    let again = history([B.does("t/0/0", 1), B.does("t/0/1", 1)]);
    breaks(Promise::RepeatsBounded, history([facts, finished, other, again, ends]));
}

#[test]
fn a_message_whose_lease_was_lost_may_come_again() {
    let stored = |host: Host, attempt| {
        vec![host.handling("m-0", attempt), host.handled("m-0", attempt, Class::Done, 0), host.deletes("m-0")]
    };
    let rest = vec![
        B.deleted("m-0"),
        B.settled("m-0", Fate::Done),
        A.handling("m-1", 1),
        A.handled("m-1", 1, Class::Done, 0),
        A.deletes("m-1"),
        A.deleted("m-1"),
        A.settled("m-1", Fate::Done),
    ];
    let lost = vec![A.lease_lost("m-0"), A.settled("m-0", Fate::Revoked), B.received(&["m-0"])];
    keeps(history([message(), stored(A, 1), lost, stored(B, 2), rest.clone()]));
    let deleted = vec![A.deleted("m-0"), A.settled("m-0", Fate::Done), B.received(&["m-0"])];
    breaks(Promise::RepeatsBounded, history([message(), stored(A, 1), deleted, stored(B, 2), rest]));
}

#[test]
fn attempts_never_exceed_the_limit() {
    let tries: Vec<_> = (1..=3).flat_map(|attempt| A.fails("t/0/0", attempt)).collect();
    let rest = history([A.does("t/0/1", 1), A.commit(2), all(0..2)]);
    breaks(Promise::AttemptsCounted, history([two(), tries, A.does("t/0/0", 4), rest]));
}

#[test]
fn attempts_are_counted_one_by_one() {
    let rest = || history([A.does("t/0/1", 1), A.commit(2), all(0..2)]);
    keeps(history([two(), A.fails("t/0/0", 1), A.does("t/0/0", 2), rest()]));
    breaks(Promise::AttemptsCounted, history([two(), A.fails("t/0/0", 1), A.does("t/0/0", 1), rest()]));
    breaks(Promise::AttemptsCounted, history([two(), A.fails("t/0/0", 1), A.does("t/0/0", 3), rest()]));
}

#[test]
fn attempts_do_not_fall_back_behind_what_was_committed() {
    let known = vec![A.commits(0, &[], &[(0, 1)]), A.committed(0), A.killed(), B.assigned()];
    let tried = history([two(), A.fails("t/0/0", 1), known, vec![B.received(&["t/0/0", "t/0/1"])]]);
    let rest = history([B.does("t/0/1", 1), B.commit(2), all(0..2)]);
    keeps(history([tried.clone(), B.does("t/0/0", 2), rest.clone()]));
    breaks(Promise::AttemptsCounted, history([tried, B.does("t/0/0", 1), rest]));
}

#[test]
fn attempts_on_a_message_are_counted_across_hosts() {
    let fails = history([message(), A.fails("m-0", 1), vec![A.settled("m-0", Fate::Released), B.received(&["m-0"])]]);
    let ends = |attempt| {
        vec![
            B.handling("m-0", attempt),
            B.handled("m-0", attempt, Class::Done, 0),
            B.deletes("m-0"),
            B.deleted("m-0"),
            B.settled("m-0", Fate::Done),
            A.handling("m-1", 1),
            A.handled("m-1", 1, Class::Done, 0),
            A.deletes("m-1"),
            A.deleted("m-1"),
            A.settled("m-1", Fate::Done),
        ]
    };
    keeps(history([fails.clone(), ends(2)]));
    breaks(Promise::AttemptsCounted, history([fails, ends(1)]));
}

fn redriven(record: &str) -> (u32, What) {
    (0, What::Redriven { record: record.into() })
}

#[test]
fn only_a_host_that_stops_or_has_lost_the_one_before_hands_a_message_back_unseen() {
    let ends = |host: Host, record| {
        vec![
            host.handling(record, 1),
            host.handled(record, 1, Class::Done, 0),
            host.deletes(record),
            host.deleted(record),
            host.settled(record, Fate::Done),
        ]
    };
    let later = || history([vec![A.settled("m-1", Fate::Released), B.received(&["m-1"])], ends(B, "m-1")]);
    keeps(history([message(), vec![A.draining()], ends(A, "m-0"), later()]));
    breaks(Promise::NotMoved, history([message(), ends(A, "m-0"), later()]));
    let lost = vec![A.lease_lost("m-0"), A.settled("m-0", Fate::Revoked), A.settled("m-1", Fate::Released)];
    let rest = history([vec![B.received(&["m-0", "m-1"])], ends(B, "m-0"), ends(B, "m-1")]);
    keeps(history([message(), lost, rest]));
}

#[test]
fn a_queue_moves_away_what_a_fault_has_cost_its_last_receive_and_nothing_that_was_handed_back() {
    let rest = |host: Host| {
        let done = vec![host.handling("m-1", 1), host.handled("m-1", 1, Class::Done, 0)];
        history([done, vec![host.deletes("m-1"), host.deleted("m-1"), host.settled("m-1", Fate::Done)]])
    };
    let killed = vec![A.killed(), redriven("m-0"), B.received(&["m-1"])];
    keeps(history([message(), killed, rest(B)]));
    let back = vec![A.draining(), A.settled("m-0", Fate::Released), redriven("m-0")];
    breaks(Promise::NotMoved, history([message(), back, rest(A)]));
}

#[test]
fn facts_are_written_and_read_line_by_line() {
    let facts = history([
        two(),
        A.does("t/0/0", 1),
        vec![A.commits(1, &[3], &[(1, 2)])],
        message(),
        vec![A.draining(), redriven("m-0")],
        all(0..1),
    ]);
    for (host, what) in facts {
        let fact = Fact { at: Time::from_micros(5), host, what };
        let line = serde_json::to_string(&fact).expect("facts can be written");
        assert_eq!(serde_json::from_str::<Fact>(&line).expect("and read"), fact, "{line}");
    }
}

fn moved(offset: i64) -> (u32, What) {
    (0, What::Moved { partition: P.into(), offset })
}

fn both_done_and_moved(offset: i64) -> Vec<(u32, What)> {
    let done = history([two(), A.does("t/0/0", 1), A.does("t/0/1", 1), A.commit(2), vec![A.killed(), moved(offset)]]);
    history([done, vec![B.assigned()]])
}

#[test]
fn what_an_offset_was_moved_back_over_is_handled_again() {
    let again = history([vec![B.received(&["t/0/1"])], B.does("t/0/1", 1), B.commit(2), all(0..2)]);
    keeps(history([both_done_and_moved(1), again]));
}

#[test]
fn nothing_is_lost_a_record_that_is_skipped_after_an_offset_was_moved_back_over_it() {
    // The new owner takes it for finished.
    let skips = history([vec![B.received(&["t/0/1"])], B.commit(2), all(0..2)]);
    breaks_among_others(Promise::DurableFirst, history([both_done_and_moved(1), skips]));
    breaks(Promise::OneEnd, history([both_done_and_moved(1), all(0..2)]));
}

#[test]
fn what_an_offset_was_moved_beyond_is_nobodys() {
    keeps(history([
        two(),
        vec![A.killed(), moved(1), B.assigned(), B.received(&["t/0/1"])],
        B.does("t/0/1", 1),
        B.commit(2),
        all(1..2),
    ]));
}

#[test]
fn what_a_topic_took_along_when_it_was_deleted_is_nobodys_and_what_the_next_has_is_handled() {
    let deleted = || (0, What::TopicDeleted { partition: P.into() });
    keeps(history([two(), vec![deleted(), A.lost()]]));
    let next = vec![deleted(), produced("t#1/0/0", None)];
    breaks_among_others(Promise::OneEnd, history([two(), next]));
}
