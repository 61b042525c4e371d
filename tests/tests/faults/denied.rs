//! A broker revokes permissions while a host runs, and grants them again: the host reports which, loses nothing, and
//! continues by itself.

use kit::kafka::private_in_turn;
use kit::{Prepared, Probe, eventually};

use crate::work::LONG;

/// Waits until `check --brokers` fails with this text. The broker confirms a rule before it applies it.
async fn checked(host: impl Fn() -> Prepared, expected: &str) {
    let is_said = async || {
        let ended = host().instead_of_run("check").arg("--brokers").start().wait(LONG).await;
        (ended.code() == Some(78) && ended.stderr.join("\n").contains(expected)).then_some(())
    };
    eventually(expected, LONG, is_said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_may_not_write_says_so_and_goes_on_when_it_may() {
    let Some(broker) = kit::or_say_so(private_in_turn().await) else { return };
    let broker = broker.lock().await;
    let probe = Probe::new(&broker, 1).await;
    let host = probe.host(broker.bootstrap(), "", "").start();
    broker.produce(&probe.input, [Probe::ask("a", "echo", 0)]).await;
    probe.outputs(&broker, 1, LONG).await;

    broker.deny("write", "topic", &probe.output).await;
    checked(|| probe.host(broker.bootstrap(), "", ""), &format!("not authorized to write to topic {}", probe.output))
        .await;
    broker.produce(&probe.input, (1..20).map(|number| Probe::ask("a", "echo", number))).await;
    let said = host.says("OUTPUT_UNAVAILABLE", LONG).await;
    let why = format!("not authorized to write to topic {}", probe.output);
    assert!(said.contains(&why) && said.contains(r#""route":"probe""#), "{said}");
    broker.allow("topic", &probe.output).await;
    let outputs = probe.outputs(&broker, 20, LONG).await;
    assert!(outputs.iter().map(|(_, number)| *number).eq(0..20), "{outputs:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_that_may_not_join_its_group_says_so_and_joins_when_it_may() {
    let Some(broker) = kit::or_say_so(private_in_turn().await) else { return };
    let broker = broker.lock().await;
    let probe = Probe::new(&broker, 1).await;
    broker.deny("read", "group", &probe.group).await;
    checked(|| probe.host(broker.bootstrap(), "", ""), &format!("not authorized to read group {}", probe.group)).await;
    let host = probe.host(broker.bootstrap(), "", "").start();
    broker.produce(&probe.input, [Probe::ask("a", "echo", 0)]).await;
    let said = host.says("not_authorized", LONG).await;
    let why = format!("not authorized to read group {}", probe.group);
    assert!(said.contains(&why) && said.contains(r#""route":"probe""#), "{said}");
    host.says("Group authorization failed", LONG).await;
    broker.allow("group", &probe.group).await;
    probe.outputs(&broker, 1, LONG).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_on_the_source_and_the_dead_letters_are_checked_too() {
    let Some(broker) = kit::or_say_so(private_in_turn().await) else { return };
    let broker = broker.lock().await;
    let probe = Probe::new(&broker, 1).await;
    broker.deny("read", "topic", &probe.input).await;
    checked(|| probe.host(broker.bootstrap(), "", ""), &format!("not authorized to read topic {}", probe.input)).await;
    broker.deny("describe", "topic", &probe.dead_letters).await;
    let letters = format!("dead_letter = {{ kafka = \"{}\" }}", probe.dead_letters);
    let unseen = format!("not authorized to describe topic {}, which exists", probe.dead_letters);
    checked(|| probe.host(broker.bootstrap(), "", &letters), &unseen).await;
    for topic in [&probe.input, &probe.dead_letters] {
        broker.allow("topic", topic).await;
    }
}
