//! Topics that are deleted and created again, with the same name.

use cofferdam::source::Source as _;
use cofferdam_core::action::Ask;
use cofferdam_core::event::Event;
use cofferdam_core::progress::{LIMIT, Progress};
use kit::Record as Input;

use super::WAIT;
use super::member::{Member, at, config, offsets};

#[tokio::test]
async fn a_topic_that_is_made_anew_under_our_feet_is_lost_and_read_from_its_beginning() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-anew", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..1_000).map(|n| Input::new(n.to_string()))).await;
    let mut config = config(kafka, &group, &[&topic]);
    config.properties.insert("topic.metadata.refresh.interval.ms".to_owned(), "200".to_owned());
    let mut member = Member::build(config);
    member.grant(10_000);
    member.records(1_000).await;

    delete_topic(kafka, &topic).await;
    kit::eventually("the topic can be made again", WAIT, async || try_create(kafka, &topic).await).await;
    kafka.produce(&topic, (0..3).map(|n| Input::new(n.to_string()))).await;

    // From the group or from the source itself: before the partition is read again it is lost or revoked, and assigned.
    let gone = member.until(|event| matches!(event, Event::Lost(_) | Event::Revoked(_))).await;
    if let Event::Revoked(partitions) = gone {
        member.source.ask(Ask::GiveUp { partition: partitions[0].clone(), commit: None });
    }
    member.until(|event| matches!(event, Event::Assigned(_))).await;
    assert_eq!(offsets(&member.records(3).await, 0), [0, 1, 2]);
    member.leave().await;
}

#[tokio::test]
async fn a_topic_that_was_deleted_and_created_again_and_has_grown_past_the_old_position_is_read_from_its_beginning() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-recreated", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..40).map(|n| Input::new(n.to_string()))).await;
    let mut member = Member::build(config(kafka, &group, &[&topic]));
    member.grant(10_000);
    let first = member.until(|event| matches!(event, Event::Assigned(_))).await;
    member.records(40).await;

    // The broker deletes in the background. The new topic is created at once, so the group does not notice.
    delete_topic(kafka, &topic).await;
    kit::eventually("the topic can be made again", WAIT, async || try_create(kafka, &topic).await).await;
    kafka.produce(&topic, (0..100).map(|n| Input::new(format!("new {n}")))).await;
    let gone = member.until(|event| matches!(event, Event::Lost(_) | Event::Revoked(_))).await;
    if let Event::Revoked(partitions) = gone {
        member.source.ask(Ask::GiveUp { partition: partitions[0].clone(), commit: None });
    }
    // Records that were read at the old offset before are redelivered.
    member.seen.clear();
    let anew = member.until(|event| matches!(event, Event::Assigned(_))).await;
    let identity = |event: &Event| match event {
        Event::Assigned(assigned) => assigned[0].identity,
        event => panic!("{event:?}"),
    };
    assert_ne!(identity(&first), identity(&anew), "commits of the one are not taken for those of the other");
    assert_eq!(offsets(&member.records(100).await, 0), (0..100).collect::<Vec<_>>());
    member.leave().await;
}

/// Each restart of a broker raises the leader epoch of its partitions; that of a new topic is 0.
#[tokio::test]
async fn a_topic_that_is_created_again_after_a_restart_of_the_broker_is_read_and_others_go_on() {
    let Some(mut kafka) = kit::or_say_so(kit::kafka::private().await) else { return };
    let (topic, other, group) =
        (kafka.topic("source-epoch", 1).await, kafka.topic("other", 1).await, kit::unique("group"));
    kafka.stop().await;
    kafka.start().await;
    let mut member = Member::build(config(&kafka, &group, &[&topic, &other]));
    member.grant(10_000);
    kafka.produce(&topic, (0..20).map(|n| Input::new(n.to_string()))).await;
    kafka.produce(&other, (0..5).map(|n| Input::new(n.to_string()))).await;
    member.records(25).await;
    member.seen.clear();

    delete_topic(&kafka, &topic).await;
    kit::eventually("the topic can be made again", WAIT, async || try_create(&kafka, &topic).await).await;
    kafka.produce(&topic, (0..20).map(|n| Input::new(format!("new {n}")))).await;
    let of_other = member.partition(&other, 0);
    let mut assigned = false;
    while !assigned {
        match member.until(|event| matches!(event, Event::Lost(_) | Event::Revoked(_) | Event::Assigned(_))).await {
            Event::Revoked(partitions) => {
                for partition in partitions {
                    let commit = (partition == of_other).then(|| at(&partition, 5));
                    member.source.ask(Ask::GiveUp { partition, commit });
                }
            }
            Event::Assigned(anew) => assigned = anew.iter().any(|anew| *anew.partition.topic == *topic),
            Event::Lost(partitions) => assert!(!partitions.contains(&of_other), "the other topic is given up in order"),
            _ => {}
        }
    }
    kafka.produce(&other, [Input::new("after")]).await;
    let records = member.records(21).await;
    assert_eq!(records.iter().filter(|record| *record.source == *other).count(), 1, "it goes on at its commit");
    assert_eq!(records.iter().filter(|record| *record.source == *topic).count(), 20);
    member.leave().await;
}

#[tokio::test]
async fn a_commit_for_a_topic_of_the_same_name_that_was_deleted_is_not_where_reading_begins() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (topic, group) = (kafka.topic("source-stale-commit", 1).await, kit::unique("group"));
    kafka.produce(&topic, (0..10).map(|n| Input::new(n.to_string()))).await;
    let mut member = Member::join(kafka, &group, &[&topic]);
    member.grant(100);
    let Event::Assigned(assigned) = member.until(|event| matches!(event, Event::Assigned(_))).await else { panic!() };
    let metadata = Progress::default().encode(7, assigned[0].identity, LIMIT);
    member.records(10).await;
    member.leave().await;

    kafka.delete_topic(&topic).await;
    kit::eventually("the topic can be made again", WAIT, async || try_create(kafka, &topic).await).await;
    kafka.produce(&topic, (0..10).map(|n| Input::new(n.to_string()))).await;
    // The last commit of a host that has not noticed arrives at the broker now.
    kafka.commit(&group, &topic, 0, &kit::Committed { offset: 7, metadata: metadata.into() }).await;
    let mut member = Member::join(kafka, &group, &[&topic]);
    member.grant(100);
    assert_eq!(offsets(&member.records(10).await, 0), (0..10).collect::<Vec<_>>());
    member.leave().await;
}

async fn delete_topic(kafka: &kit::Kafka, topic: &str) {
    use rdkafka::admin::{AdminClient, AdminOptions};
    use rdkafka::client::DefaultClientContext;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().unwrap();
    for result in admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
}

async fn try_create(kafka: &kit::Kafka, topic: &str) -> Option<()> {
    use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
    use rdkafka::client::DefaultClientContext;
    let admin: AdminClient<DefaultClientContext> = kafka.client().create().unwrap();
    let new = NewTopic::new(topic, 1, TopicReplication::Fixed(1));
    let made = admin.create_topics(&[new], &AdminOptions::new()).await.unwrap().into_iter().all(|made| made.is_ok());
    made.then_some(())
}
