//! Exactly once: what a transaction takes along, and what its answer may not undo.

use std::time::Duration;

use cofferdam_core::action::Fate;
use cofferdam_core::outcome::Class;
use cofferdam_core::route::{Bounds, Guarantee, Route};
use cofferdam_core::verdict::{Policy, Unrouted};
use cofferdam_guarantees::Effect;
use cofferdam_guarantees::simulation::{Ending, SECOND, World, failure, route};

fn exactly_once() -> Route {
    Route { delivery: Guarantee::ExactlyOnce, ..route() }
}

/// Four records may be in flight, so that one that is settled is worth a commit at once.
fn prompt() -> World {
    World::kafka(Route { bounds: Bounds { messages: 4, bytes: 100_000 }, ..exactly_once() }, 1)
}

fn offsets(world: &World) -> Vec<i64> {
    world.broker.logs.values().map(|log| log.committed).collect()
}

fn found(world: &World) -> Vec<(&str, Effect)> {
    world.sinks.stored.iter().map(|stored| (&*stored.of, stored.effect)).collect()
}

#[test]
fn outputs_and_offsets_come_about_together_in_the_order_of_offsets() {
    let mut world = World::kafka(exactly_once(), 1);
    world.produce(&["a", "b"]);
    world.done("t/0/1", 1);
    world.wait(5 * SECOND);
    assert!(world.host().client.holds.contains_key(&0) && found(&world).is_empty());
    world.done("t/0/0", 1);
    world.wait(SECOND);
    assert_eq!(offsets(&world), [0]);
    world.answer_transaction(Ending::Committed);
    assert_eq!(found(&world), [("t/0/0", Effect::Output(0)), ("t/0/1", Effect::Output(0))]);
    assert_eq!(offsets(&world), [2]);
    assert_eq!(world.seen().fates.len(), 2);
}

#[test]
fn one_that_is_aborted_leaves_nothing_and_is_made_again() {
    let mut world = World::kafka(exactly_once(), 1);
    world.produce(&["a"]);
    world.done("t/0/0", 1);
    for ending in [Ending::Unavailable, Ending::Fenced] {
        world.wait(20 * SECOND);
        world.answer_transaction(ending);
        assert!(found(&world).is_empty() && world.seen().fates.is_empty());
    }
    world.wait(20 * SECOND);
    world.answer_transaction(Ending::Committed);
    assert_eq!((found(&world).len(), offsets(&world)), (1, vec![1]));
    assert!(world.in_hand().is_empty(), "it is not handled again");
}

#[test]
fn an_output_that_can_never_be_stored_makes_its_record_a_dead_letter() {
    let mut world = World::kafka(exactly_once(), 1);
    world.produce(&["a", "b"]);
    world.done("t/0/0", 1);
    world.done("t/0/1", 1);
    world.wait(SECOND);
    world.answer_transaction(Ending::Rejected);
    world.wait(SECOND);
    world.answer_transaction(Ending::Committed);
    let expected = [("t/0/0", Effect::DeadLetter), ("t/0/0", Effect::ErrorEvent), ("t/0/1", Effect::Output(0))];
    assert_eq!(found(&world), expected);
}

#[test]
fn a_dead_letter_that_is_never_taken_holds_its_partition_and_is_not_tried_all_the_time() {
    let mut world = World::kafka(exactly_once(), 2);
    world.produce(&["a"]);
    world.done("t/0/0", 1);
    // The output, the dead letter with its reason, the dead letter without.
    for _ in 1..=3 {
        world.wait(SECOND);
        world.answer_transaction(Ending::Rejected);
    }
    assert!(!world.machine().is_holding());
    assert_eq!(world.machine().refused(), 1);
    world.write(1, "b", 10);
    world.fetch();
    world.done("t/1/0", 1);
    world.wait(SECOND);
    world.answer_transaction(Ending::Committed);
    assert_eq!(found(&world), [("t/1/0", Effect::Output(0))], "another partition goes on");
    world.wait(10 * SECOND);
    world.answer_transaction(Ending::Committed);
    assert_eq!(world.machine().refused(), 0);
    assert_eq!(found(&world)[1..], [("t/0/0", Effect::DeadLetter), ("t/0/0", Effect::ErrorEvent)]);
}

#[test]
fn one_without_an_answer_holds_the_route_until_it_has_one() {
    let mut world = World::kafka(exactly_once(), 1);
    world.produce(&["a"]);
    world.done("t/0/0", 1);
    world.wait(3 * SECOND);
    assert!(!world.machine().is_holding(), "a broker may take a moment");
    world.wait(2 * SECOND);
    assert!(world.machine().is_holding());
    world.produce(&["b"]);
    assert!(world.in_hand().is_empty(), "nothing starts that could not be published");
    world.answer_transaction(Ending::Committed);
    assert!(!world.machine().is_holding());
    assert_eq!(world.in_hand(), ["t/0/1"]);
}

#[test]
fn the_next_one_waits_until_all_of_the_last_is_settled() {
    let mut world = prompt();
    world.produce(&["a", "b", "c"]);
    for record in ["t/0/0", "t/0/1", "t/0/2"] {
        world.done(record, 1);
    }
    // The first took one record, the second takes two.
    for offset in [1, 3] {
        world.answer_transaction(Ending::Committed);
        assert_eq!(offsets(&world), [offset]);
    }
    world.wait(5 * SECOND);
    world.answer_transaction(Ending::Committed);
    assert_eq!(offsets(&world), [3], "nothing takes the offset back");
}

#[test]
fn one_that_is_answered_after_the_limit_of_a_drain_counts() {
    let mut world = World::kafka(exactly_once(), 1);
    world.produce(&["a", "b"]);
    world.fail("t/0/1", failure(Class::Retryable));
    world.done("t/0/0", 1);
    world.wait(Duration::from_millis(200));
    world.drain(SECOND);
    world.wait(2 * SECOND);
    assert!(world.seen().fates.contains(&("t/0/0".to_owned(), Fate::Abandoned)));
    world.answer_transaction(Ending::Committed);
    world.answer_transaction(Ending::Committed);
    assert_eq!((world.seen().drained, offsets(&world)), (1, vec![1]));
    assert_eq!(found(&world).len(), 1);
}

/// Two hosts; the first has both partitions and one transaction over a record of each, the second has a record of
/// partition 1 and commits the same offset.
fn equal_offset(done: bool) -> World {
    let mut world = World::kafka(exactly_once(), 2);
    world.add_host();
    world.write(0, "a", 10);
    world.write(1, "b", 10);
    world.on(0).fetch();
    world.done("t/0/0", 1);
    world.done("t/1/0", 1);
    world.wait(SECOND);
    world.answer_transaction(Ending::Unanswered { done });
    world
}

#[test]
fn an_equal_offset_of_another_host_is_not_taken_for_the_own_commit() {
    let mut world = equal_offset(false);
    world.on(1).assign(1);
    world.fetch();
    world.done("t/1/0", 1);
    world.wait(SECOND);
    world.answer_transaction(Ending::Committed);
    assert_eq!(offsets(&world), [0, 1]);
    world.on(0).lose(1);
    world.answer_transaction(Ending::Committed);
    assert!(world.seen().fates.iter().all(|(_, fate)| *fate == Fate::Revoked), "{:?}", world.seen().fates);
    world.wait(20 * SECOND);
    world.answer_transaction(Ending::Committed);
    assert_eq!(offsets(&world), [1, 1]);
    assert_eq!(found(&world), [("t/1/0", Effect::Output(0)), ("t/0/0", Effect::Output(0))]);
}

#[test]
fn a_commit_whose_answer_was_lost_is_known_by_its_mark() {
    let mut world = equal_offset(true);
    assert!(world.seen().fates.is_empty());
    world.answer_transaction(Ending::Committed);
    assert!(world.seen().fates.iter().all(|(_, fate)| *fate == Fate::Done), "{:?}", world.seen().fates);
    world.wait(20 * SECOND);
    assert_eq!((found(&world).len(), offsets(&world)), (2, vec![1, 1]));
}

#[test]
fn a_partition_that_others_have_committed_is_read_again_from_there() {
    let mut world = equal_offset(false);
    // The first host has not heard that partition 1 is gone.
    world.on(1).assign(1);
    world.write(1, "b", 10);
    world.fetch();
    world.done("t/1/0", 1);
    world.done("t/1/1", 1);
    world.wait(SECOND);
    world.answer_transaction(Ending::Committed);
    world.on(0).answer_transaction(Ending::Committed);
    assert_eq!(world.seen().fates, [("t/1/0".to_owned(), Fate::Revoked)]);
    assert!(!world.host().client.holds.contains_key(&1));
    world.on(0).assign(1);
    world.on(0).wait(20 * SECOND);
    world.answer_transaction(Ending::Committed);
    assert_eq!((found(&world).len(), offsets(&world)), (3, vec![1, 2]));
}

#[test]
fn who_has_lost_the_partition_commits_nothing() {
    let mut world = World::kafka(exactly_once(), 1);
    world.add_host();
    world.produce(&["a"]);
    world.done("t/0/0", 1);
    world.wait(SECOND);
    world.on(1).assign(0);
    world.fetch();
    world.on(0).answer_transaction(Ending::Committed);
    assert!(found(&world).is_empty());
    world.on(1).done("t/0/0", 1);
    world.wait(SECOND);
    world.answer_transaction(Ending::Committed);
    assert_eq!((found(&world).len(), offsets(&world)), (1, vec![1]));
}

/// A host whose only transaction contains an offset and no output, when its partition is revoked.
fn revoked_beside_an_offset(staged: bool) -> World {
    let policy = Policy { unrouted: Unrouted::Ignore, ..Policy::default() };
    let mut world = World::kafka(Route { policy, ..exactly_once() }, 1);
    world.produce(&["a"]);
    world.fail("t/0/0", failure(Class::Unrouted));
    world.wait(SECOND);
    assert_eq!(world.seen().fates, [("t/0/0".to_owned(), Fate::Ignored)]);
    if staged {
        world.stage_transaction();
    }
    world.revoke(0);
    world
}

#[test]
fn a_revoked_partition_waits_for_the_transaction_with_its_offset() {
    for ending in [Ending::Committed, Ending::Unavailable] {
        let mut world = revoked_beside_an_offset(false);
        assert!(world.host().client.holds.contains_key(&0), "its answer is awaited");
        world.answer_transaction(ending);
        assert!(world.host().client.holds.is_empty(), "{ending:?}");
        assert_eq!(offsets(&world), [i64::from(ending == Ending::Committed)]);
    }
}

#[test]
fn a_revoked_partition_waits_for_its_transaction_within_the_revoke_timeout() {
    let mut world = revoked_beside_an_offset(true);
    world.wait(world.route.revoke_timeout);
    assert!(world.host().client.holds.is_empty());
    // What the broker had by then may be committed all the same, and the next owner begins behind it or repeats it.
    world.answer_transaction(Ending::Committed);
    assert_eq!(offsets(&world), [1]);
    world.assign(0);
    world.fetch();
    assert!(world.in_hand().is_empty());
}
