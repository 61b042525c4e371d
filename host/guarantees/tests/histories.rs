//! Histories by the thousand. The witness checks the promises at every step; a history replays from its seed.

use cofferdam_core::Order;
use cofferdam_core::route::{Bounds, Route};
use cofferdam_core::verdict::{Policy, Unrouted};
use cofferdam_guarantees::simulation::{World, queue_route, route};

const HISTORIES: u64 = 500;
const STEPS: u32 = 300;

/// Says by which seed a history that failed can be seen again.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

/// Runs a history for each seed, in worlds that differ in bounds, workers and policies.
fn histories(route: &Route, tell: fn(&mut World)) {
    // A queue has no partitions.
    let orders = [Order::Key, Order::None, Order::Partition];
    let orders = &orders[..if route.lease.is_some() { 2 } else { 3 }];
    for number in 0..HISTORIES {
        let seed = Seed(number);
        let mut dice = fastrand::Rng::with_seed(seed.0);
        let unrouted = if dice.bool() { Unrouted::Ignore } else { Unrouted::DeadLetter };
        let route = Route {
            order: orders[dice.usize(0..orders.len())],
            concurrency: dice.u32(1..6),
            bounds: Bounds { messages: dice.u32(1..40), bytes: dice.u64(1..4_000) },
            policy: Policy { unrouted, ..route.policy.clone() },
            ..route.clone()
        };
        let mut world = World::new(route, seed.0);
        for _ in 0..STEPS {
            world.step();
        }
        tell(&mut world);
    }
}

/// The storm is over: all is settled, then the machine stops and sleeps.
fn ends_well(world: &mut World) {
    world.calm_down();
    assert_eq!(world.witness.unstored(), None);
    world.drain(10 * cofferdam_guarantees::simulation::SECOND);
    world.calm_down();
    assert_eq!(world.witness.drained, 1);
    world.fall_asleep();
}

fn ends_in_a_drain(world: &mut World) {
    let limit = std::time::Duration::from_millis(world.dice.u64(0..20_000));
    world.drain(limit);
    world.see_the_drain_out();
    world.fall_asleep();
    world.crash();
    ends_well(world);
}

fn ends_in_a_crash(world: &mut World) {
    world.crash();
    ends_well(world);
}

#[test]
fn whatever_happens_on_kafka_every_record_is_settled_in_the_end() {
    histories(&route(), ends_well);
}

#[test]
fn whatever_happens_on_sqs_every_message_is_settled_in_the_end() {
    histories(&queue_route(), ends_well);
}

#[test]
fn a_drain_ends_whatever_happens_and_the_next_host_finds_all_that_was_left() {
    histories(&route(), ends_in_a_drain);
    histories(&queue_route(), ends_in_a_drain);
}

#[test]
fn a_crash_at_any_step_loses_nothing() {
    histories(&route(), ends_in_a_crash);
    histories(&queue_route(), ends_in_a_crash);
}
