//! Any bytes as a plugin, and any module behind the handler's exports: refused, or every attempt comes back with an
//! outcome that is no fault of the host.

#![no_main]

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cofferdam::plugin::{Engine, EngineConfig, Limits, Plugin, Spec};
use cofferdam_core::message::{Header, Message, Position, Record};
use cofferdam_core::outcome::{Class, Outcome};
use libfuzzer_sys::arbitrary::Unstructured;
use libfuzzer_sys::{Corpus, fuzz_target};
use tokio::runtime::Runtime;
use wasm_smith::{Config, Module};
use wit_component::{ComponentEncoder, StringEncoding};
use wit_parser::{Resolve, WorldId};

struct World {
    engine: Engine,
    runtime: Runtime,
    resolve: Resolve,
    plugin: WorldId,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/v1");
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(folder).expect("the contract is well formed");
    let plugin = resolve.select_world(&[package], Some("plugin")).expect("it has this world");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let engine = Engine::new(EngineConfig { instances: 8, ..EngineConfig::default() }).expect("an engine");
    World { engine, runtime, resolve, plugin }
});

/// What the canonical ABI wants of the module behind the handler.
const EXPORTS: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) i32.const 0)
    (func (export "cofferdam:plugin/handler@0.1.0#handle") (param i32) (result i32) i32.const 0)
    (func (export "cabi_post_cofferdam:plugin/handler@0.1.0#handle") (param i32)))"#;

static SHAPE: LazyLock<Vec<u8>> = LazyLock::new(|| wat::parse_str(EXPORTS).expect("a module"));

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Some((kind, rest)) = bytes.split_first() else { return Corpus::Reject };
    if kind % 4 == 0 {
        run(rest);
        return Corpus::Keep;
    }
    match wrapped(rest) {
        Some(component) => {
            run(&component);
            Corpus::Keep
        }
        None => Corpus::Reject,
    }
});

/// A component with a random module in it.
fn wrapped(bytes: &[u8]) -> Option<Vec<u8>> {
    let config = Config {
        exports: Some(SHAPE.clone()),
        max_imports: 0,
        max_memories: 2,
        memory64_enabled: false,
        threads_enabled: false,
        gc_enabled: false,
        exceptions_enabled: false,
        ..Config::default()
    };
    let mut module = Module::new(config, &mut Unstructured::new(bytes)).ok()?.to_bytes();
    let world = &*WORLD;
    wit_component::embed_component_metadata(&mut module, &world.resolve, world.plugin, StringEncoding::UTF8).ok()?;
    ComponentEncoder::default().module(&module).ok()?.encode().ok()
}

fn run(component: &[u8]) {
    let world = &*WORLD;
    let wall_time = Duration::from_millis(20);
    let limits = Limits { wall_time, cpu_time: wall_time, memory: 4 << 20, ..Limits::default() };
    let Ok(plugin) = Plugin::load(&world.engine, component, Spec { limits, ..Spec::new("fuzzed") }) else { return };
    let message = message();
    for attempt in 1..=3 {
        let ended = world.runtime.block_on(plugin.handle(&message, attempt));
        if let Outcome::Failed(failure) = &ended.outcome {
            assert!(failure.class != Class::HostFault, "{failure:?}");
        }
        assert!(ended.usage.memory_peak_bytes <= 4 << 20, "{:?}", ended.usage);
    }
}

fn message() -> Message {
    let record = Record {
        source: "orders".into(),
        position: Position::Offset { partition: 0, offset: 7 },
        key: Some("key".into()),
        headers: [Header::text("name", "value")].into(),
        payload: Some("{}".into()),
        timestamp_ms: Some(1),
    };
    Message { id: "id".into(), attributes: vec![("a".into(), "b".into())], ..Arc::new(record).into() }
}
