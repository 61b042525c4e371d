//! Tests of the sandbox with small components written as text.

mod classification;
mod guest;
mod host_calls;
mod imports;
mod keyvalue;
mod limits;
mod loading;

use std::sync::{Arc, LazyLock};

use cofferdam_core::message::{Header, Message, Position, Record};
use cofferdam_core::outcome::{Class, Code, Failure, Outcome};

use super::{Attempt, Engine, EngineConfig, Plugin, Spec};
use guest::Guest;

/// One engine for all tests, because each reserves much address space.
fn engine() -> &'static Engine {
    static ENGINE: LazyLock<Engine> = LazyLock::new(|| small_engine(200));
    &ENGINE
}

fn small_engine(instances: u32) -> Engine {
    Engine::new(EngineConfig { instances, ..EngineConfig::default() }).expect("the machine has addresses enough")
}

fn spec() -> Spec {
    Spec::new("probe")
}

fn plugin(guest: &Guest, spec: Spec) -> Plugin {
    Plugin::load(engine(), &guest.build(), spec).expect("the component is of the contract")
}

fn message() -> Message {
    let record = Record {
        source: "orders".into(),
        position: Position::Offset { partition: 3, offset: 42 },
        key: Some("key".into()),
        headers: [Header::text("kind", "order"), Header::bytes("raw", b"\xff\x00")].into(),
        payload: Some("record".into()),
        timestamp_ms: Some(1_700_000_000_000),
    };
    Message {
        id: "message-1".into(),
        attributes: vec![("type".into(), "order.placed".into())],
        payload: Some("payload".into()),
        ..Arc::new(record).into()
    }
}

async fn handle(guest: &Guest, spec: Spec) -> Attempt {
    plugin(guest, spec).handle(&message(), 1).await
}

/// Returns the failure of an attempt, which must have this class and code.
#[track_caller]
fn failed(attempt: &Attempt, class: Class, code: Code) -> &Failure {
    match &attempt.outcome {
        Outcome::Failed(failure) => {
            assert_eq!((failure.class, &failure.code), (class, &code), "{failure:?}");
            failure
        }
        Outcome::Done(outputs) => panic!("it ended well: {outputs:?}"),
    }
}
