//! A plugin without grants, written in ordinary Rust, has no access to the machine.

use cofferdam::plugin::{Engine, EngineConfig, Plugin, Spec};
use cofferdam_core::outcome::Outcome;
use serde_json::Value;

/// The operations that must be denied, by the names that the guest gives them.
const REFUSED: [&str; 20] = [
    "read a file",
    "read a file here",
    "read a file above",
    "read a process",
    "read a device",
    "write a file",
    "remove a file",
    "make a folder",
    "list the root",
    "list this folder",
    "ask for a folder",
    "follow a link",
    "connect",
    "connect by name",
    "listen",
    "bind udp",
    "resolve a name",
    "start a thread",
    "start a process",
    "find itself",
];

#[tokio::test]
async fn ordinary_code_without_grants_gets_errors_and_never_data() {
    let engine = Engine::new(EngineConfig { instances: 4, ..EngineConfig::default() }).expect("addresses enough");
    let plugin = Plugin::open(&engine, &kit::guest("curious"), Spec::new("curious")).expect("it needs no grant");
    let attempt = plugin.handle(&kit::hostile::message(""), 1).await;
    let Outcome::Done(outputs) = attempt.outcome else { panic!("{attempt:?}") };
    let payload = outputs[0].payload.as_deref().expect("what it found");
    let found: Value = serde_json::from_slice(payload).expect("JSON");
    println!("{found:#}");
    for name in REFUSED {
        assert!(found[name]["error"].is_string() && found[name].get("data").is_none(), "{name}: {}", found[name]);
    }
    let input = &found["standard input"];
    assert!(input["error"].is_string() || input["bytes"] == 0, "standard input: {input}");
    assert_eq!((&found["variables"], &found["arguments"]), (&0.into(), &0.into()));
    for clock in ["monotonic clock", "wall clock"] {
        let readings = &found[clock];
        assert_eq!(readings["uneven"], 0, "{clock}: every reading is a whole number of milliseconds: {readings}");
        assert!(readings["different"].as_u64() >= Some(2), "{clock} goes: {readings}");
        assert!(readings["shortest"].as_u64() >= Some(1_000_000), "{clock}: {readings}");
    }
    let listed = REFUSED.len() + 5;
    assert_eq!(found.as_object().map(serde_json::Map::len), Some(listed), "nothing was tried that is not looked at");
}
