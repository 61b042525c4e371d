//! Turns the bytes of a file into compiled code: from the cache, or compiled within the limits of the engine.

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

/// Reads the file, unless it is too large.
pub(super) fn read(runtimes: &Runtimes<State>, path: &Path) -> Result<Vec<u8>, Refusal> {
    let most = runtimes.config().compile.size;
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(most.saturating_add(1)).read_to_end(&mut bytes));
    read.map_err(Refusal::Unreadable)?;
    Ok(bytes)
}

/// Returns the component in the file. A core module is wrapped into a component.
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

/// Compiles a component. The cache stores it under the digest of the file that it was made from.
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
    // SAFETY: `deserialize` runs the bytes as machine code, so they must be output of wasmtime. wasmtime wrote them
    // just now, in this process or in the compiler program that the builder of the engine named. From there they came
    // through a file without a name that only this process and the compiler had open. The compiler has ended, so they
    // do not change. `deserialize` checks that its wasmtime has the same version and settings.
    let component = unsafe { Component::deserialize(sandbox, image.code()) }.map_err(unfit)?;
    let Some((cache, key)) = kept else { return Ok((component, symbols)) };
    if let Err(error) = cache.store(&key, &image) {
        tracing::warn!(%error, "failed to cache a compiled plugin");
        return Ok((component, symbols));
    }
    // Mapped from the file, only the used parts take memory.
    Ok(cache.load(sandbox, &key).unwrap_or((component, symbols)))
}

fn invalid(reason: String) -> Refusal {
    Refusal::Invalid { reason }
}

/// The code is intact, but it does not fit into the pool, or another version of the program compiled it.
fn unfit(error: wasmtime::Error) -> Refusal {
    let reason = format!("{error:#}");
    if reason.contains("pooling allocator") { Refusal::DoesNotFit { reason } } else { Refusal::Compiler { reason } }
}
