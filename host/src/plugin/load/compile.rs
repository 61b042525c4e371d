//! From bytes to compiled code: by the cache where it was compiled before, else within the bounds of the engine.

mod apart;

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use wasmtime::component::Component;

use super::super::cache::Key;
use super::super::engine::{Engine, Runtime};
use super::Refusal;

/// The bytes of the file, if they are not too many.
pub(super) fn read(engine: &Engine, path: &Path) -> Result<Vec<u8>, Refusal> {
    let most = engine.config().compile.size;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(Refusal::Unreadable)?;
    Ok(bytes)
}

/// A component, a core module, or neither.
pub(super) fn check_kind(engine: &Engine, bytes: &[u8]) -> Result<(), Refusal> {
    let most = engine.config().compile.size;
    if bytes.len() as u64 > most {
        return Err(Refusal::TooLarge { most });
    }
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', _, _, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', _, _, 0, 0]) => Err(Refusal::CoreModule),
        _ => Err(Refusal::NotWasm),
    }
}

pub(super) fn compile(engine: &Engine, runtime: &Runtime, bytes: &[u8], digest: &[u8]) -> Result<Component, Refusal> {
    let sandbox = &runtime.engine;
    let kept = engine.cache().map(|cache| (cache, Key::new(digest, sandbox)));
    if let Some(component) = kept.as_ref().and_then(|(cache, key)| cache.load(sandbox, key)) {
        return Ok(component);
    }
    let config = engine.config();
    let code = match &config.compiler {
        Some(program) => apart::compile(program, &config.compile, bytes)?,
        None => sandbox.precompile_component(bytes).map_err(invalid)?,
    };
    // SAFETY: `deserialize` runs what the bytes say as machine code, so they must be what wasmtime has written. They
    // were written just now by wasmtime in this process, or by that of the program that whoever built the engine has
    // named as its compiler, and came from there through a file without a name that only it and we had open. It has
    // ended, so they do not change. That its wasmtime has the same version and settings is checked.
    let component = unsafe { Component::deserialize(sandbox, &code) }.map_err(unfit)?;
    let Some((cache, key)) = kept else { return Ok(component) };
    if let Err(error) = cache.store(&key, &code) {
        tracing::warn!(%error, "a compiled plugin could not be kept");
    }
    // Mapped from the file it takes memory for what is used only.
    Ok(cache.load(sandbox, &key).unwrap_or(component))
}

fn invalid(error: wasmtime::Error) -> Refusal {
    Refusal::Invalid { reason: format!("{error:#}") }
}

/// The code is whole: it does not fit into the pool, or was compiled by another program than ours.
fn unfit(error: wasmtime::Error) -> Refusal {
    let reason = format!("{error:#}");
    if reason.contains("pooling allocator") { Refusal::DoesNotFit { reason } } else { Refusal::Compiler { reason } }
}
