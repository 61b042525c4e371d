//! From a file's bytes to compiled code: by the cache where it was compiled before, else within the bounds of the engine.

mod apart;

use std::borrow::Cow;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use wasmtime::component::Component;

use super::refusal::Refusal;
use crate::plugin::engine::cache::Key;
use crate::plugin::engine::compiler::Work;
use crate::plugin::engine::core_module;
use crate::plugin::engine::image::Image;
use crate::plugin::engine::runtimes::{Runtime, Runtimes};
use crate::plugin::host::state::State;
use crate::plugin::symbols::Symbols;

/// The bytes of the file, if they are not too many.
pub(super) fn read(runtimes: &Runtimes<State>, path: &Path) -> Result<Vec<u8>, Refusal> {
    let most = runtimes.config().compile.size;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(Refusal::Unreadable)?;
    Ok(bytes)
}

/// The component that the file is, or that is made of it where it is a core module.
pub(super) fn component<'a>(runtimes: &Runtimes<State>, bytes: &'a [u8]) -> Result<Cow<'a, [u8]>, Refusal> {
    let config = runtimes.config();
    let most = config.compile.size;
    if bytes.len() as u64 > most {
        return Err(Refusal::TooLarge { most });
    }
    if is_component(bytes) {
        return Ok(bytes.into());
    }
    if !core_module::is_one(bytes) {
        return Err(Refusal::NotWasm);
    }
    let refused = |reason: String| Refusal::CoreModule { reason };
    let wrapped = match &config.compiler {
        Some(program) => apart::run(program, &config.compile, Work::Wrap, bytes, refused)?,
        None => core_module::wrap(bytes).map_err(|error| refused(format!("{error:#}")))?,
    };
    Ok(wrapped.into())
}

fn is_component(bytes: &[u8]) -> bool {
    matches!(bytes.get(..8), Some([0, b'a', b's', b'm', _, _, 1, 0]))
}

/// Compiles a component, which is kept by the digest of the file that it came from.
pub(super) fn compile(
    runtimes: &Runtimes<State>,
    runtime: &Runtime<State>,
    bytes: &[u8],
    digest: &[u8],
) -> Result<(Component, Symbols), Refusal> {
    let sandbox = &runtime.engine;
    let kept = runtimes.cache().map(|cache| (cache, Key::new(digest, sandbox)));
    if let Some(found) = kept.as_ref().and_then(|(cache, key)| cache.load(sandbox, key)) {
        return Ok(found);
    }
    let config = runtimes.config();
    let (image, symbols) = match &config.compiler {
        Some(program) => {
            let made = apart::run(program, &config.compile, Work::Compile, bytes, invalid)?;
            Image::read(made).map_err(|error| Refusal::Compiler { reason: error.to_string() })?
        }
        None => {
            let code = sandbox.precompile_component(bytes).map_err(|error| invalid(format!("{error:#}")))?;
            let symbols = Symbols::of(bytes);
            let image = Image::new(code, &symbols).map_err(|error| Refusal::Compiler { reason: error.to_string() })?;
            (image, symbols)
        }
    };
    // SAFETY: `deserialize` runs what the bytes say as machine code, so they must be what wasmtime has written. They
    // were written just now by wasmtime in this process, or by that of the program that whoever built the engine has
    // named as its compiler, and came from there through a file without a name that only it and we had open. It has
    // ended, so they do not change. That its wasmtime has the same version and settings is checked.
    let component = unsafe { Component::deserialize(sandbox, image.code()) }.map_err(unfit)?;
    let Some((cache, key)) = kept else { return Ok((component, symbols)) };
    if let Err(error) = cache.store(&key, &image) {
        tracing::warn!(%error, "failed to cache a compiled plugin");
        return Ok((component, symbols));
    }
    // Mapped from the file it takes memory for what is used only.
    Ok(cache.load(sandbox, &key).unwrap_or((component, symbols)))
}

fn invalid(reason: String) -> Refusal {
    Refusal::Invalid { reason }
}

/// The code is whole: it does not fit into the pool, or was compiled by another program than ours.
fn unfit(error: wasmtime::Error) -> Refusal {
    let reason = format!("{error:#}");
    if reason.contains("pooling allocator") { Refusal::DoesNotFit { reason } } else { Refusal::Compiler { reason } }
}
