//! Queues: leases, groups, and what goes back when.

use std::time::Duration;

use cofferdam_core::action::{Action, Fate};
use cofferdam_core::event::{Event, Leased};
use cofferdam_core::machine::{Machine, Sabotage};
use cofferdam_core::message::{Position, Record};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::route::{Bounds, Route};
use cofferdam_core::source::{Lease, SourceTraits};
use cofferdam_core::time::Time;
use cofferdam_guarantees::Effect;
use cofferdam_guarantees::simulation::{SECOND, World, failure, queue_route, rejected, unavailable};

fn fates(world: &World) -> Vec<(&str, Fate)> {
    world.seen().fates.iter().map(|(id, fate)| (&**id, *fate)).collect()
}

/// Which messages were released together, and after how long they can be received again.
fn released(world: &World) -> Vec<(Vec<&str>, Duration)> {
    let released = world.queue.released.iter();
    released.map(|(ids, at)| (ids.iter().map(|id| &**id).collect(), at.since(world.now))).collect()
}

#[test]
fn a_message_is_deleted_once_its_outputs_are_durable() {
    let mut world = World::sqs();
    world.send(&["a"]);
    world.done("m-0", 1);
    assert!(world.host().deletes.is_empty());
    world.store_all();
    assert!(fates(&world).is_empty(), "it is not gone yet");
    world.answer_delete(true);
    assert_eq!(fates(&world), [("m-0", Fate::Done)]);
    assert!(world.queue.messages.is_empty());
}

#[test]
fn a_group_waits_until_the_message_before_is_stored_and_other_groups_do_not() {
    let mut world = World::sqs();
    world.send(&["a", "a", "b"]);
    assert_eq!(world.in_hand(), ["m-0", "m-2"]);
    world.done("m-0", 1);
    assert_eq!(world.in_hand(), ["m-2"]);
    world.store_all();
    assert_eq!(world.in_hand(), ["m-2", "m-1"]);
}

/// The rules of a queue that moves away what was received so often.
fn redrive(max_receives: u32) -> Route {
    let queue = queue_route();
    Route { source: SourceTraits { max_receives: Some(max_receives), ..queue.source }, ..queue }
}

/// The queue extends every lease that is with it.
fn extend_all(world: &mut World) {
    while !world.host().extends.is_empty() {
        world.answer_extend();
    }
}

/// Time passes, and no lease ends.
fn pass(world: &mut World, seconds: u32) {
    for _ in 0..seconds {
        world.wait(SECOND);
        extend_all(world);
    }
}

#[test]
fn a_failed_message_is_tried_again_here_with_its_group_behind_it_and_costs_nobody_a_receive() {
    let mut world = World::new(redrive(1), 7);
    world.send(&["a", "b", "a", "a"]);
    for attempt in 1..5 {
        assert_eq!((world.attempt("m-0"), world.in_hand().len()), (attempt, 2));
        world.fail("m-0", failure(Class::Retryable));
        assert_eq!(world.in_hand(), ["m-1"], "its group waits");
        world.wait(10 * SECOND);
        extend_all(&mut world);
    }
    world.fail("m-0", failure(Class::Retryable));
    world.store_all();
    world.answer_delete(true);
    assert_eq!(fates(&world), [("m-0", Fate::DeadLettered)]);
    assert_eq!(world.in_hand(), ["m-1", "m-2"]);
    world.receive();
    assert!(released(&world).is_empty());
    assert_eq!(world.machine().account().received, 4);
}

#[test]
fn a_message_that_waits_long_goes_back_only_where_it_costs_nobody_anything() {
    let later = || Failure { retry_after: Some(61 * SECOND), ..failure(Class::Deferred) };
    let mut world = World::new(redrive(4), 7);
    world.send(&["a", "b", "b"]);
    world.fail("m-1", later());
    assert!(released(&world).is_empty(), "another waits behind it");
    world.fail("m-0", later());
    assert_eq!(released(&world), [(vec!["m-0"], 61 * SECOND)]);
    pass(&mut world, 61);
    world.receive();
    world.fail("m-0", later());
    assert_eq!(released(&world).len(), 2, "a receive is left for a fault after this one");
    pass(&mut world, 61);
    world.receive();
    world.fail("m-0", later());
    assert_eq!(released(&world).len(), 2, "one more, and a fault would be the last");
}

#[test]
fn at_a_stop_what_is_received_for_the_last_time_stays_with_what_it_waits_behind() {
    let mut world = World::new(redrive(2), 7);
    // The second of the group was received before: it is the last time.
    ["a", "a", "a", "b"].iter().for_each(|group| world.post(group, 10));
    world.queue.messages[1].receives = 1;
    world.receive();
    assert_eq!(world.in_hand(), ["m-0", "m-3"]);
    world.drain(30 * SECOND);
    assert_eq!(released(&world), [(vec!["m-2"], Duration::ZERO)]);
    world.done("m-3", 0);
    world.answer_delete(true);
    world.fail("m-0", failure(Class::Retryable));
    assert_eq!(released(&world).len(), 1, "what waits behind it would be moved");
    world.wait(SECOND);
    for id in ["m-0", "m-1"] {
        world.done(id, 0);
        world.answer_delete(true);
    }
    assert_eq!(world.seen().drained, 1);
}

#[test]
fn at_a_stop_a_message_that_has_failed_on_its_last_receive_is_stored_with_its_reason() {
    let mut world = World::new(redrive(1), 7);
    world.send(&["a", "b"]);
    world.fail("m-0", failure(Class::Retryable));
    world.drain(30 * SECOND);
    world.fail("m-1", failure(Class::Retryable));
    world.store_all();
    world.answer_delete(true);
    world.answer_delete(true);
    assert_eq!(fates(&world), [("m-0", Fate::DeadLettered), ("m-1", Fate::DeadLettered)]);
    for letter in world.sinks.stored.iter().filter(|stored| stored.effect == Effect::DeadLetter) {
        let text = letter.publication.headers.text("cofferdam-dlq-text").unwrap();
        assert!(text.contains("the queue's maxReceiveCount allows no further receive; 4 of 5 attempts left"), "{text}");
    }
    assert!(released(&world).is_empty());
}

#[test]
fn a_host_receives_what_it_can_start_soon_and_no_more() {
    let mut world = World::new(Route { concurrency: 2, ..queue_route() }, 7);
    for number in 0..50 {
        world.post(&number.to_string(), 10);
    }
    world.receive();
    assert_eq!(world.machine().account().received, 2, "as many as can start at once");
    // What has begun lately is a measure of what will.
    world.receive();
    assert_eq!(world.machine().account().received, 4);
    for _ in 0..5 {
        world.wait(2 * SECOND);
        world.receive();
    }
    assert_eq!(world.machine().account().received, 4, "attempts take long, and nothing can start");
    world.fail("m-0", failure(Class::Retryable));
    world.fail("m-1", failure(Class::Retryable));
    world.receive();
    assert!(world.machine().account().received > 4, "what waits for its next attempt is in nobody's way");
}

#[test]
fn groups_with_one_at_work_leave_room_for_others_while_something_is_idle() {
    let mut world = World::new(Route { concurrency: 4, ..queue_route() }, 7);
    for group in ["a", "b"] {
        (0..10).for_each(|_| world.post(group, 10));
    }
    world.post("c", 10);
    for _ in 0..20 {
        world.receive();
        world.wait(2 * SECOND);
    }
    assert_eq!(world.in_hand().len(), 3, "{:?}", world.in_hand());
}

#[test]
fn attempts_are_counted_here_and_the_queue_is_believed_for_strangers_only() {
    let mut world = World::sqs();
    world.send(&["a", "a"]);
    for attempt in 1..=2 {
        assert_eq!(world.attempt("m-0"), attempt);
        world.fail("m-0", failure(Class::Retryable));
        world.wait(10 * SECOND);
    }
    world.done("m-0", 0);
    world.answer_delete(true);
    assert_eq!(world.attempt("m-1"), 1, "it waited, and was never tried");
    world.crash();
    world.wait(60 * SECOND);
    world.receive();
    assert_eq!(world.attempt("m-1"), 2, "the first attempt may have died with the host");
}

#[test]
fn attempts_that_other_hosts_made_in_between_are_counted() {
    let mut route = queue_route();
    route.policy.retry.max_delay = 1_000 * SECOND;
    let mut world = World::new(route, 7);
    world.add_host();
    world.send(&["a"]);
    for (host, attempt) in [(0, 1), (1, 2), (0, 3), (0, 4), (1, 4), (1, 5)] {
        world.on(host).receive();
        assert_eq!(world.attempt("m-0"), attempt);
        // A wait that is longer than a lease, so it goes back.
        world.fail("m-0", Failure { retry_after: Some(61 * SECOND), ..failure(Class::Retryable) });
        world.store_all();
        world.answer_delete(true);
        world.wait(61 * SECOND);
    }
    assert_eq!(fates(&world).last(), Some(&("m-0", Fate::DeadLettered)));
}

#[test]
fn a_stranger_received_often_has_a_retry_left_and_its_letter_says_who_has_counted() {
    let mut world = World::sqs();
    world.send(&["a"]);
    for _ in 0..9 {
        world.crash();
        world.wait(60 * SECOND);
        world.receive();
    }
    for attempt in 4..=5 {
        assert_eq!(world.attempt("m-0"), attempt);
        world.fail("m-0", failure(Class::Retryable));
        world.wait(20 * SECOND);
        extend_all(&mut world);
    }
    world.store_all();
    let text = world.sinks.stored[0].publication.headers.text("cofferdam-dlq-text").unwrap();
    let counted = "2 of 5 attempts by this host, 3 receives counted by the queue";
    assert!(text.contains(counted), "{text}");
}

#[test]
fn the_history_of_failures_survives_a_release() {
    let mut route = queue_route();
    route.policy.retry.max_delay = 1_000 * SECOND;
    let mut world = World::new(route, 7);
    world.send(&["a"]);
    for _ in 0..5 {
        world.fail("m-0", Failure { retry_after: Some(61 * SECOND), ..failure(Class::Retryable) });
        world.store_all();
        world.wait(61 * SECOND);
        world.receive();
    }
    assert_eq!(released(&world).len(), 4);
    let attempts = world.sinks.stored[0].publication.headers.text("cofferdam-dlq-attempts").unwrap();
    assert_eq!(attempts.matches("retryable").count(), 5);
}

#[test]
fn a_long_deferral_stays_within_what_a_queue_allows() {
    let mut route = queue_route();
    route.policy.retry.max_age = 100_000 * SECOND;
    let mut world = World::new(route, 7);
    world.send(&["a"]);
    let asked = Some(90_000 * SECOND);
    world.fail("m-0", Failure { retry_after: asked, ..failure(Class::Deferred) });
    // SQS counts its 12 hours from the receive, which was a little earlier.
    assert_eq!(released(&world)[0].1, (43_200 - 60) * SECOND);
}

#[test]
fn a_queue_is_asked_for_no_delay_beyond_twelve_hours_from_the_receive() {
    let mut route = queue_route();
    route.policy.retry.max_age = 100_000 * SECOND;
    let mut world = World::new(route, 7);
    world.send(&["a"]);
    for _ in 0..20 {
        world.wait(30 * SECOND);
        world.answer_extend();
    }
    world.fail("m-0", Failure { retry_after: Some(90_000 * SECOND), ..failure(Class::Deferred) });
    assert_eq!(released(&world)[0].1, (43_200 - 600 - 60) * SECOND);
}

/// Twenty groups of ten messages arrive one after the other, and the dead letter of the first of each group is rejected in
/// every form. Returns how many messages the host has received.
fn received_behind_refused_dead_letters(prepare: fn(&mut Machine)) -> u64 {
    let bounds = Bounds { messages: 1_000, bytes: 1 << 20 };
    let mut world = World::new_with(Route { concurrency: 10, bounds, ..queue_route() }, 7, prepare);
    for group in 0..20 {
        (0..10).for_each(|_| world.post(&group.to_string(), 10));
        world.receive();
        if let [first] = &world.in_hand()[..] {
            world.fail(first, failure(Class::Permanent));
        }
        while let Some(sending) = world.host().sending.first() {
            let refusal = if sending.index == 1 { None } else { rejected() };
            world.answer(0, refusal);
        }
    }
    world.machine().account().received
}

#[test]
fn what_waits_behind_a_refused_dead_letter_is_no_reserve() {
    assert_eq!(received_behind_refused_dead_letters(|_| {}), 200);
    let sabotaged = received_behind_refused_dead_letters(|machine| machine.sabotage(Sabotage::RefusedFillsReserve));
    assert!(sabotaged < 150, "the mutation stops receiving: {sabotaged}");
}

#[test]
fn a_lease_is_extended_while_its_message_runs_and_while_it_waits() {
    let mut world = World::sqs();
    world.send(&["a", "a"]);
    for _ in 0..20 {
        world.wait(30 * SECOND);
        assert_eq!(world.host().extends.len(), 2);
        world.answer_extend();
        world.answer_extend();
    }
    assert!(fates(&world).is_empty());
    world.receive();
    assert_eq!(world.machine().account().received, 2);
}

/// The first request to extend a lease of 60 s is lost: after how many seconds the next one follows, and what becomes of the
/// message.
fn requested_again(prepare: fn(&mut Machine)) -> (Option<u64>, Vec<Fate>) {
    let mut world = World::new_with(queue_route(), 7, prepare);
    world.send(&["a"]);
    world.wait(30 * SECOND);
    assert_eq!(world.host_mut().extends.drain(..).count(), 1);
    let again = (31..=60).find(|_| {
        world.wait(SECOND);
        !world.host().extends.is_empty()
    });
    extend_all(&mut world);
    (again, fates(&world).into_iter().map(|(_, fate)| fate).collect())
}

#[test]
fn an_extension_without_an_answer_is_requested_again_before_the_lease_ends() {
    assert_eq!(requested_again(|_| {}), (Some(45), vec![]));
    let sabotaged = requested_again(|machine| machine.sabotage(Sabotage::ExtensionNotRepeated));
    assert_eq!(sabotaged, (None, vec![Fate::Revoked]));
}

#[test]
fn an_extension_that_is_never_answered_is_requested_a_few_times() {
    let mut world = World::sqs();
    world.send(&["a"]);
    world.wait(60 * SECOND);
    assert_eq!(world.host().extends.len(), 4, "after 30, 45, 52.5 and 56.25 s");
    assert_eq!(fates(&world), [("m-0", Fate::Revoked)]);
}

#[test]
fn a_lease_is_extended_while_a_publication_is_on_hold() {
    let mut world = World::sqs();
    world.send(&["a"]);
    world.done("m-0", 1);
    for _ in 0..10 {
        world.answer(0, unavailable());
        world.wait(29 * SECOND);
        world.answer_extend();
    }
    world.store_all();
    world.answer_delete(true);
    assert_eq!(fates(&world), [("m-0", Fate::Done)]);
}

#[test]
fn an_attempt_that_takes_too_long_loses_its_lease() {
    let (queue, lease) = (queue_route(), Lease { attempt_limit: 100 * SECOND, ..Lease::default() });
    let source = SourceTraits { lease: Some(lease), ..queue.source };
    let mut world = World::new(Route { source, ..queue }, 7);
    world.send(&["a"]);
    for _ in 0..200 {
        world.wait(SECOND);
        world.answer_extend();
    }
    assert_eq!(fates(&world), [("m-0", Fate::Revoked)]);
}

#[test]
fn without_its_lease_a_message_is_not_acknowledged_and_what_waits_behind_it_goes_back() {
    let mut world = World::sqs();
    world.send(&["a", "a", "b"]);
    world.wait(60 * SECOND);
    assert_eq!(fates(&world)[0], ("m-0", Fate::Revoked), "nobody has extended it");
    assert!(fates(&world).contains(&("m-1", Fate::Released)) && released(&world)[0].0 == ["m-1"]);
    world.done("m-0", 2);
    assert!(world.host().sending.is_empty() && world.host().deletes.is_empty());
}

#[test]
fn a_message_whose_lease_is_over_when_it_arrives_is_not_started() {
    let mut machine = Machine::new(queue_route().into(), 7);
    let record = Record {
        source: "q".into(),
        position: Position::MessageId("m-0".into()),
        key: Some("a".into()),
        headers: Default::default(),
        payload: None,
        timestamp_ms: None,
    };
    // The process stood still, and the answer to its last question waited for it.
    let now = Time::from_millis(1_000_000);
    machine.handle(Event::Messages(vec![Leased { record, receipt: "r".into(), receives: 1, until: Some(now) }]), now);
    let actions: Vec<Action> = std::iter::from_fn(|| machine.next_action()).collect();
    assert!(!actions.iter().any(|action| matches!(action, Action::Handle(_))), "{actions:?}");
    assert!(actions.iter().any(|action| matches!(action, Action::Settled { fate: Fate::Revoked, .. })), "{actions:?}");
}

#[test]
fn a_group_is_not_in_two_hands_when_its_message_comes_back_before_the_attempt_has_ended() {
    let mut world = World::sqs();
    world.send(&["a"]);
    world.wait(60 * SECOND);
    world.receive();
    assert_eq!(world.in_hand().len(), 1, "the attempt without a lease");
    assert_eq!(world.machine().account().received, 2);
    world.done("m-0", 0);
    assert_eq!(world.attempt("m-0"), 2);
    assert!(world.host().deletes.is_empty());
    world.done("m-0", 0);
    assert_eq!(world.host().deletes.len(), 1);
}

#[test]
fn a_delete_that_failed_is_repeated_while_the_lease_lasts() {
    let mut world = World::sqs();
    world.send(&["a"]);
    world.done("m-0", 0);
    for _ in 0..3 {
        world.answer_delete(false);
        assert!(world.host().deletes.is_empty());
        world.wait(SECOND);
        assert_eq!(world.host().deletes.len(), 1);
    }
    world.answer_delete(false);
    world.wait(60 * SECOND);
    assert_eq!(fates(&world), [("m-0", Fate::Revoked)]);
    world.host_mut().deletes.clear();
    world.wait(60 * SECOND);
    assert!(world.host().deletes.is_empty());
}

#[test]
fn a_delete_after_the_lease_was_lost_does_not_count() {
    let mut world = World::sqs();
    world.send(&["a"]);
    world.done("m-0", 0);
    let (id, _) = world.host().deletes[0].clone();
    world.tell(Event::LeaseLost(vec![id]));
    world.answer_delete(true);
    assert_eq!(fates(&world), [("m-0", Fate::Revoked)]);
}

#[test]
fn a_message_held_for_the_hosts_sake_stays_here_with_its_group_behind_it() {
    let mut world = World::sqs();
    world.send(&["a", "a"]);
    world.fail("m-0", Failure::host(Code::PLUGIN_UNAVAILABLE, "gone"));
    assert!(world.seen().holding && released(&world).is_empty());
    world.wait(SECOND);
    world.done("m-0", 0);
    assert_eq!(world.in_hand(), ["m-1"]);
}
