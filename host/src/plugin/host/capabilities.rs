//! What a plugin may call beyond WASI 0.2.
//!
//! All of it is linked for all plugins; a plugin that imports what it was not granted was refused by name when it
//! was loaded (see [`load`](crate::plugin::load)).

mod config;
pub mod http;
pub mod keyvalue;
mod logging;
pub(in crate::plugin) mod wasi;

use wasmtime::component::Linker;

use super::state::{Called, State};

mod bindings {
    #![allow(missing_docs, reason = "the WIT has the words")]

    wasmtime::component::bindgen!({
        path: "../wit/v1",
        world: "cofferdam:plugin/capabilities",
        imports: {
            "wasi:config/store": trappable,
            "wasi:logging/logging": trappable,
            default: async | trappable,
        },
        with: {
            "wasi:keyvalue/store.bucket": super::keyvalue::Bucket,
            "wasi:keyvalue/atomics.cas": super::keyvalue::functions::Cas,
        },
        require_store_data_send: true,
    });
}

pub(in crate::plugin) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    use bindings::wasi;

    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    self::wasi::clock::add_to_linker(linker)?;
    wasi::config::store::add_to_linker::<State, Called>(linker, State::host_call)?;
    wasi::logging::logging::add_to_linker::<State, Called>(linker, State::host_call)?;
    wasi::keyvalue::store::add_to_linker::<State, Called>(linker, State::host_call)?;
    wasi::keyvalue::atomics::add_to_linker::<State, Called>(linker, State::host_call)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}
