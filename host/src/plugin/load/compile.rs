//! From bytes to compiled code: by the cache where it was compiled before.

use wasmtime::component::Component;

use super::super::cache::Key;
use super::super::engine::{Engine, Runtime};
use super::Refusal;

/// The largest file that is compiled, bytes.
pub(super) const FILE: usize = 256 << 20;

/// A component, a core module, or neither.
pub(super) fn check_kind(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.len() > FILE {
        return Err(Refusal::TooLarge { size: bytes.len() });
    }
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => Err(Refusal::CoreModule),
        _ => Err(Refusal::NotWasm),
    }
}

pub(super) fn compile(engine: &Engine, runtime: &Runtime, bytes: &[u8], digest: &[u8]) -> Result<Component, Refusal> {
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
