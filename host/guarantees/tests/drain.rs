//! Stopping: what has not started goes back, what runs may finish, and the last commit.

use std::time::Duration;

use cofferdam_core::action::Fate;
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_core::route::{Guarantee, Route};
use cofferdam_guarantees::simulation::{FLUSH, SECOND, World, failure, queue_route, route, unavailable};

fn fates(world: &World) -> Vec<(&str, Fate)> {
    world.seen().fates.iter().map(|(id, fate)| (&**id, *fate)).collect()
}

#[test]
fn a_drain_of_an_idle_machine_ends_at_once() {
    let mut world = World::kafka(route(), 1);
    world.drain(10 * SECOND);
    assert_eq!(world.seen().drained, 1);
    world.drain(10 * SECOND);
    world.wait(60 * SECOND);
    assert_eq!(world.seen().drained, 1);
}

#[test]
fn on_kafka_what_runs_may_finish_and_is_committed() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "a", "b", "c"]);
    world.fail("t/0/3", failure(Class::Retryable));
    world.drain(10 * SECOND);
    world.answer_commit(true);
    assert_eq!(fates(&world), [("t/0/1", Fate::Released), ("t/0/3", Fate::Released)]);
    world.done("t/0/0", 1);
    world.fail("t/0/2", failure(Class::Retryable));
    assert_eq!(fates(&world)[2], ("t/0/2", Fate::Released));
    world.store_all();
    assert_eq!(world.seen().drained, 0, "the commit is not confirmed");
    assert_eq!(world.seen().commits.last().map(|commit| commit.offset), Some(1));
    world.answer_commit(true);
    assert_eq!(world.seen().drained, 1);
    world.fall_asleep();
}

#[test]
fn on_sqs_what_has_not_started_goes_back_at_once() {
    let mut world = World::sqs();
    world.send(&["a", "a", "b", "", "", ""]);
    world.receive();
    world.drain(10 * SECOND);
    let (ids, at) = &world.queue.released[0];
    assert_eq!((ids.join(" "), *at), ("m-1 m-5".to_owned(), world.now));
    world.fail("m-2", failure(Class::Retryable));
    assert_eq!(world.queue.released[1].1, world.now.after(SECOND), "one that was tried keeps its backoff");
    world.post("d", 5);
    world.receive();
    assert_eq!(world.queue.released[2].0, ["m-5", "m-6"], "what comes late goes back too");
    for id in ["m-0", "m-3", "m-4"] {
        world.done(id, 0);
        assert_eq!(world.seen().drained, 0);
        world.answer_delete(true);
    }
    assert_eq!(world.seen().drained, 1);
}

#[test]
fn what_is_not_finished_within_the_limit_is_abandoned() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b", "c"]);
    world.done("t/0/0", 0);
    world.done("t/0/1", 1);
    world.answer(0, unavailable());
    world.drain(10 * SECOND);
    world.answer_commit(true);
    world.wait(Duration::from_millis(9_999));
    assert_eq!(fates(&world), [("t/0/0", Fate::Done)]);
    world.wait(SECOND);
    assert_eq!(fates(&world)[1..], [("t/0/1", Fate::Abandoned), ("t/0/2", Fate::Abandoned)]);
    assert_eq!(world.seen().drained, 1);
    world.done("t/0/2", 1);
    world.fall_asleep();
}

#[test]
fn a_commit_refused_in_a_drain_is_repeated_once_more_after_the_limit() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a"]);
    world.done("t/0/0", 0);
    world.drain(Duration::from_millis(2_500));
    for times in 1..=3 {
        assert_eq!(world.seen().commits.len(), times);
        world.answer_commit(false);
        world.wait(SECOND);
    }
    assert_eq!((world.seen().commits.len(), world.seen().drained), (4, 0));
    world.answer_commit(false);
    assert_eq!(world.seen().drained, 1);
    world.fall_asleep();
}

#[test]
fn a_drain_does_not_wait_to_commit_what_was_lost() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a"]);
    world.done("t/0/0", 0);
    world.drain(600 * SECOND);
    world.lose(0);
    world.answer_commit(false);
    world.wait(5 * SECOND);
    assert_eq!(world.seen().drained, 1);
}

#[test]
fn a_commit_that_is_refused_only_after_the_limit_leaves_one_more_try() {
    let mut world = World::kafka(route(), 2);
    world.produce(&["a"]);
    world.done("t/0/0", 0);
    world.wait(SECOND);
    world.write(1, "b", 5);
    world.fetch();
    world.done("t/1/0", 0);
    world.drain(SECOND);
    world.lose(0);
    world.wait(2 * SECOND);
    world.answer_commit(true);
    assert_eq!(world.seen().drained, 0, "of the other partition nothing was said yet");
    world.answer_commit(true);
    assert_eq!((world.seen().drained, world.broker.logs[&1].committed), (1, 1));
}

#[test]
fn at_most_once_what_waits_behind_a_record_that_is_called_off_takes_its_turn() {
    let mut world = World::kafka(Route { delivery: Guarantee::AtMostOnce, ..route() }, 1);
    world.produce(&["a", "a"]);
    world.pass(SECOND);
    world.drain(10 * SECOND);
    world.fail("t/0/0", Failure::host(Code::INTERNAL, "called off"));
    assert_eq!(fates(&world), [("t/0/0", Fate::Released)], "it was begun, and nobody may begin it again");
    world.done("t/0/1", 0);
    assert_eq!(world.seen().drained, 1);
}

#[test]
fn a_partition_revoked_in_a_drain_is_given_up() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a"]);
    world.drain(10 * SECOND);
    world.revoke(0);
    world.done("t/0/0", 0);
    assert_eq!(world.seen().given_up, [(0, Some(1))]);
    assert_eq!(world.seen().drained, 1);
}

#[test]
fn a_drain_ends_within_its_limits_though_nobody_answers() {
    let deliveries = [Guarantee::AtMostOnce, Guarantee::AtLeastOnce, Guarantee::ExactlyOnce];
    for delivery in deliveries {
        let mut world = World::kafka(Route { delivery, ..route() }, 1);
        world.produce(&["a", "b", "c"]);
        world.pass(SECOND);
        // One is with a worker, one with a sink or waits for it, one with the broker that it is committed to.
        world.done("t/0/0", 1);
        world.store_all();
        world.done("t/0/1", 1);
        world.wait(2 * SECOND);
        world.drain(2 * SECOND);
        world.wait(2 * SECOND + FLUSH);
        assert_eq!(world.seen().drained, 1, "{delivery:?}");
    }
    for delivery in &deliveries[..2] {
        let mut world = World::new(Route { delivery: *delivery, ..queue_route() }, 7);
        world.send(&["a", "b"]);
        world.drain(2 * SECOND);
        world.wait(2 * SECOND + FLUSH);
        assert_eq!(world.seen().drained, 1, "{delivery:?}");
    }
}
