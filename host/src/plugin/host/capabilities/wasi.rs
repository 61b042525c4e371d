//! WASI 0.2, which every plugin may import: no files, no sockets, no environment. The monotonic clock is an
//! implementation of the host.

mod clock;
pub(in crate::plugin) mod context;

use wasmtime::component::Linker;

use super::Capability;
use crate::plugin::host::state::State;

const INTERFACES: [&str; 6] = [
    "wasi:io/*@0.2.*",
    "wasi:cli/*@0.2.*",
    "wasi:clocks/*@0.2.*",
    "wasi:random/*@0.2.*",
    "wasi:filesystem/*@0.2.*",
    "wasi:sockets/*@0.2.*",
];

pub(super) const CAPABILITY: Capability = Capability {
    name: "wasi",
    title: "WASI 0.2",
    grant: None,
    interfaces: &INTERFACES,
    granted: |_| true,
    add_to_linker,
};

fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    clock::add_to_linker(linker)
}
