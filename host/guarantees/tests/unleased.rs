//! Queues without leases and delays, as those of AMQP: a message is the consumer's until it is acknowledged or returned, or
//! until the connection ends.

use std::time::Duration;

use cofferdam_core::action::{Fate, Next};
use cofferdam_core::machine::{Machine, Sabotage};
use cofferdam_core::outcome::{Class, Failure};
use cofferdam_core::route::{Guarantee, Route};
use cofferdam_core::source::SourceTraits;
use cofferdam_guarantees::simulation::{SECOND, World, failure, unleased_route};

const HOUR: Duration = Duration::from_secs(3_600);

fn fates(world: &World) -> Vec<(&str, Fate)> {
    world.seen().fates.iter().map(|(id, fate)| (&**id, *fate)).collect()
}

#[test]
fn a_message_is_acknowledged_once_its_outputs_are_durable_and_no_clock_takes_it_away() {
    let mut world = World::broker_without_lease();
    world.send(&["a", "a"]);
    world.wait(HOUR);
    world.done("m-0", 1);
    assert!(world.host().deletes.is_empty(), "its output is not durable");
    assert!(world.in_hand().is_empty(), "the next of its key waits for that");
    world.store_all();
    world.wait(HOUR);
    world.answer_delete(true);
    assert_eq!(fates(&world), [("m-0", Fate::Done)]);
    assert_eq!(world.in_hand(), ["m-1"]);
    assert!(world.host().extends.is_empty(), "there is no lease to extend");
}

#[test]
fn a_retry_waits_in_the_host_however_long_it_is() {
    let mut world = World::broker_without_lease();
    world.send(&["a", "a", "b"]);
    world.fail("m-0", Failure { retry_after: Some(HOUR / 4), ..failure(Class::Deferred) });
    assert_eq!(world.seen().troubles, [("m-0".to_owned(), Next::Defer(HOUR / 4))]);
    assert_eq!(world.in_hand(), ["m-2"], "its key waits, and no other");
    world.wait(HOUR / 4);
    assert!(world.queue.released.is_empty());
    assert_eq!(world.in_hand(), ["m-2", "m-0"]);
}

#[test]
fn what_a_host_loses_with_its_connection_comes_again_in_its_order() {
    let mut world = World::broker_without_lease();
    world.send(&["a", "a", "b"]);
    assert_eq!(world.in_hand(), ["m-0", "m-2"]);
    world.add_host();
    world.disconnect();
    world.on(1).receive();
    assert_eq!(world.in_hand(), ["m-0", "m-2"]);
    // It does not know yet: what it acknowledges now is refused.
    world.on(0).done("m-2", 0);
    world.answer_delete(true);
    world.learn_of_the_connection();
    assert_eq!(fates(&world).len(), 3, "all that it had has ended");
    assert!(fates(&world).iter().all(|(_, fate)| matches!(fate, Fate::Revoked | Fate::Released)));
    world.on(1);
    for id in ["m-0", "m-1", "m-2"] {
        world.done(id, 0);
        world.answer_delete(true);
    }
    assert!(world.queue.messages.is_empty());
}

#[test]
fn a_message_that_a_host_still_has_is_not_forgotten_where_no_lease_of_it_ends() {
    let mut world = World::broker_without_lease();
    world.send(&["a"]);
    world.fail("m-0", failure(Class::Revoked));
    assert!(fates(&world).is_empty(), "it would be with this host until it stops, and nobody would handle it");
    world.wait(SECOND);
    world.done("m-0", 0);
    world.answer_delete(true);
    assert_eq!(fates(&world), [("m-0", Fate::Done)]);
}

#[test]
fn attempts_are_counted_in_the_host_where_the_broker_does_not_count() {
    let mut world = World::broker_without_lease();
    world.send(&["a"]);
    world.fail("m-0", failure(Class::Retryable));
    world.drain(SECOND);
    assert_eq!(fates(&world), [("m-0", Fate::Released)]);
    world.add_host();
    world.on(0).kill();
    world.on(1).receive();
    assert_eq!(world.attempt("m-0"), 1, "nobody has told this host of another");
    world.fail("m-0", failure(Class::Retryable));
    world.wait(60 * SECOND);
    assert_eq!(world.attempt("m-0"), 2);
}

#[test]
fn a_broker_that_counts_and_limits_moves_nothing_that_a_host_has_handed_back() {
    let route = unleased_route(true);
    let source = SourceTraits { max_receives: Some(1), ..route.source };
    let mut world = World::new(Route { source, ..route }, 7);
    world.send(&["a"]);
    world.fail("m-0", failure(Class::Retryable));
    world.drain(30 * SECOND);
    world.store_all();
    world.answer_delete(true);
    assert_eq!(fates(&world), [("m-0", Fate::DeadLettered)]);
    assert!(world.queue.released.is_empty());
}

#[test]
fn at_most_once_a_message_is_acknowledged_before_it_is_handled() {
    let route = Route { delivery: Guarantee::AtMostOnce, ..unleased_route(false) };
    let mut world = World::new(route, 7);
    world.send(&["a"]);
    assert!(world.in_hand().is_empty());
    world.answer_delete(true);
    assert!(world.queue.messages.is_empty());
    // It is the host's alone now, and no connection takes it away.
    world.disconnect();
    world.learn_of_the_connection();
    world.done("m-0", 0);
    assert_eq!(fates(&world), [("m-0", Fate::Done)]);
}

/// A host that stops while the dead letter of m-2 is refused, and receives another message of its key meanwhile.
fn stopped_beside_a_refused_dead_letter(prepare: fn(&mut Machine)) -> World {
    let route = unleased_route(true);
    let source = SourceTraits { max_receives: Some(1), ..route.source };
    let mut world = World::new_with(Route { source, ..route }, 7, prepare);
    world.sinks.refuse_letters();
    world.send(&["", "", "a"]);
    world.fail("m-2", failure(Class::Permanent));
    world.store_all();
    world.drain(30 * SECOND);
    // In its other form.
    world.store_all();
    world.send(&["a", "b"]);
    world
}

#[test]
fn nothing_overtakes_a_message_that_goes_back_when_its_host_stops() {
    let world = stopped_beside_a_refused_dead_letter(|_| {});
    assert_eq!(fates(&world), [("m-2", Fate::Abandoned), ("m-3", Fate::Abandoned)]);
    assert_eq!(world.in_hand(), ["m-0", "m-1", "m-4"], "other keys are handled within the limit of the stop");
}

#[test]
#[should_panic(expected = "overtakes m-2")]
fn a_stop_that_lets_a_message_be_overtaken_is_found_out() {
    stopped_beside_a_refused_dead_letter(|machine| machine.sabotage(Sabotage::AbandonedIsOvertaken));
}
