//! Several messages in one call: each has its own result, a failure does not affect the other messages, and keys keep
//! their order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use cofferdam::plugin::{Attempt, Batch, Engine, EngineConfig, Plugin, Spec};
use cofferdam_core::message::{Message, Position, Record};
use cofferdam_core::outcome::{Class, Failure, Outcome};
use kit::{Probe, Signal};

const WAIT: Duration = Duration::from_secs(120);

fn plugin(spec: Spec) -> Plugin {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        Engine::new(EngineConfig { instances: 20, ..EngineConfig::default() })
            .expect("the machine has addresses enough")
    });
    Plugin::open(&ENGINE, &kit::guest("probe-batch"), spec).expect("it is of the contract")
}

fn messages(what: &[&str]) -> Vec<Message> {
    let message = |(number, what): (usize, &&str)| {
        let record = Record {
            source: "orders".into(),
            position: Position::Offset { partition: 0, offset: number as i64 },
            key: None,
            headers: Default::default(),
            payload: Some(Bytes::from(format!(r#"{{"do":"{what}","times":2}}"#))),
            timestamp_ms: Some(1),
        };
        Message { id: number.to_string().into(), ..Arc::new(record).into() }
    };
    what.iter().enumerate().map(message).collect()
}

async fn together(plugin: &Plugin, what: &[&str], attempt: u32) -> Result<Vec<Attempt>, Failure> {
    let messages = messages(what);
    let each: Vec<(&Message, u32)> = messages.iter().map(|message| (message, attempt)).collect();
    plugin.handle_batch(&each).await
}

fn code(attempt: &Attempt) -> &str {
    match &attempt.outcome {
        Outcome::Done(_) => "done",
        Outcome::Failed(failure) => failure.code.as_str(),
    }
}

#[tokio::test]
async fn each_message_of_a_call_has_a_result_of_its_own() {
    let plugin = plugin(Spec::new("probe"));
    let attempts =
        together(&plugin, &["echo", "permanent", "fail", "much", "nonsense", "echo"], 2).await.expect("a list");
    let codes: Vec<_> = attempts.iter().map(code).collect();
    assert_eq!(codes, ["done", "REFUSED", "SERVICE_UNAVAILABLE", "TOO_MANY_OUTPUTS", "VALIDATION_ERROR", "done"]);
    let Outcome::Done(outputs) = &attempts[5].outcome else { panic!("{attempts:?}") };
    assert_eq!(outputs[0].payload, messages(&["echo"])[0].payload);
    let last = outputs[0].headers.iter().last().expect("what the guest adds");
    assert_eq!((last.name, last.value), (&b"together"[..], Some(&b"6"[..])));
    assert_eq!(attempts[5].usage.output_bytes, outputs[0].size() as u64);
    assert_eq!(attempts[0].logs.lines.len(), 1, "what was logged is with the first");
    assert!(attempts[1..].iter().all(|attempt| attempt.logs.lines.is_empty()));
    let third = together(&plugin, &["fail", "fail"], 3).await.expect("a list");
    assert_eq!(third.iter().map(code).collect::<Vec<_>>(), ["done", "done"]);
}

#[tokio::test]
async fn a_call_that_fails_as_a_whole_says_why_and_nothing_of_its_messages() {
    let mut spec = Spec::new("probe");
    spec.limits.cpu_time = Duration::from_millis(200);
    let plugin = plugin(spec);
    for (what, class, code) in [
        ("panic", Class::Trapped, "TRAP_UNREACHABLE"),
        ("loop", Class::TimedOut, "CPU_LIMIT"),
        ("short", Class::ContractBroken, "INVALID_RESULT"),
    ] {
        let failure = together(&plugin, &["echo", what, "echo"], 1).await.expect_err("it has failed");
        assert_eq!((failure.class, failure.code.as_str()), (class, code), "{failure:?}");
    }
    assert_eq!(together(&plugin, &[], 1).await.map(|attempts| attempts.len()), Ok(0), "nobody is asked for nothing");
    let alone = plugin.handle(&messages(&["short"])[0], 1).await;
    assert_eq!(alone.outcome.class(), Class::Done, "the same message alone");
}

#[tokio::test]
async fn calls_are_smaller_after_one_that_failed_and_grow_again() {
    let plugin = plugin(Spec::new("probe"));
    let size = || plugin.batch().map(|batch| batch.messages);
    assert_eq!(size(), Some(64));
    together(&plugin, &["panic"; 10], 1).await.expect_err("it has failed");
    assert_eq!(size(), Some(5));
    together(&plugin, &["echo"; 5], 1).await.expect("a list");
    assert_eq!(size(), Some(6));
    for _ in 0..5 {
        together(&plugin, &["panic"; 3], 1).await.expect_err("it has failed");
    }
    assert_eq!(size(), Some(2), "never one: it could not grow again");
}

#[tokio::test]
async fn nothing_is_handled_together_that_is_to_be_isolated() {
    let off = Batch { messages: 1, ..Batch::default() };
    assert_eq!(plugin(Spec { batch: off, ..Spec::new("probe") }).batch(), None);
    assert_eq!(plugin(Spec { reuse: 1, ..Spec::new("probe") }).batch(), None);
    assert_eq!(plugin(Spec { reuse: 8, ..Spec::new("probe") }).batch().map(|batch| batch.messages), Some(8));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poison_message_costs_its_neighbours_nothing_and_keys_keep_their_order() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe { guest: "probe-batch", ..Probe::new(kafka, 1).await };
    let mut records = Vec::new();
    for number in 0..10 {
        for key in 0..50 {
            let what = match (number, key) {
                (3, 7) => "panic",
                (4, 8) => "loop",
                (5, 9) => "short",
                (6, 10) => "permanent",
                (7, 11) => "fail",
                _ => "echo",
            };
            records.push(Probe::ask(&format!("key-{key}"), what, number));
        }
    }
    kafka.produce(&probe.input, records).await;
    let mut host = probe.start(kafka, r#"retry = { initial_delay = "100ms", max_attempts = 3 }"#);
    let outputs = probe.outputs(kafka, 497, WAIT).await;
    let letters = kit::eventually("the dead letters", WAIT, async || {
        let letters = kafka.read_all(&probe.dead_letters).await;
        (letters.len() >= 3).then_some(letters)
    })
    .await;
    host.signal(Signal::TERM);
    let ended = host.wait(WAIT).await;
    assert_eq!(ended.code(), Some(0), "{:#?}", ended.stderr);
    let account = ended.account();
    assert_eq!((&account["done"], &account["dead_lettered"]), (&497.into(), &3.into()), "{account}");

    let reasons: BTreeSet<_> = letters
        .iter()
        .map(|letter| (letter.key_text(), letter.header("cofferdam-dlq-code").expect("a code")))
        .collect();
    assert_eq!(reasons, BTreeSet::from([("key-10", "REFUSED"), ("key-7", "TRAP_UNREACHABLE"), ("key-8", "CPU_LIMIT")]));
    let panicked = letters.iter().find(|letter| letter.key_text() == "key-7").expect("the panic");
    let attempts = panicked.header("cofferdam-dlq-attempts").expect("attempts");
    let attempts: serde_json::Value = serde_json::from_str(attempts).expect("JSON");
    assert_eq!(attempts.as_array().map(Vec::len), Some(2), "a call that failed is no attempt: {attempts}");

    let mut by_key: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (key, number) in &outputs {
        by_key.entry(key).or_default().push(*number);
    }
    assert!(by_key.values().all(|numbers| numbers.is_sorted()), "{by_key:?}");
    let stored = kafka.read_all(&probe.output).await;
    let together = stored.iter().filter(|record| record.header("together").is_some_and(|count| count != "1")).count();
    assert!(together >= 20, "{together} of 497 were handled together");
}
