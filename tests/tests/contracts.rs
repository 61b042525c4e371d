//! Components that were written for other hosts run unchanged: sent messages become outputs, results become outcomes,
//! and the limits apply.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use cofferdam::plugin::{Attempt, Contract, Engine, EngineConfig, Plugin, Spec};
use cofferdam_core::message::{Header, Headers, Message, Position, Record};
use cofferdam_core::outcome::{Class, Outcome};
use cofferdam_core::output::Output;
use kit::{Probe, Signal};

const WAIT: Duration = Duration::from_secs(120);

fn plugin(guest: &str) -> Plugin {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| {
        Engine::new(EngineConfig { instances: 20, ..EngineConfig::default() })
            .expect("the machine has addresses enough")
    });
    let mut spec = Spec::new(guest);
    spec.limits.outputs = 100;
    spec.limits.output_bytes = 1 << 20;
    Plugin::open(&ENGINE, &kit::guest(guest), spec).expect("the host speaks its contract")
}

fn message(payload: &str) -> Message {
    let record = Record {
        source: "orders".into(),
        position: Position::Offset { partition: 3, offset: 42 },
        key: Some("a-key".into()),
        headers: Headers::from([
            Header::text("tenant", "acme"),
            Header::bytes("binary", b"\xff\x00"),
            Header::text("reply-to", "answers"),
            // A message from a broker cannot set the header names of the host.
            Header::text("cofferdam-key", "forged"),
        ]),
        payload: Some(Bytes::copy_from_slice(payload.as_bytes())),
        timestamp_ms: Some(1_700_000_000_000),
    };
    let attributes = vec![("type".into(), "order.placed".into()), ("datacontenttype".into(), "text/csv".into())];
    Message { id: "message-1".into(), attributes, ..Arc::new(record).into() }
}

async fn handle(plugin: &Plugin, payload: &str) -> Attempt {
    plugin.handle(&message(payload), 2).await
}

/// Returns the outputs of a message, which must succeed.
async fn outputs(plugin: &Plugin, payload: &str) -> Vec<Output> {
    match handle(plugin, payload).await.outcome {
        Outcome::Done(outputs) => outputs,
        Outcome::Failed(failure) => panic!("{payload}: {failure:?}"),
    }
}

/// Returns class, code and text of a message, which must fail.
async fn failure(plugin: &Plugin, payload: &str) -> (Class, String, String) {
    match handle(plugin, payload).await.outcome {
        Outcome::Failed(failure) => (failure.class, failure.code.to_string(), failure.text.into()),
        Outcome::Done(outputs) => panic!("{payload}: it ended well: {outputs:?}"),
    }
}

fn text(bytes: Option<&Bytes>) -> &str {
    std::str::from_utf8(bytes.expect("there is some")).expect("text")
}

/// Returns plugins of both packages that have this interface.
fn incoming_handlers() -> [Plugin; 2] {
    let plugins = ["wasi-messaging", "wasmcloud-messaging-0-3"].map(plugin);
    assert_eq!(plugins.each_ref().map(Plugin::contract), [Contract::WasiMessaging, Contract::Wasmcloud03]);
    plugins
}

#[tokio::test]
async fn what_an_incoming_handler_sends_are_its_outputs() {
    for plugin in incoming_handlers() {
        let own = outputs(&plugin, "own").await;
        assert_eq!(own.iter().map(|output| &*output.to).collect::<Vec<_>>(), ["out", "second"]);
        assert_eq!((text(own[0].payload.as_ref()), text(own[0].key.as_ref())), ("own", "own-key"));
        let headers = [Header::text("tenant", "acme"), Header::text("content-type", "text/plain")];
        assert_eq!(own[0].headers, headers.into());
        let attributes = [("type".into(), "own.type".into()), ("datacontenttype".into(), "text/plain".into())];
        assert_eq!(own[0].attributes, attributes);
        assert_eq!((&own[1].key, text(own[1].payload.as_ref())), (&None, "2"));

        let forwarded = outputs(&plugin, "anything else").await;
        assert_eq!((forwarded.len(), text(forwarded[0].payload.as_ref())), (1, "anything else"));
        assert_eq!(text(forwarded[0].key.as_ref()), "a-key");
        let names: [&[u8]; 3] = [b"tenant", b"reply-to", b"content-type"];
        assert_eq!(forwarded[0].headers.iter().map(|header| header.name).collect::<Vec<_>>(), names);
        assert_eq!(forwarded[0].attributes, message("").attributes);

        let altered = outputs(&plugin, "altered").await;
        assert_eq!(text(altered[0].payload.as_ref()), "altered data");
        assert_eq!((altered[0].headers.iter().next(), &altered[0].key), (Some(Header::text("only", "1")), &None));
    }
}

#[tokio::test]
async fn what_the_interface_has_no_words_for_is_in_the_metadata() {
    for plugin in incoming_handlers() {
        let seen = outputs(&plugin, "seen").await;
        assert_eq!(
            text(seen[0].payload.as_ref()),
            "Some(\"orders\") Some(\"text/csv\") tenant=acme reply-to=answers cofferdam-id=message-1 \
             cofferdam-position=3/42 cofferdam-attempt=2 cofferdam-timestamp-ms=1700000000000 cofferdam-key=a-key \
             cofferdam-attribute-type=order.placed cofferdam-attribute-datacontenttype=text/csv"
        );
    }
}

#[tokio::test]
async fn an_incoming_handler_that_fails_has_sent_nothing_and_says_why() {
    for plugin in incoming_handlers() {
        for (payload, code) in [
            ("fail", "HANDLER_ERROR"),
            ("timeout", "HANDLER_TIMEOUT"),
            ("connection", "HANDLER_CONNECTION"),
            ("denied", "HANDLER_PERMISSION_DENIED"),
        ] {
            let (class, failed, _) = failure(&plugin, payload).await;
            assert_eq!((class, &*failed), (Class::Retryable, code), "{payload}");
            let after = outputs(&plugin, "x").await;
            assert_eq!((after.len(), text(after[0].payload.as_ref())), (1, "x"), "nothing of the one before");
        }
        assert_eq!(failure(&plugin, "panic").await.0, Class::Trapped);
    }
}

#[tokio::test]
async fn there_are_no_replies_and_the_handler_is_told() {
    for plugin in incoming_handlers() {
        let refused = outputs(&plugin, "request").await;
        let said = text(refused[0].payload.as_ref());
        assert_eq!((refused.len(), said.matches("replies are not supported").count()), (1, 2), "{said}");
    }
    let refused = outputs(&plugin("wasmcloud-messaging-0-2"), "request").await;
    assert!(text(refused[0].payload.as_ref()).contains("replies are not supported"), "{refused:?}");
}

#[tokio::test]
async fn what_is_sent_and_held_is_within_the_limits() {
    for plugin in incoming_handlers() {
        for (payload, code) in [
            ("flood", "TOO_MANY_OUTPUTS"),
            ("send too much", "OUTPUT_TOO_LARGE"),
            ("hoard", "OUTPUT_TOO_LARGE"),
            ("hoard metadata", "OUTPUT_TOO_LARGE"),
            ("hoard nothings", "HOST_CALL_FAILED"),
            ("endless name", "UNKNOWN_OUTPUT"),
        ] {
            let (class, failed, text) = failure(&plugin, payload).await;
            assert_eq!((class, &*failed), (Class::ContractBroken, code), "{payload}: {text}");
        }
        assert_eq!(outputs(&plugin, "x").await.len(), 1);
    }
    let plugin = plugin("wasmcloud-messaging-0-2");
    assert_eq!(failure(&plugin, "flood").await.1, "TOO_MANY_OUTPUTS");
    assert_eq!(failure(&plugin, "send too much").await.1, "OUTPUT_TOO_LARGE");
}

#[tokio::test]
async fn an_instance_that_keeps_a_message_is_not_used_again() {
    for plugin in incoming_handlers() {
        assert_eq!(outputs(&plugin, "keep").await, []);
        assert_eq!(text(outputs(&plugin, "kept").await[0].payload.as_ref()), "0");
    }
}

#[tokio::test]
async fn what_a_broker_message_handler_publishes_are_its_outputs() {
    let plugin = plugin("wasmcloud-messaging-0-2");
    assert_eq!(plugin.contract(), Contract::Wasmcloud02);
    let two = outputs(&plugin, "two").await;
    assert_eq!(two.iter().map(|output| &*output.to).collect::<Vec<_>>(), ["out", "second"]);
    assert_eq!((two[0].headers.len(), &two[1].headers), (0, &[Header::text("reply-to", "second")].into()));

    let reply = outputs(&plugin, "reply").await;
    assert_eq!((&*reply[0].to, text(reply[0].payload.as_ref())), ("answers", "reply"));
    assert_eq!(reply[0].headers, [Header::text("reply-to", "orders")].into());

    let (class, code, said) = failure(&plugin, "fail").await;
    assert_eq!((class, &*code, &*said), (Class::Retryable, "HANDLER_ERROR", "as asked"));
    assert_eq!(outputs(&plugin, "x").await.len(), 1, "nothing of the one before");
    assert_eq!(failure(&plugin, "panic").await.0, Class::Trapped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_written_for_another_host_works_on_kafka_unchanged() {
    let Some(kafka) = kit::or_say_so(kit::kafka()) else { return };
    let probe = Probe { guest: "wasi-messaging", ..Probe::new(kafka, 1).await };
    let record = |key, payload| kit::Record::new(payload).key(key).header("tenant", "acme");
    kafka.produce(&probe.input, [record("a", "forwarded"), record("b", "fail"), record("c", "own")]).await;
    let mut host = probe.start(kafka, r#"retry = { initial_delay = "100ms", max_attempts = 2 }"#);
    // `own` sends to an output that the route does not have, beside one that it has.
    let letters = kit::eventually("the dead letters", WAIT, async || {
        let letters = kafka.read_all(&probe.dead_letters).await;
        (letters.len() == 2).then_some(letters)
    })
    .await;
    host.signal(Signal::TERM);
    assert_eq!(host.wait(WAIT).await.code(), Some(0));
    let codes: BTreeSet<_> = letters
        .iter()
        .map(|letter| (letter.key_text(), letter.header("cofferdam-dlq-code").expect("a code")))
        .collect();
    assert_eq!(codes, BTreeSet::from([("b", "HANDLER_ERROR"), ("c", "UNKNOWN_OUTPUT")]));
    let stored = kafka.read_all(&probe.output).await;
    assert_eq!(stored.len(), 1, "what failed has sent nothing: {stored:?}");
    assert_eq!((stored[0].key_text(), stored[0].value.as_deref()), ("a", Some(&b"forwarded"[..])));
    assert_eq!(stored[0].header("tenant"), Some("acme"));
    assert!(stored[0].headers.iter().all(|(name, _)| !name.starts_with("cofferdam-")), "{:?}", stored[0].headers);
}

#[test]
fn invoke_says_which_contract_a_plugin_was_built_for() {
    for (guest, contract) in [
        ("wasi-messaging", "wasi:messaging@0.2.0-draft"),
        ("wasmcloud-messaging-0-3", "wasmcloud:messaging@0.3"),
        ("wasmcloud-messaging-0-2", "wasmcloud:messaging@0.2"),
    ] {
        let shown = invoke(&kit::guest(guest));
        assert_eq!((&shown["outcome"], &shown["plugin"]["contract"]), (&"done".into(), &contract.into()), "{shown:#}");
        assert_eq!(shown["outputs"][0]["to"], "out");
    }
}

fn invoke(plugin: &Path) -> serde_json::Value {
    let output = Command::new(kit::host::binary()).arg("invoke").arg(plugin).arg("--json").output().expect("it runs");
    serde_json::from_slice(&output.stdout).expect("one JSON line")
}
