//! A host runs all configured routes, whatever limit on open files its shell or service manager sets at first.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use kit::{Record, eventually, guest, unique};

const LONG: Duration = Duration::from_secs(120);
/// The limit at the start of the process; 1,024 is usual.
const OPEN_FILES: usize = 128;
/// A route on Kafka uses twelve open files.
const ROUTES: usize = 12;

#[tokio::test(flavor = "multi_thread")]
async fn routes_open_more_files_than_the_process_was_let_at_first() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let (output, dead, group) = (kafka.topic("many-out", 1).await, kafka.topic("many-dead", 1).await, unique("many"));
    let mut configuration = format!(
        r#"
        service = {{ name = "many" }}
        kafka = {{ bootstrap_servers = "{}" }}
        admin = {{ listen = "" }}
        [plugins.echo]
        path = "{}"
        "#,
        kafka.bootstrap(),
        guest("echo").display()
    );
    let mut inputs = Vec::new();
    for number in 0..ROUTES {
        let input = kafka.topic("many-in", 1).await;
        let _ = write!(
            configuration,
            r#"
            [[routes]]
            name = "echo-{number}"
            from = {{ kafka = ["{input}"], group = "{group}-{number}" }}
            handler = "echo"
            envelope = "raw"
            dead_letter = {{ kafka = "{dead}" }}
            outputs = {{ out = {{ kafka = "{output}" }} }}
            "#
        );
        inputs.push(input);
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("cofferdam.toml");
    std::fs::write(&file, configuration).expect("a temporary file can be written");

    let limited = format!("ulimit -S -n {OPEN_FILES} && exec \"$@\"");
    let words: [&OsStr; 3] = ["-c".as_ref(), limited.as_ref(), "sh".as_ref()];
    let command: [&OsStr; 5] =
        [kit::host::binary().as_ref(), "run".as_ref(), "--config".as_ref(), file.as_ref(), "--json".as_ref()];
    let mut host = kit::host::program(Path::new("sh"), words.into_iter().chain(command)).start();
    host.says("running", LONG).await;
    for input in &inputs {
        kafka.writer(input).write([Record::new("one")]).await;
    }
    let all = ROUTES as i64;
    eventually("an output of each route", LONG, async || (kafka.ends(&output).await[&0] >= all).then_some(())).await;
    let open = host.descriptors();
    assert!(open > OPEN_FILES, "{open} open files are not more than {OPEN_FILES}: the test shows nothing");
    let ended = host.stop(LONG).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
}
