//! People pause a route, let single messages through, and resume it.

use cofferdam_core::action::Fate;
use cofferdam_core::machine::{HeldBack, Machine, Sabotage};
use cofferdam_core::outcome::Class;
use cofferdam_core::route::{Bounds, Guarantee, Route};
use cofferdam_core::source::SourceTraits;
use cofferdam_guarantees::simulation::{SECOND, World, failure, queue_route, route};

/// One attempt at once, so that the order in which messages start can be seen.
fn one_at_once() -> Route {
    Route { concurrency: 1, ..route() }
}

fn ends(world: &World) -> Vec<(&str, Fate)> {
    world.seen().fates.iter().map(|(id, fate)| (&**id, *fate)).collect()
}

/// The record that a try would start.
fn next(world: &World) -> Option<String> {
    let id = world.machine().next_in_line()?;
    world.machine().delivery(id).map(|delivery| delivery.record().id())
}

#[test]
fn in_a_pause_nothing_starts_and_what_runs_is_settled_and_committed() {
    let mut world = World::kafka(one_at_once(), 1);
    world.produce(&["a", "b"]);
    world.pause();
    assert!(world.machine().is_paused() && world.seen().paused);
    world.done("t/0/0", 1);
    world.store_all();
    world.pass(10 * SECOND);
    assert_eq!(ends(&world), [("t/0/0", Fate::Done)]);
    assert_eq!(world.broker.logs[&0].committed, 1);
    assert!(world.in_hand().is_empty(), "the next would have its turn");
    assert_eq!(world.machine().held_back(), Some(HeldBack::Paused));
}

#[test]
fn a_resume_starts_all_that_waited_in_its_order() {
    let mut world = World::kafka(one_at_once(), 1);
    world.pause();
    world.produce(&["a", "b", "a"]);
    assert!(world.in_hand().is_empty());
    world.resume();
    for record in ["t/0/0", "t/0/1", "t/0/2"] {
        assert_eq!(world.in_hand(), [record]);
        world.done(record, 0);
    }
    world.pass(10 * SECOND);
    assert!(world.broker.is_finished() && world.machine().in_flight() == 0);
    assert_eq!(world.machine().held_back(), None);
}

#[test]
fn in_a_pause_a_try_starts_exactly_one_attempt_on_the_message_that_was_named_as_the_next() {
    let mut world = World::kafka(route(), 1);
    world.pause();
    world.produce(&["a", "b", "a", "c"]);
    for record in ["t/0/0", "t/0/1"] {
        assert_eq!(next(&world).as_deref(), Some(record));
        world.try_one();
        assert_eq!(world.in_hand(), [record]);
        world.done(record, 0);
        world.pass(10 * SECOND);
    }
    assert!(world.in_hand().is_empty());
    // Two at a time are two.
    world.try_one();
    world.try_one();
    assert_eq!(world.in_hand().len(), 2);
}

#[test]
fn retries_and_first_attempts_take_turns_at_tries_as_they_are_named() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b"]);
    world.pause();
    world.fail("t/0/0", failure(Class::Retryable));
    world.fail("t/0/1", failure(Class::Retryable));
    world.produce(&["c", "d"]);
    world.pass(60 * SECOND);
    assert!(world.in_hand().is_empty(), "a retry waits too when it is due");
    for _ in 0..4 {
        let named = next(&world).expect("one waits");
        world.try_one();
        assert_eq!(world.in_hand(), [named.as_str()]);
        world.done(&named, 0);
    }
    assert_eq!(next(&world), None);
}

#[test]
fn a_try_that_finds_no_message_starts_the_first_that_comes() {
    let mut world = World::kafka(route(), 1);
    world.pause();
    assert_eq!(next(&world), None);
    world.try_one();
    world.produce(&["a", "b"]);
    assert_eq!(world.in_hand(), ["t/0/0"]);
}

#[test]
fn another_pause_forgets_a_try_that_was_not_used_and_so_does_a_resume() {
    for again in [World::pause, |world: &mut World| {
        world.resume();
        world.pause();
    }] {
        let mut world = World::kafka(route(), 1);
        world.pause();
        world.try_one();
        again(&mut world);
        world.produce(&["a"]);
        assert!(world.in_hand().is_empty());
    }
}

#[test]
fn without_a_pause_a_try_means_nothing() {
    let mut world = World::kafka(one_at_once(), 1);
    world.produce(&["a", "b"]);
    world.try_one();
    assert_eq!((world.in_hand(), next(&world)), (vec!["t/0/0".to_owned()], None));
    world.pause();
    world.done("t/0/0", 0);
    assert!(world.in_hand().is_empty(), "it was not kept for later");
}

#[test]
fn in_a_pause_a_topic_is_read_up_to_the_bounds_and_no_partition_is_said_to_be_blocked() {
    let mut world = World::kafka(Route { bounds: Bounds { messages: 3, bytes: 100_000 }, ..route() }, 1);
    world.pause();
    world.produce(&["a", "b", "c", "d", "e"]);
    assert_eq!(world.machine().in_flight(), 3);
    world.wait(60 * SECOND);
    assert!(world.seen().blocked.is_empty());
    world.resume();
    assert_eq!(world.in_hand().len(), 3);
}

#[test]
fn a_partition_that_is_revoked_in_a_pause_goes_to_its_next_owner_untried() {
    let mut world = World::kafka(route(), 1);
    world.pause();
    world.produce(&["a", "b"]);
    world.revoke(0);
    assert_eq!(world.seen().given_up, [(0, None)]);
    world.add_host();
    world.on(1).assign(0);
    world.fetch();
    assert_eq!(world.in_hand(), ["t/0/0", "t/0/1"], "another host is not paused");
}

#[test]
fn in_a_pause_leases_of_messages_that_wait_are_extended_until_they_start() {
    let mut world = World::new(Route { concurrency: 3, ..queue_route() }, 7);
    ["a", "b", "b"].iter().for_each(|group| world.post(group, 10));
    world.receive();
    world.done("m-0", 0);
    world.answer_delete(true);
    world.pause();
    world.fail("m-1", failure(Class::Retryable));
    for _ in 0..360 {
        world.wait(10 * SECOND);
        while !world.host().extends.is_empty() {
            world.answer_extend();
        }
    }
    assert_eq!((world.in_hand(), &world.queue.released), (Vec::new(), &Vec::new()));
    world.resume();
    for message in ["m-1", "m-2"] {
        assert_eq!((world.in_hand(), world.queue.messages[0].receives), (vec![message.to_owned()], 1));
        world.done(message, 0);
        world.answer_delete(true);
    }
    assert!(world.queue.messages.is_empty());
}

#[test]
fn in_a_pause_a_host_keeps_one_message_of_a_queue_from_others_and_each_try_takes_one_more() {
    let mut world = World::new(queue_route(), 7);
    (0..20).for_each(|number| world.post(&number.to_string(), 10));
    world.pause();
    for number in 0..10 {
        for _ in 0..3 {
            world.receive();
        }
        // Four were granted before the pause.
        let taken = 4_usize.saturating_sub(number).max(1);
        assert_eq!((world.machine().in_flight(), next(&world)), (taken, Some(format!("m-{number}"))));
        world.try_one();
        world.done(&format!("m-{number}"), 0);
        world.answer_delete(true);
    }
    world.resume();
    world.receive();
    assert_eq!(world.in_hand().len(), 4);
}

/// A paused host stops while it has a message that would be lost if it were not handled.
fn stopped_in_a_pause(route: Route, prepare: fn(&mut Machine)) -> World {
    let mut world = World::kafka_with(route, 0, prepare);
    world.pause();
    world.post("a", 10);
    world.receive();
    world.answer_delete(true);
    world.drain(10 * SECOND);
    world
}

#[test]
fn a_drain_ends_a_pause_for_what_has_nowhere_to_go_back_to() {
    let at_most_once = || Route { delivery: Guarantee::AtMostOnce, ..queue_route() };
    let last_receive = || {
        let queue = queue_route();
        Route { source: SourceTraits { max_receives: Some(1), ..queue.source }, ..queue }
    };
    for route in [at_most_once, last_receive] {
        let mut world = stopped_in_a_pause(route(), |_| {});
        assert!(!world.machine().is_paused());
        world.done("m-0", 0);
        world.answer_delete(true);
        assert_eq!((ends(&world), world.seen().drained), (vec![("m-0", Fate::Done)], 1));

        let mut world = stopped_in_a_pause(route(), |machine| machine.sabotage(Sabotage::PauseOutlastsDrain));
        assert!(world.in_hand().is_empty());
        world.wait(10 * SECOND);
        assert_eq!(ends(&world), [("m-0", Fate::Abandoned)], "the mutation loses it");
    }
    // What can go back does.
    let world = stopped_in_a_pause(queue_route(), |_| {});
    assert_eq!((ends(&world), world.in_hand().len()), (vec![("m-0", Fate::Released)], 0));
}

#[test]
fn a_pause_in_a_drain_is_too_late() {
    let mut world = World::kafka(Route { delivery: Guarantee::AtMostOnce, ..one_at_once() }, 1);
    world.produce(&["a", "b"]);
    world.pass(SECOND);
    world.drain(10 * SECOND);
    world.pause();
    world.done("t/0/0", 0);
    assert_eq!(world.in_hand(), ["t/0/1"], "it is committed already");
}

#[test]
fn a_process_that_starts_is_not_paused() {
    let mut world = World::kafka(route(), 1);
    world.pause();
    world.crash();
    world.assign(0);
    world.produce(&["a"]);
    assert_eq!(world.in_hand(), ["t/0/0"]);
}
