//! State that survives a kill: the number of attempts, and what is finished above the commit point.

use std::time::Duration;

use cofferdam_core::progress::Progress;
use kit::{Committed, Host, Kafka, Probe, Record, eventually};

const LONG: Duration = Duration::from_secs(60);
/// So that the group soon notices a dead member.
const PROPERTIES: &str = r#""session.timeout.ms" = "3000", "heartbeat.interval.ms" = "500""#;

/// Waits until the commit metadata of the group says that `attempt` is the next attempt of the only record.
async fn until_next_is(attempt: u32, kafka: &Kafka, probe: &Probe) {
    eventually("the commit says how often it was tried", LONG, async || {
        let committed = kafka.committed(&probe.group, &probe.input).await.remove(&0)?;
        let progress = Progress::decode(&committed.metadata).ok()?;
        (progress.tried.get(&0)?.attempt == attempt).then_some(())
    })
    .await;
}

fn failures(host: &Host) -> Vec<String> {
    host.stderr().into_iter().filter(|line| line.contains("message_nacked")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_failed_three_times_continues_at_attempt_four_after_a_kill() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    // Fails `times` times; it gets the number of the attempt from the host.
    kafka.produce(&probe.input, [Record::new(r#"{"do":"fail","times":4,"number":7}"#).key("slow")]).await;
    // The wait before the fourth attempt is long enough to notice its commit and to kill the host on a busy machine.
    let route =
        r#"retry = { initial_delay = "1s", max_delay = "10s", multiplier = 3.5, jitter = 0.0, max_attempts = 5 }"#;
    let mut host = probe.host(kafka.bootstrap(), PROPERTIES, route).start();
    until_next_is(4, kafka, &probe).await;
    assert_eq!(failures(&host).len(), 3);
    host.restart();
    assert_eq!(probe.outputs(kafka, 1, LONG).await, [("slow".to_owned(), 7)]);
    let failures = failures(&host);
    assert!(failures.len() == 1 && failures[0].contains(r#""attempt":4"#), "{failures:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_never_exceed_their_limit_whatever_is_killed_meanwhile() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    kafka.produce(&probe.input, [Record::new(r#"{"do":"fail","times":1000,"number":7}"#).key("never")]).await;
    // Each wait is long enough to notice its commit and to kill both hosts on a busy machine.
    let route = r#"retry = { initial_delay = "8s", multiplier = 1.0, jitter = 0.0, max_attempts = 4 }"#;
    let mut hosts = [(); 2].map(|()| probe.host(kafka.bootstrap(), PROPERTIES, route).start());
    let mut failed = 0;
    for attempt in 2..=4 {
        until_next_is(attempt, kafka, &probe).await;
        for host in &mut hosts {
            failed += failures(host).len();
            host.restart();
        }
    }
    let dead = eventually("it is a dead letter", LONG, async || {
        let dead = kafka.read_all(&probe.dead_letters).await;
        (!dead.is_empty()).then_some(dead)
    })
    .await;
    failed += hosts.iter().map(|host| failures(host).len()).sum::<usize>();
    assert_eq!((dead.len(), failed), (1, 3), "three that were followed by another, and the last");
    assert_eq!(dead[0].header("cofferdam-dlq-attempt"), Some("4"), "those before the restarts count");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_finished_above_the_commit_point_is_not_handled_again() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    // The first record waits for its next attempt, and keeps the commit point at its offset.
    let mut records = vec![Record::new(r#"{"do":"fail","times":1,"number":0}"#).key("slow")];
    records.extend((1..=300).map(|number| Probe::ask("quick", "echo", number)));
    kafka.produce(&probe.input, records).await;
    let route = r#"retry = { initial_delay = "20s", jitter = 0.0 }"#;
    let mut host = probe.host(kafka.bootstrap(), PROPERTIES, route).start();
    probe.outputs(kafka, 300, LONG).await;
    let before = eventually("the commit says what is finished", LONG, async || {
        let committed = kafka.committed(&probe.group, &probe.input).await.remove(&0)?;
        let progress = Progress::decode(&committed.metadata).ok()?;
        (progress.finished == std::slice::from_ref(&(1..301))).then_some(committed)
    })
    .await;
    assert_eq!(before.offset, 0);
    host.restart();
    let outputs = probe.outputs(kafka, 301, LONG).await;
    assert_eq!(outputs.len(), 301, "the first one, and none of the others again");
    assert_eq!(outputs[300], ("slow".to_owned(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_groups_offset_was_moved_and_its_metadata_kept_every_record_from_there_on_is_handled() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    // The third record is delayed for an hour; all others are finished.
    let records = (0..20).map(|number| match number {
        2 => Record::new(r#"{"do":"fail","times":1,"number":2}"#).key("slow"),
        number => Probe::ask("quick", "echo", number),
    });
    kafka.produce(&probe.input, records).await;
    let route = r#"retry = { initial_delay = "5m", max_delay = "5m", jitter = 0.0 }"#;
    let mut host = probe.host(kafka.bootstrap(), PROPERTIES, route).start();
    let kept = eventually("the commit says what is finished", LONG, async || {
        let committed = kafka.committed(&probe.group, &probe.input).await.remove(&0)?;
        let progress = Progress::decode(&committed.metadata).ok()?;
        (committed.offset == 2 && progress.finished == std::slice::from_ref(&(3..20))).then_some(committed)
    })
    .await;
    let mut seen = 19;
    for (to, again) in [(0, 19), (5, 15)] {
        host.stop(LONG).await;
        kafka.commit(&probe.group, &probe.input, 0, &Committed { offset: to, ..kept.clone() }).await;
        host = probe.host(kafka.bootstrap(), PROPERTIES, route).start();
        seen += again;
        assert_eq!(probe.outputs(kafka, seen, LONG).await.len(), seen, "moved to {to}");
        let told = host.stderr().into_iter().find(|line| line.contains("metadata_ignored")).expect("it is told");
        assert!(told.contains(&format!("another offset (offset 2; committed is {to})")), "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_whose_consumer_was_fenced_by_another_of_its_name_ends_with_69_and_says_why() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let properties = format!(r#"{PROPERTIES}, "group.instance.id" = "copied""#);
    let host = || probe.host(kafka.bootstrap(), &properties, "").start();
    kafka.produce(&probe.input, [Probe::ask("quick", "echo", 0)]).await;
    let first = host();
    probe.outputs(kafka, 1, LONG).await;
    // If the first host were fenced before its commit, it would leave the record to the other one.
    kit::eventually("it is committed", LONG, async || {
        let committed = kafka.committed(&probe.group, &probe.input).await;
        (committed.get(&0)?.offset == 1).then_some(())
    })
    .await;
    let _second = host();
    let ended = first.wait(LONG).await;
    assert_eq!(ended.code(), Some(69), "{}", ended.stderr.join("\n"));
    let told = ended.stderr.iter().find(|line| line.contains("client_failed")).expect("it is told");
    assert!(told.contains(&probe.group) && told.contains("fenced"), "{told}");
    kafka.produce(&probe.input, [Probe::ask("quick", "echo", 1)]).await;
    assert_eq!(probe.outputs(kafka, 2, LONG).await.len(), 2, "the other goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_write_its_journal_does_nothing_more() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let (journal, file) = (folder.path().join("journal"), folder.path().join("cofferdam.toml"));
    let configuration = format!(
        r#"
        service = {{ name = "probe" }}
        kafka = {{ bootstrap_servers = "{}" }}
        admin = {{ listen = "" }}
        storage = {{ path = {:?} }}
        plugins = {{ probe = {{ path = {:?} }} }}
        [[routes]]
        name = "probe"
        from = {{ kafka = ["{}"], group = "{}" }}
        handler = "probe"
        outputs = {{ out = {{ kafka = "{}" }} }}
        "#,
        kafka.bootstrap(),
        folder.path().join("state"),
        kit::guest("probe"),
        probe.input,
        probe.group,
        probe.output
    );
    std::fs::write(&file, configuration).expect("a temporary file");
    // Files are limited to 64 KiB, as on a full disk; the compiled plugin was stored before.
    let limited = "\"$1\" check --config \"$4\" >/dev/null && trap '' XFSZ && ulimit -f 64 && exec \"$@\"";
    let bash = std::path::Path::new("/bin/bash");
    let arguments: [&std::ffi::OsStr; 5] =
        ["-c".as_ref(), limited.as_ref(), "bash".as_ref(), kit::host::binary().as_os_str(), "run".as_ref()];
    let host = kit::host::program(bash, arguments)
        .arg("--config")
        .arg(&file)
        .arg("--json")
        .arg("--journal")
        .arg(&journal)
        .start();
    let keyed = |number: usize| Probe::ask(&format!("key-{}", number % 100), "echo", number);
    // Some are handled before the journal is full; messages that are received together may already fill it.
    kafka.produce(&probe.input, (0..20).map(keyed)).await;
    probe.outputs(kafka, 20, LONG).await;
    kafka.produce(&probe.input, (20..2_000).map(keyed)).await;
    let ended = host.wait(LONG).await;
    assert_ne!(ended.code(), Some(0));
    assert!(ended.stderr.iter().any(|line| line.contains("failed to write the journal: ")), "{:#?}", ended.stderr);
    let text = String::from_utf8_lossy(&std::fs::read(&journal).expect("a journal")).into_owned();
    let facts = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let handled: std::collections::BTreeSet<String> = facts
        .filter(|fact| fact["event"] == "handled")
        .map(|fact| fact["record"].as_str().expect("a record").to_owned())
        .collect();
    assert!(!handled.is_empty() && text.len() <= 64 << 10, "{} bytes", text.len());
    let outputs = kafka.read_all(&probe.output).await;
    let unknown = outputs.iter().filter(|output| !handled.contains(output.header("causation-id").expect("a cause")));
    assert_eq!(unknown.count(), 0, "of {} outputs the journal does not know the attempt", outputs.len());
    let committed: i64 =
        kafka.committed(&probe.group, &probe.input).await.values().map(|committed| committed.offset).sum();
    assert!(committed <= i64::try_from(handled.len()).expect("few"), "{committed} are committed");
}
