//! What may start: the rule that holds a route back has a name.

use cofferdam_core::breaker::Breaker;
use cofferdam_core::machine::HeldBack;
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::route::{Bounds, Route};
use cofferdam_guarantees::simulation::{SECOND, World, failure, route, unavailable};

/// A world with four attempts at once, of which one runs.
fn one_record(route: Route) -> World {
    let mut world = World::kafka(route, 1);
    world.produce(&["a"]);
    world
}

#[test]
fn a_route_at_its_limit_on_attempts_is_held_back_by_concurrency() {
    let mut world = one_record(Route { concurrency: 1, ..route() });
    assert_eq!(world.machine().held_back(), Some(HeldBack::Concurrency));
    world.done("t/0/0", 0);
    assert_eq!(world.machine().held_back(), None);
}

#[test]
fn a_route_whose_outputs_fill_the_bound_is_held_back_by_outputs() {
    let mut world = one_record(Route { bounds: Bounds { messages: 100, bytes: 300 }, ..route() });
    world.done("t/0/0", 2);
    assert_eq!(world.machine().held_back(), Some(HeldBack::Outputs));
    world.store_all();
    assert_eq!(world.machine().held_back(), None);
}

#[test]
fn a_route_with_an_open_circuit_is_held_back_by_it_and_by_the_recovery_behind_it() {
    let breaker = Breaker { failures: 1, ..Breaker::default() };
    let mut world = one_record(Route { breaker, ..route() });
    world.fail("t/0/0", failure(Class::Retryable));
    assert_eq!(world.machine().held_back(), Some(HeldBack::Circuit));
    world.produce(&["b", "c"]);
    world.wait(SECOND);
    assert_eq!(world.in_hand().len(), 1, "a probe");
    assert_eq!(world.machine().held_back(), Some(HeldBack::Circuit));
    let probe = world.in_hand().remove(0);
    world.done(&probe, 0);
    assert_eq!((world.in_hand().len(), world.machine().held_back()), (1, Some(HeldBack::Recovery)));
}

#[test]
fn a_route_that_waits_for_a_destination_or_the_host_is_held_back_by_a_hold() {
    let mut world = one_record(route());
    world.done("t/0/0", 1);
    world.answer(0, unavailable());
    assert_eq!(world.machine().held_back(), Some(HeldBack::Hold));
    let mut world = one_record(route());
    world.fail("t/0/0", Failure::host(Code::INTERNAL, "no thread"));
    assert_eq!(world.machine().held_back(), Some(HeldBack::Hold));
}
