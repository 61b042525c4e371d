//! Loads a plugin from a file, or refuses it with a reason and a remedy.

mod compile;
mod contract;
mod imports;
mod nesting;
mod refusal;

use std::path::Path;
use std::sync::Arc;

use cofferdam_core::event::HandlerId;
use sha2::{Digest as _, Sha256};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

pub use refusal::{LoadError, Missing, Refusal};

use super::contract::Contract;
use super::engine::cache;
use super::engine::runtimes::{Runtime, Runtimes};
use super::host::spec::Spec;
use super::host::state::State;
use super::limits::Limit;
use super::symbols::Symbols;

/// A plugin that can be instantiated.
pub(super) struct Loaded {
    pub(super) id: Arc<HandlerId>,
    pub(super) spec: Arc<Spec>,
    pub(super) runtime: Arc<Runtime<State>>,
    pub(super) component: InstancePre<State>,
    pub(super) contract: Contract,
    pub(super) handle: ComponentExportIndex,
    /// `None` if the plugin does not handle batches.
    pub(super) handle_batch: Option<ComponentExportIndex>,
    /// For backtraces.
    pub(super) symbols: Symbols,
}

/// Checks and compiles the file `path`.
pub(super) fn open(runtimes: &Runtimes<State>, path: &Path, spec: Spec) -> Result<Loaded, Refusal> {
    load(runtimes, &compile::read(runtimes, path)?, spec)
}

/// Checks and compiles `bytes`.
pub(super) fn load(runtimes: &Runtimes<State>, bytes: &[u8], spec: Spec) -> Result<Loaded, Refusal> {
    check_limits(runtimes, &spec)?;
    let digest = Sha256::digest(bytes);
    let bytes = &compile::component(runtimes, bytes)?[..];
    nesting::check(bytes)?;
    let runtime = runtimes.runtime(spec.limits.stack).map_err(|error| Refusal::Engine(error.to_string()))?;
    let (component, symbols) = compile::compile(runtimes, &runtime, bytes, &digest)?;
    let handler = contract::find_handler(&component)?;
    imports::check(&component, handler.contract, &spec)?;
    check_memory(&component, &spec)?;
    let instantiable =
        runtime.linker.instantiate_pre(&component).map_err(|error| Refusal::Import { reason: format!("{error:#}") })?;
    handler.check_type(&instantiable)?;
    let id = Arc::new(HandlerId { name: spec.name.clone(), digest: told(&digest) });
    let (contract, handle, handle_batch) = (handler.contract, handler.index, handler.batch());
    let (spec, component) = (Arc::new(spec), instantiable);
    Ok(Loaded { id, spec, runtime, component, contract, handle, handle_batch, symbols })
}

/// Returns the digest of the file `path`, in the same form as the digest of a loaded plugin.
///
/// # Errors
/// If the file cannot be read.
pub fn digest_of(path: &Path) -> std::io::Result<Box<str>> {
    Ok(told(&Sha256::digest(std::fs::read(path)?)))
}

fn told(digest: &[u8]) -> Box<str> {
    format!("sha256:{}", cache::hex(digest)).into()
}

fn check_limits(runtimes: &Runtimes<State>, spec: &Spec) -> Result<(), Refusal> {
    let (limits, config) = (&spec.limits, runtimes.config());
    let bounds = [
        (Limit::Memory, config.memory as u64),
        (Limit::Stack, *Limit::Stack.range().end()),
        (Limit::TableElements, config.table_elements as u64),
    ];
    let bounds = bounds.map(|(limit, most)| (limit.name(), limits.get(limit), *limit.range().start(), most));
    match bounds.into_iter().find(|(_, value, least, most)| !(least..=most).contains(&value)) {
        None => Ok(()),
        Some((name, value, least, most)) => Err(Refusal::Limit { name, value, least, most }),
    }
}

/// Refuses a plugin that starts with more memory than its limit, instead of failing each message.
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
