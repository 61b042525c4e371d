//! `check --brokers` reports in advance, with real brokers, what `run` would refuse or wait for.

use std::time::Duration;

use aws_sdk_sqs::types::QueueAttributeName;
use kit::{Ended, Prepared, Probe, QueueSpec, guest, run, unique};
use rdkafka::consumer::{BaseConsumer, Consumer};

const LONG: Duration = Duration::from_secs(60);

/// Returns the output of `check --brokers` for the configuration of this host, as one text.
async fn check(host: Prepared) -> (Option<i32>, String) {
    let Ended { status, stdout, stderr } = host.instead_of_run("check").arg("--brokers").start().wait(LONG).await;
    (status.code(), [stdout, stderr].concat().join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_whose_members_assign_otherwise_is_told() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let (code, said) = check(probe.host(kafka.bootstrap(), "", "")).await;
    assert_eq!(code, Some(0), "{said}");

    let mut client = kafka.client();
    client.set("group.id", &probe.group).set("partition.assignment.strategy", "range");
    let other: BaseConsumer = client.create().expect("a consumer");
    other.subscribe(&[&probe.input]).expect("it subscribes");
    kit::eventually("the other is in the group", LONG, async || {
        let _ = other.poll(Duration::from_millis(100));
        other.assignment().is_ok_and(|partitions| partitions.count() > 0).then_some(())
    })
    .await;
    let (code, said) = check(probe.host(kafka.bootstrap(), "", "")).await;
    let expected = format!("members of group {} use the assignor range", probe.group);
    assert!(code == Some(78) && said.contains(&expected), "{code:?}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_cannot_be_reached_is_told_once_and_with_the_cause() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let (code, said) = check(probe.host("127.0.0.1:1", "", "")).await;
    let cause = said.contains("127.0.0.1:1") && said.contains("Connection refused");
    assert!(code == Some(69) && cause && said.lines().count() == 1, "{code:?}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_that_run_will_create_are_told_and_none_is_created_by_a_check() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let mut probe = Probe::new(kafka, 1).await;
    let there = std::mem::replace(&mut probe.output, unique("check-out"));
    let (code, said) = check(probe.host(kafka.bootstrap(), "", "")).await;
    assert!(code == Some(0) && said.contains(&format!("`run` will create {}", probe.output)), "{code:?}: {said}");
    assert!(!said.contains("are there"), "{said}");
    let topics = kafka.topics().await;
    assert!(topics.contains(&there) && !topics.contains(&probe.output), "{topics:?}");
}

/// Returns a route from this queue; `create` tells whether it may create queues.
fn queues(endpoint: &str, service: &str, queue: &str, create: bool) -> Prepared {
    run(&format!(
        r#"
        service = {{ name = "{service}" }}
        sqs = {{ endpoint = "{endpoint}", region = "eu-west-1", create = {create} }}
        admin = {{ listen = "" }}
        plugins.echo = {{ path = "{}" }}
        [[routes]]
        name = "tasks"
        from = {{ sqs = "{queue}" }}
        handler = "echo"
        envelope = "raw"
        "#,
        guest("echo").display(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn queues_are_created_where_they_may_be_and_the_source_moves_to_its_dead_letters() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let (service, source) = (unique("check"), format!("{}.fifo", unique("check-in")));
    let letters = format!("{service}-dlq.fifo");

    let (code, said) = check(queues(sqs.endpoint(), &service, &source, false)).await;
    assert!(code == Some(69) && said.contains(&format!("no queue `{source}`")), "{code:?}: {said}");
    assert!(said.contains("[sqs] create = true"), "{said}");
    let (code, said) = check(queues(sqs.endpoint(), &service, &source, true)).await;
    assert!(code == Some(0) && said.contains(&format!("`run` will create {source}, {letters}")), "{code:?}: {said}");

    let mut host = queues(sqs.endpoint(), &service, &source, true).start();
    host.says("\"running\"", LONG).await;
    let url = sqs.client().get_queue_url().queue_name(&source).send().await.expect("it is there");
    let url = url.queue_url().expect("it has an address");
    let attributes =
        sqs.client().get_queue_attributes().queue_url(url).attribute_names(QueueAttributeName::All).send().await;
    let attributes = attributes.expect("they are told").attributes.expect("there are some");
    let policy = &attributes[&QueueAttributeName::RedrivePolicy];
    assert!(policy.contains(&letters), "{policy}");
    host.kill();
    let (code, said) = check(queues(sqs.endpoint(), &service, &source, false)).await;
    assert!(code == Some(0) && said.contains("topics and queues exist"), "{code:?}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_queue_for_dead_letters_is_told_by_the_check_as_by_run() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let (service, source) = (unique("check"), sqs.create(QueueSpec::standard("check-in")).await.name);
    let (code, said) = check(queues(sqs.endpoint(), &service, &source, false)).await;
    let what = format!("no queue `{service}-dlq`");
    assert!(code == Some(69) && said.contains(&what), "{code:?}: {said}");
    let ended = queues(sqs.endpoint(), &service, &source, false).start().wait(LONG).await;
    let said = [ended.stdout, ended.stderr].concat().join("\n");
    assert!(ended.status.code() == Some(69) && said.contains(&what), "{said}");
}
