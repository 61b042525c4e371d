//! The two records of a failure on Kafka: the dead letter, byte for byte the original with reason headers, and the
//! error event. kcat, which shares no code with the host, reads the dead letter.

use std::process::Command;
use std::time::Duration;

use kit::{Probe, Record, Signal};

const WAIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_keeps_the_original_byte_for_byte_and_says_why() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    let original = Record::new(&b"\xff\x00 no JSON"[..])
        .key(&b"k\xfe"[..])
        .header("tenant", "acme")
        .header("tenant", &b"\xfd"[..])
        .null_header("nothing")
        .timestamp(1_700_000_000_123);
    kafka
        .produce(
            &probe.input,
            [original, Record::tombstone("gone"), Probe::ask("p", "panic", 1), Probe::ask("q", "panics", 2)],
        )
        .await;
    let mut host = probe.start(kafka, r#"retry = { initial_delay = "100ms" }"#);
    let letters = kit::eventually("the dead letters", WAIT, async || {
        let letters = kafka.read_all(&probe.dead_letters).await;
        (letters.len() == 4).then_some(letters)
    })
    .await;

    let letter = letters.iter().find(|letter| letter.key.as_deref() == Some(b"k\xfe")).expect("the first");
    assert_eq!(letter.value.as_deref(), Some(&b"\xff\x00 no JSON"[..]));
    assert_eq!(letter.timestamp, 1_700_000_000_123);
    let originals: Vec<_> = letter.headers.iter().take(3).cloned().collect();
    let expected = [("tenant", Some(&b"acme"[..])), ("tenant", Some(&b"\xfd"[..])), ("nothing", None)];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)));
    assert_eq!(originals, expected);
    assert!(letter.headers[3..].iter().all(|(name, _)| name.starts_with("cofferdam-dlq-")), "{:?}", letter.headers);
    assert_eq!(letter.header("cofferdam-dlq-outcome"), Some("permanent"));
    assert_eq!(letter.header("cofferdam-dlq-code"), Some("VALIDATION_ERROR"));
    assert_eq!(letter.header("cofferdam-dlq-source"), Some(&*probe.input));
    assert_eq!(letter.header("cofferdam-dlq-position"), Some("0/0"));
    let digest = letter.header("cofferdam-dlq-plugin-digest").expect("a digest");
    assert!(digest.starts_with("sha256:"), "{digest}");

    let gone = letters.iter().find(|letter| letter.key.as_deref() == Some(b"gone")).expect("the tombstone");
    assert_eq!(gone.value, None, "a tombstone stays one");
    let panicked = letters.iter().find(|letter| letter.key.as_deref() == Some(b"p")).expect("the panic");
    assert_eq!(panicked.header("cofferdam-dlq-code"), Some("TRAP_UNREACHABLE"));
    let attempts: serde_json::Value =
        serde_json::from_str(panicked.header("cofferdam-dlq-attempts").expect("attempts")).expect("JSON");
    assert_eq!(attempts.as_array().map(Vec::len), Some(2), "the same fault twice is permanent");
    let text = panicked.header("cofferdam-dlq-text").expect("a text");
    assert!(text.ends_with("(not retried: the same fault repeated; 3 of 5 attempts left)"), "{text}");
    let frames = panicked.header("cofferdam-dlq-backtrace").expect("a backtrace");
    assert!(frames.contains(": probe::handle\n"), "{frames}");

    let other = letters.iter().find(|letter| letter.key.as_deref() == Some(b"q")).expect("two panics in turn");
    let attempts: serde_json::Value =
        serde_json::from_str(other.header("cofferdam-dlq-attempts").expect("attempts")).expect("JSON");
    assert_eq!(attempts.as_array().map(Vec::len), Some(5), "a fault at another place is another fault");
    let text = other.header("cofferdam-dlq-text").expect("a text");
    assert!(text.ends_with("(not retried: no attempts left)"), "{text}");

    let events = kit::eventually("the error events", WAIT, async || {
        let events = kafka.read_all(&probe.errors).await;
        (events.len() == 4).then_some(events)
    })
    .await;
    let event = events.iter().map(kit::Stored::json).find(|event| event["position"] == "0/0").expect("of the first");
    assert_eq!(event["originalMessage"]["base64"], "/wAgbm8gSlNPTg==");
    assert_eq!((&event["errorType"], &event["service"]), (&"VALIDATION_ERROR".into(), &"probe".into()));

    if let Some(kcat) = kit::or_say_so(kit::program("kcat")) {
        let read = Command::new(kcat)
            .args(["-C", "-q", "-e", "-b", kafka.bootstrap(), "-t", &probe.dead_letters, "-f", "%h\n"])
            .output()
            .expect("kcat runs");
        let headers = String::from_utf8_lossy(&read.stdout).into_owned();
        assert!(headers.contains("cofferdam-dlq-outcome=permanent"), "{headers}");
        assert!(headers.contains("nothing=NULL"), "{headers}");
    }
    host.signal(Signal::TERM);
    let ended = host.wait(WAIT).await;
    assert_eq!((ended.code(), &ended.account()["dead_lettered"]), (Some(0), &4.into()), "{:#?}", ended.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_its_topic_never_takes_holds_its_key_and_nobody_else_and_the_log_says_why() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    kafka.alter_topic(&probe.dead_letters, "max.message.bytes", "4000").await;
    let large = format!(r#"{{"do":"permanent","number":0,"rest":"{}"}}"#, "x".repeat(20_000));
    let behind = [Probe::ask("large", "echo", 1), Probe::ask("b", "echo", 2), Probe::ask("c", "echo", 3)];
    kafka.produce(&probe.input, [Record::new(large).key("large")].into_iter().chain(behind)).await;
    let mut host = probe.host(kafka.bootstrap(), r#""compression.type" = "none""#, "").start();
    let mut outputs = probe.outputs(kafka, 2, WAIT).await;
    outputs.sort();
    assert_eq!(outputs, [("b".to_owned(), 2), ("c".to_owned(), 3)]);
    // Later messages are handled too.
    kafka.produce(&probe.input, [Probe::ask("d", "echo", 4)]).await;
    assert_eq!(probe.outputs(kafka, 3, WAIT).await[2], ("d".to_owned(), 4));
    for (event, word) in [("topic_unfit", "4000"), ("dead_letter_refused", "max.message.bytes")] {
        let line = host.says(event, WAIT).await;
        assert!(line.contains(word) && line.contains(&probe.dead_letters), "{line}");
    }
    assert!(kafka.read_all(&probe.dead_letters).await.is_empty());

    kafka.alter_topic(&probe.dead_letters, "max.message.bytes", "1000000").await;
    assert_eq!(probe.outputs(kafka, 4, WAIT).await[3], ("large".to_owned(), 1));
    assert_eq!(kafka.read_all(&probe.dead_letters).await[0].header("cofferdam-dlq-outcome"), Some("permanent"));
    host.signal(Signal::TERM);
    let ended = host.wait(WAIT).await;
    assert_eq!((ended.code(), &ended.account()["dead_lettered"]), (Some(0), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_without_a_key_and_with_a_timestamp_far_ahead_is_stored_with_its_reasons() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe::new(kafka, 1).await;
    kafka.alter_topic(&probe.input, "message.timestamp.after.max.ms", "9223372036854775807").await;
    kafka.alter_topic(&probe.dead_letters, "cleanup.policy", "compact").await;
    let century = 4_102_444_800_000;
    let original = Record::new(r#"{"do":"permanent","number":0}"#).timestamp(century);
    kafka.produce(&probe.input, [original]).await;
    let mut host = probe.start(kafka, "");
    let letters = kit::eventually("the dead letter", WAIT, async || {
        let letters = kafka.read_all(&probe.dead_letters).await;
        (!letters.is_empty()).then_some(letters)
    })
    .await;
    assert_eq!(letters[0].header("cofferdam-dlq-outcome"), Some("permanent"));
    assert_eq!(letters[0].header("cofferdam-dlq-timestamp"), Some("2100-01-01T00:00:00.000Z"));
    assert_eq!(letters[0].header("cofferdam-dlq-no-key"), Some("true"));
    assert!(letters[0].key.is_some() && letters[0].timestamp < century);
    host.signal(Signal::TERM);
    assert_eq!(host.wait(WAIT).await.code(), Some(0));
}
