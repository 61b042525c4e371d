//! A backtrace shows functions of the handler, and source lines if the component has debug information. The host
//! recognises when a fault is the same as the one before.

use std::path::Path;

use cofferdam::plugin::{Engine, EngineConfig, Plugin, Spec};
use cofferdam_core::outcome::{Failure, Outcome};

const SOURCE: &str = "tests/guests/hostile/src/lib.rs";

fn engine() -> Engine {
    Engine::new(EngineConfig { instances: 4, ..EngineConfig::default() }).expect("addresses enough")
}

async fn fault(plugin: &Plugin, what: &str) -> Failure {
    match plugin.handle(&kit::hostile::message(what), 1).await.outcome {
        Outcome::Failed(failure) => *failure,
        Outcome::Done(_) => panic!("it ended well: {what}"),
    }
}

/// Returns the number of the line of the guest's source that contains this text.
fn line(text: &str) -> usize {
    let source =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(SOURCE)).expect("the source");
    1 + source.lines().position(|line| line.contains(text)).expect("the line")
}

#[tokio::test]
async fn functions_are_named_as_in_the_source_and_with_debug_information_their_lines() {
    let engine = engine();
    let load = |path: &Path| Plugin::open(&engine, path, Spec::new("hostile")).expect("a plugin");
    let plain = fault(&load(&kit::guest("hostile")), "panic").await.backtrace;
    assert!(plain.iter().any(|frame| frame.contains("hostile::handle")), "{plain:#?}");
    assert!(
        plain.iter().all(|frame| !frame.contains(" at ") && !frame.contains("_ZN") && !frame.contains("_RN")),
        "{plain:#?}"
    );

    let plugin = load(&kit::guest_with_lines("hostile"));
    for (what, text) in [("panic", "panic!(\"as asked"), ("recursion", "deeper(depth + 1)")] {
        let frames = fault(&plugin, what).await.backtrace;
        println!("{what}: {frames:#?}");
        let place = format!("{SOURCE}:{}", line(text));
        assert!(
            frames.iter().any(|frame| frame.contains("hostile::") && frame.ends_with(&place)),
            "{place}: {frames:#?}"
        );
    }
}

#[tokio::test]
async fn the_same_fault_is_known_again_and_another_is_not_taken_for_it() {
    let engine = engine();
    let plugin = Plugin::open(&engine, &kit::guest("hostile"), Spec::new("hostile")).expect("a plugin");
    let mut seen = Vec::new();
    for what in ["panic", "panic-in-drop", "index", "abort", "recursion", "exit", "allocation"] {
        let fingerprint = fault(&plugin, what).await.fingerprint().expect("a fault of the sandbox has one");
        assert_eq!(fault(&plugin, what).await.fingerprint(), Some(fingerprint), "{what} is the same again");
        assert!(!seen.contains(&fingerprint), "{what} is not the same as those before");
        seen.push(fingerprint);
    }
}
