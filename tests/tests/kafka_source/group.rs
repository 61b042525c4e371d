//! Members of a consumer group: who reads which partition, and from where.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cofferdam::broker::kafka::source::Config;
use cofferdam::source::Source as _;
use cofferdam_core::action::Ask;
use cofferdam_core::event::{Event, Partition};
use cofferdam_core::ids::CommitPosition;
use kit::Record as Input;

use super::WAIT;
use super::member::{Member, Worker, config, offsets};

#[tokio::test]
async fn who_comes_after_goes_on_where_the_commit_was_and_gets_its_metadata() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-resume", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..10).map(|n| Input::new(n.to_string()))).await;

    let mut first = Member::join(kafka, &group, &[&topic]);
    first.grant(100);
    first.records(10).await;
    let position = CommitPosition { partition: first.partition(&topic, 0), offset: 3, metadata: "5-7,9 ä".into() };
    first.source.ask(Ask::Commit(vec![position.clone()]));
    let committed = first.until(|event| matches!(event, Event::Committed(_))).await;
    assert!(matches!(committed, Event::Committed(positions) if positions == [position]));
    first.leave().await;
    assert_eq!(kafka.committed(&group, &topic).await[&0].metadata, "5-7,9 ä");

    let mut second = Member::join(kafka, &group, &[&topic]);
    let Event::Assigned(assigned) = second.until(|event| matches!(event, Event::Assigned(_))).await else { panic!() };
    assert_eq!(assigned[0].metadata.as_deref(), Some("5-7,9 ä"));
    second.grant(100);
    assert_eq!(offsets(&second.records(7).await, 0), (3..10).collect::<Vec<_>>());
    second.leave().await;
}

#[tokio::test]
async fn a_revoked_partition_stays_until_it_is_given_up_and_goes_on_behind_its_last_commit() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-revoke", 2).await, kit::unique("group"));
    kafka.produce(&topic, (0..20).map(|n| Input::new(n.to_string()).partition(n % 2))).await;

    let mut old = Member::join(kafka, &group, &[&topic]);
    old.grant(1_000);
    old.records(20).await;
    let mut new = Member::join(kafka, &group, &[&topic]);
    new.grant(1_000);
    let Event::Revoked(revoked) = old.until(|event| matches!(event, Event::Revoked(_))).await else { panic!() };
    assert_eq!(revoked.len(), 1, "one of two goes, the other stays");
    let (gone, kept) = (revoked[0].number, 1 - revoked[0].number);

    // Still assigned: a commit succeeds, and the new member has no records.
    old.commit(&topic, gone, 4).await;
    assert!(new.pending().is_empty(), "nobody has it twice");

    let position = CommitPosition { partition: revoked[0].clone(), offset: 6, metadata: "last".into() };
    old.source.ask(Ask::GiveUp { partition: revoked[0].clone(), commit: Some(position.clone()) });
    let committed = old.until(|event| matches!(event, Event::Committed(_))).await;
    assert!(matches!(committed, Event::Committed(positions) if positions == [position]));
    let Event::Assigned(assigned) = new.until(|event| matches!(event, Event::Assigned(_))).await else { panic!() };
    assert_eq!((assigned.len(), assigned[0].partition.number), (1, gone));
    assert_eq!(assigned[0].metadata.as_deref(), Some("last"));
    assert_eq!(offsets(&new.records(4).await, gone), (6..10).collect::<Vec<_>>());

    // The partition that stayed continues without gaps and repetitions.
    kafka.produce(&topic, (0..5).map(|n| Input::new(n.to_string()).partition(kept))).await;
    assert_eq!(offsets(&old.records(5).await, kept), (10..15).collect::<Vec<_>>());
    old.leave().await;
    new.leave().await;
}

#[tokio::test]
async fn a_partition_that_is_not_given_up_in_time_is_lost_and_takes_no_commit() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-late", 2).await, kit::unique("group"));
    kafka.produce(&topic, (0..20).map(|n| Input::new(n.to_string()).partition(n % 2))).await;

    let mut old =
        Member::build(Config { revoke_timeout: Duration::from_millis(500), ..config(kafka, &group, &[&topic]) });
    old.grant(1_000);
    old.records(20).await;
    let mut new = Member::join(kafka, &group, &[&topic]);
    let Event::Revoked(revoked) = old.until(|event| matches!(event, Event::Revoked(_))).await else { panic!() };
    let Event::Lost(lost) = old.until(|event| matches!(event, Event::Lost(_))).await else { panic!() };
    assert_eq!(lost, revoked);
    new.assigned(1).await;

    let late = CommitPosition { partition: lost[0].clone(), offset: 10, metadata: "".into() };
    old.source.ask(Ask::Commit(vec![late.clone()]));
    let failed = old.until(|event| matches!(event, Event::CommitFailed(_))).await;
    assert!(matches!(failed, Event::CommitFailed(positions) if positions == [late]));
    assert_eq!(kafka.committed(&group, &topic).await.get(&lost[0].number), None);
    old.leave().await;
    new.leave().await;
}

#[tokio::test]
async fn what_was_never_handed_over_cannot_be_committed() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-beyond", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..10).map(|n| Input::new(n.to_string()))).await;

    let mut member = Member::join(kafka, &group, &[&topic]);
    member.grant(5);
    member.records(5).await;
    let beyond = CommitPosition { partition: member.partition(&topic, 0), offset: 6, metadata: "".into() };
    let foreign = CommitPosition { partition: Partition { topic: "nowhere".into(), number: 0 }, ..beyond.clone() };
    member.source.ask(Ask::Commit(vec![beyond, foreign]));
    let failed = member.until(|event| matches!(event, Event::CommitFailed(_))).await;
    assert!(matches!(failed, Event::CommitFailed(positions) if positions.len() == 2));
    assert!(kafka.committed(&group, &topic).await.is_empty());
    member.leave().await;
}

#[tokio::test]
async fn a_topic_that_comes_to_match_later_is_read_from_its_beginning() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let stem = kit::unique("source-expression");
    let first = format!("{stem}.a");
    kafka.create_topic(&first, 1).await;
    kafka.produce(&first, [Input::new("1")]).await;

    let mut config = config(kafka, &kit::unique("group"), &[]);
    config.topics = vec![format!("^{stem}\\..*")];
    config.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), "200".to_owned());
    let mut member = Member::build(config);
    member.grant(100);
    assert_eq!(&*member.records(1).await[0].source, first);
    let second = format!("{stem}.b");
    kafka.create_topic(&second, 1).await;
    kafka.produce(&second, [Input::new("2")]).await;
    assert_eq!(&*member.records(1).await[0].source, second);
    member.leave().await;
}

#[tokio::test]
async fn members_that_come_and_go_lose_nothing_and_keep_the_order_of_events() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    const PARTITIONS: i32 = 6;
    const RECORDS: i32 = 30_000;
    let (topic, group) = (kafka.topic("source-storm", PARTITIONS).await, kit::unique("group"));
    kafka.produce(&topic, (0..RECORDS).map(|n| Input::new(n.to_string()).partition(n % PARTITIONS))).await;

    let mut members = vec![Worker::join(kafka, &group, &topic)];
    let mut seen: BTreeMap<i32, BTreeSet<i64>> = BTreeMap::new();
    let total = |seen: &BTreeMap<i32, BTreeSet<i64>>| seen.values().map(BTreeSet::len).sum::<usize>();
    let until = tokio::time::Instant::now() + 2 * WAIT;
    let mut rounds = 0;
    while total(&seen) < RECORDS as usize || rounds < 8 {
        assert!(tokio::time::Instant::now() < until, "{} of {RECORDS} after {rounds} rounds", total(&seen));
        rounds += 1;
        // A member joins, and every third time the oldest leaves.
        if members.len() < 4 {
            members.push(Worker::join(kafka, &group, &topic));
        } else {
            members.remove(0).leave(&mut seen).await;
        }
        let at_least = (RECORDS as usize / 10).min(RECORDS as usize - total(&seen));
        let target = total(&seen) + at_least;
        let mut turns = 0;
        while total(&seen) < target || turns < 20 {
            assert!(tokio::time::Instant::now() < until, "{} of {RECORDS} after {rounds} rounds", total(&seen));
            for member in &mut members {
                member.work(&mut seen, Duration::from_millis(5)).await;
            }
            turns += 1;
        }
    }
    for member in members {
        member.leave(&mut seen).await;
    }
    for (partition, offsets) in &seen {
        assert_eq!(offsets.len(), (RECORDS / PARTITIONS) as usize, "partition {partition}");
    }
    let committed = kafka.committed(&group, &topic).await;
    assert!(committed.values().all(|committed| committed.offset <= i64::from(RECORDS / PARTITIONS)));
    assert_eq!(committed.len(), PARTITIONS as usize);
}

#[tokio::test]
async fn a_consumer_that_its_group_does_not_take_says_so_and_why() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-collision", 1).await, kit::unique("group"));
    use rdkafka::consumer::{BaseConsumer, Consumer};
    // Another program is in the group, with an assignor that the host does not have.
    let mut other = kafka.client();
    other.set("group.id", &group).set("partition.assignment.strategy", "range");
    let other: BaseConsumer = other.create().unwrap();
    other.subscribe(&[&topic]).unwrap();
    kit::eventually("the other one has the partition", WAIT, async || {
        other.poll(Duration::from_millis(50));
        (other.assignment().unwrap().count() > 0).then_some(())
    })
    .await;
    let mut source = config(kafka, &group, &[&topic]).build().unwrap();
    kit::eventually("it says why it is not in the group", WAIT, async || {
        other.poll(Duration::from_millis(50));
        let absence = source.absence(0)?;
        absence.reason.filter(|reason| reason.contains("Inconsistent group protocol"))
    })
    .await;
    drop(other);
    kit::eventually("it is in the group", WAIT, async || source.absence(0).is_none().then_some(())).await;
    source.close(tokio::time::Instant::now() + WAIT).await.unwrap();
}
