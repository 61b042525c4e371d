//! What becomes of an attempt: a scenario for each rule, on Kafka where the source makes no difference.

use std::time::Duration;

use cofferdam_core::action::{Circuit, Fate, Next};
use cofferdam_core::breaker::Breaker;
use cofferdam_core::machine::{Machine, Sabotage};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::route::{Bounds, Guarantee, Route};
use cofferdam_core::verdict::{Policy, Unrouted};
use cofferdam_guarantees::simulation::{
    SECOND, Sending, Stored, World, failure, invalid, rejected, route, unavailable,
};

fn trap(place: u64) -> Failure {
    Failure { place: Some(place), ..failure(Class::Trapped) }
}

fn names(stored: &[Stored]) -> Vec<&str> {
    stored.iter().map(|stored| &*stored.publication.destination.name).collect()
}

/// One record, with a worker.
fn one_record() -> World {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a"]);
    world
}

#[test]
fn nothing_is_acknowledged_before_its_outputs_are_durable() {
    let mut world = one_record();
    world.done("t/0/0", 2);
    world.answer(1, None);
    world.wait(10 * SECOND);
    assert_eq!((world.seen().fates.len(), world.seen().commits.len()), (0, 0));
    world.answer(0, None);
    assert_eq!(world.seen().fates, [("t/0/0".to_owned(), Fate::Done)]);
    world.wait(SECOND);
    assert_eq!(world.seen().commits[0].offset, 1);
    assert_eq!(world.machine().account().outputs, 2);
}

#[test]
fn no_more_run_at_once_than_the_route_says() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["", "", "", "", "", ""]);
    assert_eq!(world.in_hand(), ["t/0/0", "t/0/1", "t/0/2", "t/0/3"]);
    world.done("t/0/2", 0);
    assert_eq!(world.in_hand().len(), 4);
}

#[test]
fn a_retry_parks_the_key_and_not_the_partition() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "a", "b"]);
    assert_eq!(world.in_hand(), ["t/0/0", "t/0/2"]);
    world.fail("t/0/0", failure(Class::Retryable));
    world.done("t/0/2", 0);
    world.produce(&["b"]);
    assert_eq!(world.in_hand(), ["t/0/3"], "the other key goes on, the same waits");
    world.wait(SECOND);
    assert_eq!(world.in_hand(), ["t/0/3"], "the broker does not know yet that it was tried");
    world.answer_commit(true);
    assert_eq!(world.in_hand(), ["t/0/3", "t/0/0"]);
    assert_eq!(world.attempt("t/0/0"), 2);
    world.done("t/0/0", 0);
    assert!(world.in_hand().contains(&"t/0/1".to_owned()));
}

#[test]
fn attempts_used_up_is_a_dead_letter_and_an_error_event_and_then_a_commit() {
    let mut world = one_record();
    for attempt in 1..=4 {
        world.fail("t/0/0", failure(Class::Retryable));
        assert_eq!(world.seen().troubles.len(), attempt);
        world.pass(10 * SECOND);
    }
    assert_eq!(world.attempt("t/0/0"), 5);
    world.fail("t/0/0", failure(Class::Retryable));
    world.wait(10 * SECOND);
    assert!(world.seen().commits.iter().all(|commit| commit.offset == 0));
    world.store_all();
    assert_eq!(names(&world.sinks.stored), ["dead", "errors"]);
    assert_eq!(world.seen().fates, [("t/0/0".to_owned(), Fate::DeadLettered)]);
    world.wait(SECOND);
    assert_eq!(world.seen().commits.last().map(|commit| commit.offset), Some(1));
    assert_eq!((world.machine().account().retried, world.machine().account().outputs), (4, 0));
}

#[test]
fn a_permanent_failure_is_stored_at_once_and_the_key_waits_for_it() {
    let mut world = one_record();
    world.produce(&["a"]);
    world.fail("t/0/0", failure(Class::Permanent));
    assert!(world.seen().troubles.is_empty() && world.in_hand().is_empty());
    world.store_all();
    assert_eq!(world.seen().fates, [("t/0/0".to_owned(), Fate::DeadLettered)]);
    assert_eq!(world.in_hand(), ["t/0/1"]);
}

#[test]
fn a_deferral_counts_no_attempt_and_ends_with_max_age() {
    let mut world = one_record();
    let later = Failure { retry_after: Some(600 * SECOND), ..failure(Class::Deferred) };
    for _ in 0..6 {
        assert_eq!(world.attempt("t/0/0"), 1);
        world.fail("t/0/0", later.clone());
        world.wait(600 * SECOND);
    }
    assert_eq!(world.seen().troubles[5].1, Next::Defer(600 * SECOND));
    world.fail("t/0/0", later);
    world.store_all();
    assert_eq!(world.seen().fates[0].1, Fate::DeadLettered);
    assert_eq!((world.machine().account().deferred, world.machine().account().retried), (6, 0));
}

#[test]
fn the_same_fault_twice_in_a_row_is_not_tried_a_third_time() {
    let mut world = one_record();
    let [here, there] = [trap(1), trap(2)];
    for fault in [here, there.clone(), failure(Class::Retryable), there.clone(), there] {
        world.fail("t/0/0", fault);
        world.pass(60 * SECOND);
    }
    let retries = world.seen().troubles.iter().filter(|(_, next)| matches!(next, Next::Retry(_)));
    assert_eq!(retries.count(), 4, "only the last two are the same in a row");
    world.store_all();
    assert_eq!(world.seen().fates[0].1, Fate::DeadLettered);
    let dead = &world.sinks.stored[0].publication;
    let text = dead.headers.text("cofferdam-dlq-text").unwrap();
    assert!(text.ends_with("(not retried: the same fault repeated; 0 of 5 attempts left)"), "{text}");
}

#[test]
fn a_host_fault_holds_intake_and_goes_on_by_itself() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b", "c", "d", "e"]);
    world.fail("t/0/0", Failure::host(Code::PLUGIN_UNAVAILABLE, "gone"));
    world.done("t/0/1", 0);
    assert!(world.seen().holding && world.machine().is_holding());
    assert_eq!(world.in_hand().len(), 2, "nothing else starts");
    world.wait(Duration::from_millis(600));
    world.fail("t/0/0", Failure::host(Code::PLUGIN_UNAVAILABLE, "gone"));
    world.wait(Duration::from_millis(600));
    assert!(!world.in_hand().contains(&"t/0/0".to_owned()), "the second wait is longer");
    world.wait(SECOND);
    assert_eq!(world.attempt("t/0/0"), 1, "no attempt was counted");
    world.done("t/0/0", 0);
    assert!(!world.seen().holding);
    assert!(world.in_hand().contains(&"t/0/4".to_owned()));
}

#[test]
fn an_output_that_finds_nobody_is_published_again_and_not_handled_again() {
    let mut world = one_record();
    world.done("t/0/0", 2);
    world.answer(0, unavailable());
    world.answer(0, None);
    assert!(world.seen().holding && world.host().sending.is_empty());
    world.wait(SECOND);
    assert!(world.in_hand().is_empty());
    assert_eq!(world.host().sending.len(), 1, "only what was refused");
    world.answer(0, unavailable());
    world.wait(2 * SECOND);
    world.store_all();
    assert_eq!(world.seen().fates, [("t/0/0".to_owned(), Fate::Done)]);
    assert!(!world.seen().holding);
    assert_eq!(world.machine().account().outputs, 2);
}

#[test]
fn an_output_that_is_refused_for_ever_makes_the_record_a_dead_letter() {
    let mut world = one_record();
    world.done("t/0/0", 3);
    world.answer(0, unavailable());
    world.answer(0, rejected());
    assert_eq!(world.host().sending.len(), 1, "the dead letter waits for what is still out");
    world.answer(0, None);
    world.store_all();
    assert_eq!(names(&world.sinks.stored), ["out", "dead", "errors"]);
    assert_eq!(world.seen().fates[0].1, Fate::DeadLettered);
    let dead = &world.sinks.stored[1].publication;
    assert_eq!(dead.headers.text("cofferdam-dlq-outcome"), Some("contract_broken"));
    assert_eq!(dead.headers.text("cofferdam-dlq-code"), Some("OUTPUT_TOO_LARGE"));
}

#[test]
fn a_dead_letter_refused_for_its_size_is_stored_without_its_reason_and_holds_nobody_up() {
    let mut world = one_record();
    world.fail("t/0/0", failure(Class::Permanent));
    world.answer(0, rejected());
    assert!(!world.seen().holding);
    world.store_all();
    assert_eq!(names(&world.sinks.stored), ["errors", "dead"]);
    assert_eq!(world.sinks.stored[1].publication.headers.len(), 1, "the original's own");
    assert_eq!(world.seen().fates[0].1, Fate::DeadLettered);
}

#[test]
fn nothing_passes_a_record_that_is_stored_nowhere() {
    let mut world = one_record();
    world.fail("t/0/0", failure(Class::Permanent));
    world.answer(1, None);
    // With its reasons, without them; later again with them.
    for refusal in [rejected(), rejected(), unavailable(), rejected(), rejected()] {
        world.answer(0, refusal);
        world.wait(70 * SECOND);
    }
    assert!(world.seen().commits.is_empty());
    world.store_all();
    assert_eq!(world.seen().fates[0].1, Fate::DeadLettered);
}

#[test]
fn a_dead_letter_that_is_refused_in_every_form_holds_its_key_and_nobody_else() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "a", "b"]);
    world.fail("t/0/0", failure(Class::Permanent));
    world.answer(1, None);
    for _ in 0..2 {
        world.answer(0, rejected());
    }
    assert!(!world.seen().holding && world.host().sending.is_empty());
    assert_eq!(world.machine().refused(), 1);
    assert_eq!(world.in_hand(), ["t/0/2"], "the other key goes on, the same waits");
    world.done("t/0/2", 0);
    world.produce(&["c", "a"]);
    world.done("t/0/3", 0);
    assert_eq!(world.seen().fates.len(), 2, "and so does what comes after");
    let [(_, Next::Refused(wait))] = world.seen().troubles[..] else { panic!("{:?}", world.seen().troubles) };
    world.wait(wait);
    assert!(world.host().sending[0].publication.headers.text("cofferdam-dlq-outcome").is_some(), "with its reasons");
    world.answer(0, None);
    assert_eq!(world.machine().refused(), 0);
    assert_eq!(world.in_hand(), ["t/0/1"]);
}

#[test]
fn outputs_behind_a_dead_letter_that_nobody_takes_hold_no_other_key() {
    for is_refused_first in [true, false] {
        let mut world = World::kafka(route(), 1);
        world.produce(&["a", "a", "b"]);
        world.done("t/0/0", 1);
        world.done("t/0/1", 1);
        let first_of = |world: &World, record: &str| {
            let is_meant = |sending: &Sending| sending.of == record && sending.index == 0;
            world.host().sending.iter().position(is_meant).expect("with a sink")
        };
        if is_refused_first {
            world.answer(first_of(&world, "t/0/1"), unavailable());
        }
        // The output is refused for good, and then the dead letter in both forms.
        for _ in 0..3 {
            world.answer(first_of(&world, "t/0/0"), rejected());
        }
        let error_event = world.host().sending.iter().position(|sending| sending.index == 1);
        world.answer(error_event.expect("with a sink"), None);
        if !is_refused_first {
            world.answer(first_of(&world, "t/0/1"), unavailable());
        }
        assert_eq!(world.machine().refused(), 1);
        assert!(!world.seen().holding, "an outage is over, or none, and the key waits alone");
        world.produce(&["c"]);
        assert_eq!(world.in_hand(), ["t/0/2", "t/0/3"]);
        // When the destination takes the dead letter after all, the key goes on.
        world.wait(2 * SECOND);
        world.answer(first_of(&world, "t/0/0"), None);
        assert_eq!(first_of(&world, "t/0/1"), 0, "its output is sent");
    }
}

#[test]
fn a_dead_letter_is_offered_with_a_key_and_without_its_timestamp_before_it_is_offered_without_reasons() {
    let mut world = World::kafka(route(), 1);
    world.produce(&[""]);
    world.fail("t/0/0", failure(Class::Permanent));
    world.answer(1, None);
    let mut forms = Vec::new();
    while let Some(sending) = world.host().sending.first() {
        let letter = &sending.publication;
        let has = |name| letter.headers.text(name).is_some();
        forms.push((letter.key.is_some(), letter.timestamp_ms.is_some(), has("cofferdam-dlq-outcome")));
        world.answer(0, invalid());
    }
    // The records of this world carry a timestamp, or none.
    let with_timestamp = forms[0].1;
    let mut expected = vec![(false, with_timestamp, true), (true, with_timestamp, true)];
    expected.extend(with_timestamp.then_some((true, false, true)));
    expected.push((true, false, false));
    assert_eq!(forms, expected);
}

#[test]
fn what_waits_for_a_refused_dead_letter_keeps_no_drain_waiting() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "a"]);
    world.fail("t/0/0", failure(Class::Permanent));
    world.answer(1, None);
    for _ in 0..2 {
        world.answer(0, rejected());
    }
    world.drain(100 * SECOND);
    assert_eq!(world.seen().drained, 1);
}

/// A record whose output and then its dead letter are rejected for good. Of its key, one has handed the lane on and waits with
/// its output, one runs, and one waits for its turn.
fn behind_a_refused_dead_letter(prepare: fn(&mut Machine)) -> World {
    let mut world = World::kafka_with(route(), 1, prepare);
    world.produce(&["a", "a", "a", "a"]);
    world.done("t/0/0", 1);
    while let Some(index) = world.host().sending.iter().position(|sending| sending.of == "t/0/0") {
        let refusal = if world.host().sending[index].index == 1 { None } else { rejected() };
        world.answer(index, refusal);
    }
    assert_eq!(world.machine().refused(), 1);
    world.done("t/0/1", 1);
    assert_eq!((world.in_hand(), world.host().sending.len()), (vec!["t/0/2".to_owned()], 0));
    world
}

#[test]
fn what_waits_with_its_outputs_behind_a_refused_dead_letter_keeps_no_drain_waiting() {
    let mut world = behind_a_refused_dead_letter(|_| {});
    world.drain(100 * SECOND);
    let fates: Vec<Fate> = world.seen().fates.iter().map(|(_, fate)| *fate).collect();
    assert_eq!(fates, [Fate::Released; 3]);
    // What runs may finish, but its output would come before the dead letter.
    world.done("t/0/2", 1);
    assert_eq!(world.seen().fates.last(), Some(&("t/0/2".to_owned(), Fate::Released)));
    assert_eq!((world.host().sending.len(), world.broker.logs[&0].committed, world.seen().drained), (0, 0, 1));

    let mut world = behind_a_refused_dead_letter(|machine| machine.sabotage(Sabotage::BehindRefusedStays));
    world.drain(100 * SECOND);
    world.done("t/0/2", 1);
    assert_eq!(world.seen().drained, 0, "the mutation waits for the limit");
}

#[test]
fn at_most_once_an_output_is_sent_although_a_dead_letter_of_its_key_is_refused() {
    let mut world = World::kafka(Route { delivery: Guarantee::AtMostOnce, ..route() }, 1);
    world.produce(&["a", "a"]);
    world.pass(SECOND);
    world.done("t/0/0", 1);
    world.answer(0, rejected());
    let letter = world.host().sending.iter().position(|sending| sending.index == 0).expect("a dead letter");
    world.answer(letter, unavailable());
    world.done("t/0/1", 1);
    let output = world.host().sending.iter().find(|sending| sending.of == "t/0/1").expect("an output");
    assert!(world.machine().is_to_be_sent(output.delivery));
}

#[test]
fn an_error_event_that_nobody_takes_does_not_keep_the_original_from_being_settled() {
    let mut world = one_record();
    world.fail("t/0/0", failure(Class::Permanent));
    world.answer(1, rejected());
    world.answer(0, None);
    assert_eq!(world.seen().fates[0].1, Fate::DeadLettered);
}

#[test]
fn what_no_route_takes_is_ignored_or_stops_the_route_as_configured() {
    let with = |unrouted| Route { policy: Policy { unrouted, ..route().policy }, ..route() };
    let mut world = World::kafka(with(Unrouted::Ignore), 1);
    world.produce(&["a"]);
    world.fail("t/0/0", failure(Class::Unrouted));
    assert_eq!(world.seen().fates, [("t/0/0".to_owned(), Fate::Ignored)]);
    let mut world = World::kafka(with(Unrouted::Stop), 1);
    world.produce(&["a"]);
    world.fail("t/0/0", failure(Class::Unrouted));
    assert_eq!((world.seen().stopped, world.seen().fates.len()), (1, 0));
}

#[test]
fn a_probe_that_says_nothing_is_followed_by_another() {
    let breaker = Breaker { failures: 2, probe_after: SECOND, probes: 1, ..Breaker::default() };
    let mut world = World::kafka(Route { breaker, concurrency: 2, ..route() }, 2);
    world.produce(&["a", "b", "c", "d"]);
    world.fail("t/0/0", failure(Class::Retryable));
    world.fail("t/0/1", failure(Class::Retryable));
    world.done("t/0/2", 0);
    assert_eq!(world.seen().circuit, Circuit::Closed, "what ran when it opened may close it");
    world.fail("t/0/3", failure(Class::Retryable));
    world.produce(&["e", "f", "g", "h"]);
    world.pass(SECOND);
    for _ in 0..8 {
        let Some(record) = world.in_hand().first().cloned() else { break };
        world.fail(&record, failure(Class::Retryable));
        world.pass(SECOND / 10);
    }
    world.produce(&["i", "j"]);
    world.pass(20 * SECOND);
    assert_eq!((world.seen().circuit, world.in_hand().len()), (Circuit::Probing, 1));
    // The host is at fault, then the record belongs to somebody else: neither says that the handler is well.
    let probe = world.in_hand().remove(0);
    world.fail(&probe, Failure::host(Code::PLUGIN_UNAVAILABLE, "gone"));
    world.pass(20 * SECOND);
    assert_eq!(world.in_hand().len(), 1);
    world.lose(0);
    let probe = world.in_hand().remove(0);
    world.done(&probe, 0);
    world.write(1, "d", 5);
    world.fetch();
    world.done("t/1/0", 0);
    assert_eq!(world.seen().circuit, Circuit::Closed);
}

#[test]
fn a_record_larger_than_the_bound_is_made_up_for_once_it_is_gone() {
    let bounds = Bounds { messages: 10, bytes: 100 };
    let mut world = World::kafka(Route { bounds, ..route() }, 1);
    world.write(0, "a", 5_000);
    world.produce(&["b"]);
    assert_eq!(world.in_hand(), ["t/0/0"], "one record may go over");
    world.done("t/0/0", 0);
    world.fetch();
    assert_eq!(world.in_hand(), ["t/0/1"]);
}

#[test]
fn an_attempt_that_was_called_off_is_made_again_where_the_partition_is_still_ours() {
    let mut world = one_record();
    world.fail("t/0/0", Failure::new(Class::Revoked, Code::INTERNAL, "called off"));
    world.wait(SECOND);
    world.done("t/0/0", 0);
    assert_eq!(world.seen().fates, [("t/0/0".to_owned(), Fate::Done)]);
}

#[test]
fn what_comes_behind_a_refused_output_of_its_key_is_sent_again_behind_it() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "a", "a", "a", "b"]);
    world.done("t/0/0", 1);
    world.done("t/0/1", 1);
    // The sink refuses both, and takes what another key leads to.
    world.answer(0, unavailable());
    assert!(!world.machine().is_to_be_sent(world.host().sending[0].delivery), "no sink gets it before the first");
    world.answer(0, unavailable());
    world.done("t/0/4", 1);
    world.store_all();
    // What ends well meanwhile is not sent at all.
    world.done("t/0/2", 1);
    assert_eq!(world.host().sending.len(), 0);

    world.wait(SECOND);
    let sent: Vec<&str> = world.host().sending.iter().map(|sending| &*sending.of).collect();
    assert_eq!(sent, ["t/0/0"], "the first alone, until the sink has taken it");
    world.answer(0, None);
    let sent: Vec<&str> = world.host().sending.iter().map(|sending| &*sending.of).collect();
    assert_eq!(sent, ["t/0/1", "t/0/2"], "then the others, in order");
}

#[test]
fn what_is_refused_late_is_sent_again_when_what_is_ahead_of_it_is_durable() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "a", "a"]);
    world.done("t/0/0", 1);
    world.done("t/0/1", 1);
    world.done("t/0/2", 2);
    (0..3).for_each(|_| world.answer(0, unavailable()));
    world.wait(SECOND);
    let sent = |world: &World| world.host().sending.iter().map(|sending| sending.of.clone()).collect::<Vec<_>>();
    assert_eq!(sent(&world), ["t/0/2", "t/0/0"], "one output of the last has no answer yet");
    world.answer(1, None);
    world.answer(0, unavailable());
    world.wait(5 * SECOND);
    assert_eq!(sent(&world), ["t/0/1"], "the last waits, and its own wait is over");
    world.answer(0, None);
    assert_eq!(sent(&world), ["t/0/2", "t/0/2"]);
}

#[test]
fn a_dead_letter_waits_for_the_outputs_of_its_key_ahead_of_it() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "a"]);
    world.done("t/0/0", 1);
    world.fail("t/0/1", failure(Class::Permanent));
    assert_eq!(world.host().sending.len(), 1, "the first may become a dead letter too");
    world.answer(0, rejected());
    world.store_all();
    let stored = world.sinks.stored.iter().filter(|stored| stored.publication.destination.name.as_ref() == "dead");
    assert_eq!(stored.map(|stored| &*stored.of).collect::<Vec<_>>(), ["t/0/0", "t/0/1"]);
}

#[test]
fn a_publication_without_an_answer_holds_the_route_until_it_has_one() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b"]);
    world.done("t/0/0", 1);
    world.wait(2 * SECOND);
    assert!(!world.machine().is_holding(), "a broker may take a moment");
    world.wait(2 * SECOND);
    assert!(world.machine().is_holding());
    world.wait(10 * SECOND);
    assert_eq!(world.seen().troubles.len(), 1, "said once");
    world.produce(&["c"]);
    assert_eq!(world.in_hand(), ["t/0/1"], "nothing starts that could not be published");
    world.store_all();
    assert!(!world.machine().is_holding());
    assert_eq!(world.in_hand(), ["t/0/1", "t/0/2"]);
}

#[test]
fn a_publication_that_a_sink_keeps_back_to_send_it_with_others_holds_nobody_up() {
    let mut world = World::kafka(Route { publish_delay: 10 * SECOND, ..route() }, 1);
    world.produce(&["a"]);
    world.done("t/0/0", 1);
    world.wait(12 * SECOND);
    assert!(!world.machine().is_holding());
    world.wait(2 * SECOND);
    assert!(world.machine().is_holding());
}
