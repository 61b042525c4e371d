//! From a file to a plugin that can be called, or a refusal that says what would be right.

mod refusal;

use std::sync::Arc;

use cofferdam_core::event::HandlerId;
use sha2::{Digest as _, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

pub use refusal::{LoadError, Refusal};

use super::Spec;
use super::cache::{self, Key};
use super::engine::{Engine, Runtime};
use super::lift::Answer;
use super::lower::MessageParameter;
use super::state::State;

/// The version of the contract that this host speaks.
pub(super) const CONTRACT: &str = "cofferdam:plugin@0.1";
const HANDLER: &str = "cofferdam:plugin/handler@0.1.0";
/// What an export that is a handler of any version begins with.
const ANY_HANDLER: &str = "cofferdam:plugin/";

/// The largest file that is compiled, bytes.
pub(super) const FILE: usize = 256 << 20;

/// A plugin that can be instantiated.
pub(super) struct Loaded {
    pub(super) id: Arc<HandlerId>,
    pub(super) spec: Arc<Spec>,
    pub(super) runtime: Arc<Runtime>,
    pub(super) component: InstancePre<State>,
    pub(super) handle: ComponentExportIndex,
}

/// Checks and compiles `bytes`.
pub(super) fn load(engine: &Engine, bytes: &[u8], spec: Spec) -> Result<Loaded, Refusal> {
    check_limits(engine, &spec)?;
    check_kind(bytes)?;
    let runtime = engine.runtime(spec.limits.stack).map_err(|error| Refusal::Engine(error.to_string()))?;
    let digest = Sha256::digest(bytes);
    let component = compile(engine, &runtime, bytes, &digest)?;
    let handle = find_handler(&component)?;
    check_imports(&component, &spec)?;
    check_memory(&component, &spec)?;
    let instantiable =
        runtime.linker.instantiate_pre(&component).map_err(|error| Refusal::Import { reason: format!("{error:#}") })?;
    let digest = format!("sha256:{}", cache::hex(&digest)).into();
    let id = Arc::new(HandlerId { name: spec.name.clone(), digest });
    Ok(Loaded { id, spec: Arc::new(spec), runtime, component: instantiable, handle })
}

fn check_limits(engine: &Engine, spec: &Spec) -> Result<(), Refusal> {
    let (limits, config) = (&spec.limits, engine.config());
    let bounds = [
        ("memory", limits.memory, 64 << 10, config.memory),
        ("stack", limits.stack, 64 << 10, 1 << 20),
        ("table_elements", limits.table_elements, 0, config.table_elements),
    ];
    match bounds.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
        None => Ok(()),
        Some((name, value, least, most)) => Err(Refusal::Limit { name, value, least, most }),
    }
}

/// A component, a core module, or neither.
fn check_kind(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() > FILE {
        return Err(Refusal::TooLarge { size: bytes.len() });
    }
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => Err(Refusal::CoreModule),
        _ => Err(Refusal::NotWasm),
    }
}

fn compile(engine: &Engine, runtime: &Runtime, bytes: &[u8], digest: &[u8]) -> Result<Component, Refusal> {
    let sandbox = &runtime.engine;
    let Some(cache) = engine.cache() else {
        return Component::from_binary(sandbox, bytes).map_err(invalid);
    };
    let key = Key::new(digest, sandbox);
    if let Some(component) = cache.load(sandbox, &key) {
        return Ok(component);
    }
    let compiled = sandbox.precompile_component(bytes).map_err(invalid)?;
    if let Err(error) = cache.store(&key, &compiled) {
        tracing::warn!(%error, "a compiled plugin could not be kept");
    }
    match cache.load(sandbox, &key) {
        Some(component) => Ok(component),
        None => Component::from_binary(sandbox, bytes).map_err(invalid),
    }
}

fn invalid(error: wasmtime::Error) -> Refusal {
    let reason = format!("{error:#}");
    if reason.contains("pooling allocator") { Refusal::DoesNotFit { reason } } else { Refusal::Invalid { reason } }
}

fn find_handler(component: &Component) -> Result<ComponentExportIndex, Refusal> {
    let Some(interface) = component.get_export_index(None, HANDLER) else {
        let ty = component.component_type();
        let other = ty.exports(component.engine()).find(|(name, _)| name.starts_with(ANY_HANDLER));
        return Err(match other {
            Some((name, _)) => Refusal::OtherContract { export: name.into() },
            None => Refusal::NoHandler,
        });
    };
    let Some((ComponentItem::ComponentFunc(ty), index)) = component.get_export(Some(&interface), "handle") else {
        return Err(Refusal::WrongType { reason: "it has no function `handle`".into() });
    };
    // What `get_typed_func` asks of an instance, asked of the component.
    ty.typecheck::<(MessageParameter<'_>,), (Answer,)>(&component.component_type().instance_type())
        .map_err(|error| Refusal::WrongType { reason: format!("{error:#}") })?;
    Ok(index)
}

/// Packages of WASI 0.2 that are always there.
const WASI: [&str; 6] = ["wasi:io/", "wasi:cli/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/"];
/// Interfaces beyond WASI 0.2 that are always there.
const ALWAYS: [&str; 2] = ["wasi:config/store@0.2.0-rc.1", "wasi:logging/logging@0.1.0-draft"];
/// Interfaces that are granted by `keyvalue`.
const KEYVALUE: [&str; 2] = ["wasi:keyvalue/store@0.2.0-draft2", "wasi:keyvalue/atomics@0.2.0-draft2"];

fn check_imports(component: &Component, spec: &Spec) -> Result<(), Refusal> {
    let ty = component.component_type();
    let mut imports = ty.imports(component.engine());
    imports.try_for_each(|(name, import)| {
        let wasi = WASI.iter().any(|package| name.starts_with(package)) && name.contains("@0.2.");
        if wasi || ALWAYS.contains(&name) || is_types_only(component, &import.ty) {
            Ok(())
        } else if !KEYVALUE.contains(&name) {
            Err(Refusal::UnknownImport { import: name.into() })
        } else if spec.keyvalue.is_none() {
            Err(Refusal::NotGranted { import: name.into(), capability: "keyvalue" })
        } else {
            Ok(())
        }
    })
}

/// An interface without functions or resources, such as the types of the contract: there is nothing to grant.
fn is_types_only(component: &Component, import: &ComponentItem) -> bool {
    match import {
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(component.engine()).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
        }
        _ => false,
    }
}

/// A plugin that cannot even start within its limit is refused once, not at each message.
fn check_memory(component: &Component, spec: &Spec) -> Result<(), Refusal> {
    let pages = component.resources_required().and_then(|required| required.max_initial_memory_size);
    let bytes = pages.unwrap_or(0).saturating_mul(64 << 10);
    let limit = spec.limits.memory;
    if usize::try_from(bytes).is_ok_and(|bytes| bytes <= limit) {
        Ok(())
    } else {
        Err(Refusal::MemoryLimit { bytes, limit })
    }
}
