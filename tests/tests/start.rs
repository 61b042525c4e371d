//! A host reports what keeps it from starting, and handles no message before.

use std::net::TcpListener;
use std::time::Duration;

use kit::{QueueSpec, Record, guest, run, unique};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_somebody_else_has_is_told() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (input, output) = (kafka.topic("start-in", 1).await, kafka.topic("start-out", 1).await);
    kafka.writer(&input).write([Record::new("one")]).await;
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it listens");
    let configuration = format!(
        r#"
        service = {{ name = "start" }}
        kafka = {{ bootstrap_servers = "{}" }}
        admin = {{ listen = "{address}" }}
        [plugins.echo]
        path = "{}"
        [[routes]]
        name = "echo"
        from = {{ kafka = ["{input}"], group = "{}" }}
        handler = "echo"
        envelope = "raw"
        outputs = {{ out = {{ kafka = "{output}" }} }}
        "#,
        kafka.bootstrap(),
        guest("echo").display(),
        unique("start"),
    );
    let ended = run(&configuration).start().wait(LONG).await;
    let said = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(69), "{said}");
    assert!(said.contains("admin.listen") && said.contains(&address.to_string()), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(kafka.ends(&output).await[&0], 0, "a message was handled");
}

/// Returns the error of a host with this `[sqs]` table that cannot start on a queue, on one line.
async fn refused(table: &str, queue: &str, environment: &[(&str, &str)]) -> String {
    let configuration = format!(
        r#"
        service = {{ name = "start" }}
        sqs = {{ {table} }}
        admin = {{ listen = "" }}
        plugins.echo = {{ path = "{}" }}
        [[routes]]
        name = "tasks"
        from = {{ sqs = "{queue}" }}
        handler = "echo"
        envelope = "raw"
        "#,
        guest("echo").display(),
    );
    let host = environment.iter().fold(run(&configuration), |host, (name, value)| host.env(name, value));
    let ended = host.start().wait(LONG).await;
    let said = ended.stderr.join("\n");
    assert_eq!(ended.code(), Some(69), "{said}");
    let line = ended.stdout.iter().chain(&ended.stderr).find(|line| line.contains("queue `"));
    line.unwrap_or_else(|| panic!("{said}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_cannot_be_used_is_told_with_its_place_and_a_way_out() {
    let Some(sqs) = kit::or_say_so(kit::sqs()) else { return };
    let queue = sqs.create(QueueSpec::standard("start")).await.name;
    let here = format!("endpoint = '{}', region = 'eu-west-1'", sqs.endpoint());

    let said = refused(&here, &queue, &[]).await;
    assert!(said.contains("no queue `start-dlq`"), "{said}");
    for part in [sqs.endpoint(), "region eu-west-1", "the default dead_letter of route `tasks`", "dead_letter = { sqs"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    let none = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"].map(|name| (name, ""));
    let said = refused("region = 'eu-west-1'", &queue, &[&none[..], &[("HOME", "/nonexistent")]].concat()).await;
    assert!(said.contains("no AWS credentials") && said.contains("set AWS_ACCESS_KEY_ID"), "{said}");
    assert!(!said.contains("DispatchFailure"), "not the debug form: {said}");
}
