//! Partitions: how they come and go, and how far they are committed.

use cofferdam_core::Order;
use cofferdam_core::action::{Bound, Fate};
use cofferdam_core::event::Event;
use cofferdam_core::machine::{Machine, Sabotage};
use cofferdam_core::outcome::{Class, Failure};
use cofferdam_core::route::{Bounds, Guarantee, Route};
use cofferdam_guarantees::simulation::{SECOND, World, failure, partition, route, unavailable};

fn fates(world: &World) -> Vec<(&str, Fate)> {
    world.seen().fates.iter().map(|(id, fate)| (&**id, *fate)).collect()
}

#[test]
fn an_offset_is_committed_only_when_every_earlier_one_is_settled() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b", "c"]);
    world.done("t/0/2", 0);
    world.done("t/0/1", 0);
    world.pass(5 * SECOND);
    assert!(world.seen().commits.iter().all(|commit| commit.offset == 0));
    world.done("t/0/0", 0);
    world.wait(SECOND);
    assert_eq!(world.seen().commits.last().map(|commit| commit.offset), Some(3));
}

#[test]
fn commits_go_by_interval_and_one_at_a_time() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b", "c"]);
    world.done("t/0/0", 0);
    world.wait(SECOND);
    world.done("t/0/1", 0);
    world.wait(5 * SECOND);
    assert_eq!(world.seen().commits.len(), 1, "the first is not answered");
    world.answer_commit(true);
    world.done("t/0/2", 0);
    world.wait(SECOND);
    assert_eq!(world.seen().commits.len(), 2);
    assert_eq!(world.seen().commits[1].offset, 3);
    world.answer_commit(true);
    world.wait(5 * SECOND);
    assert_eq!(world.seen().commits.len(), 2, "no news");
}

#[test]
fn a_commit_that_failed_is_repeated() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a"]);
    world.done("t/0/0", 0);
    for times in 1..4 {
        world.wait(SECOND);
        assert_eq!(world.seen().commits.len(), times);
        world.answer_commit(false);
    }
    world.wait(SECOND);
    world.answer_commit(true);
    world.wait(5 * SECOND);
    assert_eq!(world.seen().commits.len(), 4);
    assert!(world.broker.is_finished());
}

#[test]
fn settled_records_count_against_the_bound_until_a_commit_covers_them() {
    let bounds = Bounds { messages: 8, bytes: 100_000 };
    let mut world = World::kafka(Route { bounds, concurrency: 100, ..route() }, 1);
    world.produce(&[""; 20]);
    assert_eq!(world.in_hand().len(), 8);
    world.done("t/0/0", 0);
    assert_eq!(world.seen().commits.len(), 0);
    world.done("t/0/1", 0);
    assert_eq!(world.seen().commits.len(), 1, "much is settled: the commit does not wait for its interval");
    world.fetch();
    assert_eq!(world.in_hand().len(), 6);
    world.answer_commit(true);
    world.fetch();
    assert_eq!(world.in_hand().len(), 8);
}

#[test]
fn a_partition_that_stands_still_leaves_room_for_the_others() {
    let bounds = Bounds { messages: 8, bytes: 100_000 };
    let mut world = World::kafka(Route { bounds, concurrency: 100, ..route() }, 2);
    world.produce(&["a", "b", "c", "d"]);
    world.produce(&["e"]);
    assert_eq!(world.in_hand().len(), 4, "the partition has its share and is paused");
    world.write(1, "x", 1);
    world.done("t/0/1", 0);
    world.fetch();
    assert!(world.in_hand().contains(&"t/1/0".to_owned()));
    world.done("t/0/0", 0);
    world.fetch();
    assert!(world.in_hand().contains(&"t/0/4".to_owned()), "with room again it goes on");
}

#[test]
fn a_partition_that_is_alone_at_work_uses_what_the_others_leave() {
    let bounds = Bounds { messages: 16, bytes: 100_000 };
    let mut world = World::kafka(Route { bounds, concurrency: 100, ..route() }, 8);
    world.produce(&["a", "b", "c", "d", "e", "f", "g", "h"]);
    world.produce(&["i", "j"]);
    assert_eq!(world.in_hand().len(), 8, "half of the room, not an eighth of it");
    (1..8).for_each(|number| drop(world.write(number, "x", 1)));
    world.fetch();
    assert_eq!(world.in_hand().len(), 8 + 7, "and the others have the rest");
}

#[test]
fn one_record_that_waits_does_not_hold_up_thousands_of_others_of_its_partition() {
    let bounds = Bounds { messages: 100, bytes: 1_000_000 };
    let mut world = World::kafka(Route { bounds, concurrency: 100, ..route() }, 12);
    world.produce(&["waits"]);
    world.fail("t/0/0", Failure { retry_after: Some(3_000 * SECOND), ..failure(Class::Deferred) });
    for round in 0..30 {
        let keys: Vec<String> = (0..100).map(|number| format!("{round}/{number}")).collect();
        keys.iter().for_each(|key| drop(world.write(0, key, 1)));
        for _ in 0..100 {
            world.fetch();
            world.in_hand().iter().for_each(|id| world.done(id, 0));
            world.answer_commit(true);
        }
    }
    assert_eq!(world.machine().account().done, 3_000);
    world.pass(60 * SECOND);
    assert!(world.seen().blocked.is_empty() && world.machine().in_use().messages == 1);
    // A crash repeats none of them.
    world.crash();
    world.assign(0);
    world.fetch();
    assert_eq!(world.in_hand(), ["t/0/0"]);
}

#[test]
fn records_that_wait_until_a_bound_is_reached_say_so_and_say_when_it_is_over() {
    let bounds = Bounds { messages: 20, bytes: 100_000 };
    let mut world = World::kafka(Route { bounds, concurrency: 100, ..route() }, 2);
    (0..30).for_each(|number| drop(world.write(0, &format!("k{number}"), 1)));
    world.fetch();
    let waits = || Failure { retry_after: Some(600 * SECOND), ..failure(Class::Deferred) };
    world.in_hand().iter().for_each(|id| world.fail(id, waits()));
    assert!(world.seen().blocked.is_empty(), "it may be over soon");
    world.pass(30 * SECOND);
    let blocked = world.seen().blocked[&0].clone();
    assert_eq!((blocked.bound, blocked.behind), (Bound::InFlight, 0));
    world.pass(600 * SECOND);
    for _ in 0..30 {
        world.in_hand().iter().for_each(|id| world.done(id, 0));
        world.answer_commit(true);
        world.fetch();
    }
    world.pass(20 * SECOND);
    assert!(world.seen().blocked.is_empty() && world.broker.is_finished());
}

#[test]
fn records_that_wait_until_the_metadata_is_full_say_so() {
    let mut world = World::kafka(Route { commit_metadata: 200, concurrency: 4, ..wide() }, 1);
    (0..200).for_each(|_| drop(world.write(0, "", 1)));
    for _ in 0..200 {
        world.fetch();
        let waits = || Failure { retry_after: Some(600 * SECOND), ..failure(Class::Deferred) };
        world.in_hand().iter().for_each(|id| world.fail(id, waits()));
        world.pass(SECOND);
    }
    assert_eq!(world.seen().blocked[&0].bound, Bound::Metadata);
}

/// Nobody's order, and room for all.
fn wide() -> Route {
    let bounds = Bounds { messages: 100_000, bytes: 100_000_000 };
    Route { bounds, order: Order::None, concurrency: 10_000, ..route() }
}

#[test]
fn a_new_owner_goes_on_where_the_metadata_had_hardly_room() {
    let mut world = World::kafka(wide(), 1);
    (0..1_000).for_each(|_| drop(world.write(0, "", 1)));
    world.fetch();
    (1..1_000).step_by(2).for_each(|offset| world.done(&format!("t/0/{offset}"), 0));
    world.wait(SECOND);
    world.answer_commit(true);
    world.crash();
    world.assign(0);
    world.fetch();
    assert_eq!(world.in_hand().len(), 500, "what was finished is not begun again, all else is");
    (0..1_000).step_by(2).for_each(|offset| world.done(&format!("t/0/{offset}"), 0));
    (0..1_000).for_each(|_| drop(world.write(0, "", 1)));
    world.wait(SECOND);
    world.answer_commit(true);
    world.fetch();
    assert_eq!(world.in_hand().len(), 1_000, "with room again it goes on");
}

#[test]
fn records_that_were_put_off_begin_again_at_a_new_owner_however_many_they_are() {
    let deferred = || Failure { retry_after: Some(SECOND), ..failure(Class::Deferred) };
    let mut world = World::kafka(wide(), 1);
    (0..301).for_each(|_| drop(world.write(0, "", 1)));
    world.fetch();
    (0..300).for_each(|offset| world.fail(&format!("t/0/{offset}"), deferred()));
    world.done("t/0/300", 0);
    world.wait(SECOND);
    world.answer_commit(true);
    world.crash();
    world.assign(0);
    world.fetch();
    assert_eq!(world.in_hand().len(), 300);
}

#[test]
fn what_is_held_is_probed_however_many_others_were_tried() {
    let mut world = World::kafka(wide(), 1);
    (0..301).for_each(|_| drop(world.write(0, "", 1)));
    world.fetch();
    (0..300).for_each(|offset| world.fail(&format!("t/0/{offset}"), failure(Class::Retryable)));
    world.fail("t/0/300", failure(Class::HostFault));
    world.pass(20 * SECOND);
    assert_eq!(world.in_hand(), ["t/0/300"]);
}

#[test]
fn what_stands_behind_the_last_record_is_committed_once_all_records_are_settled() {
    let mut world = World::kafka(route(), 1);
    world.broker.skip(0, 3);
    world.fetch();
    world.wait(SECOND);
    world.answer_commit(true);
    assert_eq!(world.broker.logs[&0].committed, 3, "nothing but markers");
    world.produce(&["a"]);
    world.broker.skip(0, 2);
    world.fetch();
    world.wait(SECOND);
    world.answer_commit(true);
    assert_eq!(world.broker.logs[&0].committed, 3, "one is not settled");
    world.done("t/0/3", 0);
    world.wait(SECOND);
    world.answer_commit(true);
    assert_eq!(world.broker.logs[&0].committed, 6);
}

#[test]
fn a_record_that_the_client_repeats_is_not_handled_twice() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a"]);
    let again = world.broker.logs[&0].records.clone();
    world.host_mut().allowance.messages -= 1;
    world.host_mut().allowance.bytes -= i64::try_from(again[0].size()).unwrap();
    world.tell(cofferdam_core::event::Event::Records {
        partition: cofferdam_guarantees::simulation::partition(0),
        records: again,
    });
    assert_eq!(world.in_hand(), ["t/0/0"]);
    assert_eq!(world.machine().account().received, 1);
}

/// Of 20 records all but the third are finished, and the host is killed.
fn all_but_one_finished() -> World {
    let mut world = World::kafka(wide(), 1);
    (0..20).for_each(|_| drop(world.write(0, "", 1)));
    world.fetch();
    (0..20).filter(|offset| *offset != 2).for_each(|offset| world.done(&format!("t/0/{offset}"), 0));
    world.wait(SECOND);
    world.answer_commit(true);
    assert_eq!(world.broker.logs[&0].committed, 2);
    world.crash();
    world
}

#[test]
fn after_the_groups_offset_was_moved_and_its_metadata_kept_all_records_from_there_on_are_handled() {
    for (to, records) in [(0, 20), (1, 19), (5, 15), (20, 0)] {
        let mut world = all_but_one_finished();
        world.move_offset(0, to);
        world.assign(0);
        world.fetch();
        assert_eq!(world.in_hand().len(), records, "moved to {to}");
    }
    let mut world = all_but_one_finished();
    world.assign(0);
    world.fetch();
    assert_eq!(world.in_hand(), ["t/0/2"], "not moved");
}

#[test]
fn a_commit_that_reaches_a_topic_that_was_created_again_hides_none_of_its_records() {
    let mut world = World::kafka(wide(), 1);
    world.produce(&["a", "b", "c"]);
    (0..3).for_each(|offset| world.done(&format!("t/0/{offset}"), 0));
    world.recreate(0);
    (0..5).for_each(|_| drop(world.write(0, "", 1)));
    world.wait(SECOND);
    world.answer_commit(true);
    assert_eq!(world.broker.logs[&0].committed, 3, "the broker knows the topic by its name");
    world.crash();
    world.assign(0);
    world.fetch();
    assert_eq!(world.in_hand().len(), 5);
}

#[test]
fn an_end_that_was_looked_for_behind_where_reading_began_hides_no_record() {
    let mut world = World::kafka(wide(), 1);
    world.produce(&["a"]);
    world.done("t/0/0", 0);
    world.recreate(0);
    (0..3).for_each(|_| drop(world.write(0, "", 1)));
    world.wait(SECOND);
    world.answer_commit(true);
    world.crash();
    world.assign(0);
    // The group has committed 1, of the topic before; this one is read from its beginning.
    world.tell(Event::Reached { partition: partition(0), from: Some(1), offset: 3 });
    world.fetch();
    assert_eq!(world.in_hand().len(), 3);
}

#[test]
fn a_revoked_partition_drops_what_has_not_started_lets_the_rest_finish_and_is_given_up_after_its_commit() {
    let mut world = World::kafka(route(), 2);
    world.produce(&["a", "a", "b"]);
    world.revoke(0);
    assert_eq!(fates(&world), [("t/0/1", Fate::Revoked)]);
    assert!(world.seen().given_up.is_empty());
    world.done("t/0/0", 1);
    world.produce(&["c"]);
    assert_eq!(world.in_hand(), ["t/0/2"], "nothing starts, what the client had fetched neither");
    world.fail("t/0/2", failure(Class::Retryable));
    assert!(world.seen().given_up.is_empty(), "an output is on its way");
    world.store_all();
    assert_eq!(world.seen().given_up, [(0, Some(1))]);
    assert_eq!(fates(&world)[1..], [("t/0/2", Fate::Revoked), ("t/0/0", Fate::Done)]);
    world.wait(60 * SECOND);
    assert_eq!(world.seen().given_up.len(), 1);
}

#[test]
fn a_revoked_partition_waits_for_what_runs_up_to_a_limit() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b"]);
    world.done("t/0/0", 0);
    world.revoke(0);
    world.wait(9 * SECOND);
    assert!(world.seen().given_up.is_empty());
    world.wait(SECOND);
    assert_eq!(world.seen().given_up, [(0, Some(1))]);
    world.done("t/0/1", 3);
    assert!(world.host().sending.is_empty(), "an attempt that was given up leads to nothing");
    assert_eq!(fates(&world), [("t/0/0", Fate::Done), ("t/0/1", Fate::Revoked)]);
}

/// A commit of one partition is unanswered while another partition is given up, and the answer about that one arrives.
fn answer_to_another_commit(prepare: fn(&mut Machine)) -> World {
    let mut world = World::kafka_with(route(), 2, prepare);
    (0..2).for_each(|number| drop(world.write(number, "", 1)));
    world.fetch();
    world.done("t/0/0", 0);
    world.wait(SECOND);
    world.done("t/1/0", 0);
    world.revoke(1);
    assert_eq!(world.seen().given_up, [(1, Some(1))]);
    world.answer_given_up();
    world.write(0, "", 1);
    world.fetch();
    world.done("t/0/1", 0);
    world.wait(10 * SECOND);
    world
}

#[test]
fn the_answer_about_a_partition_that_was_given_up_ends_no_wait_for_another_commit() {
    let mut world = answer_to_another_commit(|_| {});
    world.answer_commit(true);
    world.wait(SECOND);
    world.answer_commit(true);
    assert_eq!(world.broker.logs[&0].committed, 2);
}

#[test]
#[should_panic(expected = "one commit at a time")]
fn the_answer_to_another_commit_would_let_two_be_under_way() {
    answer_to_another_commit(|machine| machine.sabotage(Sabotage::AnswerOfAnotherCommit));
}

#[test]
fn at_most_once_a_revoked_partition_is_given_up_when_what_it_has_acknowledged_is_handled() {
    let mut world = World::kafka(Route { delivery: Guarantee::AtMostOnce, ..route() }, 1);
    world.produce(&["a", "a"]);
    world.revoke(0);
    world.pass(SECOND);
    world.done("t/0/0", 0);
    assert!(world.seen().given_up.is_empty());
    world.done("t/0/1", 0);
    assert_eq!(fates(&world), [("t/0/0", Fate::Done), ("t/0/1", Fate::Done)]);
    assert_eq!(world.seen().given_up.len(), 1);
}

#[test]
fn a_partition_with_nothing_in_flight_is_given_up_at_once() {
    let mut world = World::kafka(route(), 1);
    world.revoke(0);
    assert_eq!(world.seen().given_up, [(0, None)]);
}

#[test]
fn of_a_lost_partition_nothing_is_committed() {
    let mut world = World::kafka(route(), 2);
    world.produce(&["a", "b", "b"]);
    world.done("t/0/0", 0);
    world.done("t/0/1", 1);
    world.lose(0);
    world.store_all();
    world.wait(60 * SECOND);
    assert!(world.seen().commits.is_empty() && world.seen().given_up.is_empty());
    assert_eq!(fates(&world), [("t/0/0", Fate::Done), ("t/0/1", Fate::Revoked), ("t/0/2", Fate::Revoked)]);
    world.assign(0);
    world.fetch();
    assert_eq!(world.in_hand(), ["t/0/2", "t/0/0"], "the other key waits for the attempt that was lost");
    world.done("t/0/2", 0);
    assert_eq!(world.in_hand(), ["t/0/0", "t/0/1"], "it is all handled again");
}

#[test]
fn a_key_is_not_in_two_hands_when_its_partition_comes_back_before_the_attempt_has_ended() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b"]);
    world.lose(0);
    world.assign(0);
    world.done("t/0/1", 0);
    world.fetch();
    assert_eq!(world.in_hand(), ["t/0/0", "t/0/1"], "the old attempt on the one key, a new one on the other");
    world.done("t/0/0", 0);
    assert_eq!(world.in_hand().len(), 2);
    assert_eq!(fates(&world).len(), 2, "the old attempts settle nothing");
}

#[test]
fn a_partition_that_is_assigned_again_before_it_was_given_up_starts_anew() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b"]);
    world.done("t/0/0", 1);
    world.revoke(0);
    world.assign(0);
    assert_eq!(fates(&world).len(), 2);
    world.store_all();
    world.done("t/0/1", 0);
    world.fetch();
    assert_eq!(world.in_hand(), ["t/0/0", "t/0/1"]);
    world.wait(60 * SECOND);
    assert!(world.seen().given_up.is_empty() && world.seen().commits.is_empty());
}

#[test]
fn what_was_held_for_a_lost_partition_holds_nobody_up() {
    let mut world = World::kafka(route(), 2);
    world.produce(&["a"]);
    world.done("t/0/0", 1);
    world.answer(0, unavailable());
    assert!(world.seen().holding);
    world.lose(0);
    assert!(!world.seen().holding);
}

#[test]
fn a_partition_is_given_up_with_what_the_broker_has_not_answered_for_it_may_be_refused() {
    let mut world = World::kafka(route(), 1);
    world.produce(&["a", "b"]);
    world.done("t/0/1", 1);
    world.store_all();
    // The commit that says so is with the broker while the group takes the partition, and nothing else has ended since.
    world.wait(SECOND);
    assert_eq!(world.seen().commits.len(), 1);
    world.revoke(0);
    world.fail("t/0/0", failure(Class::HostFault));
    assert_eq!(world.seen().given_up, [(0, Some(0))]);
    // The broker refuses the first one, as while it rebalances; the new owner still knows what is finished.
    world.answer_commit(false);
    world.add_host();
    world.on(1).assign(0);
    world.fetch();
    assert_eq!(world.in_hand(), ["t/0/0"]);
}
