//! What keeps a host from starting is told, and no message is handled before.

use std::net::TcpListener;
use std::time::Duration;

use kit::{Record, guest, run, unique};

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
