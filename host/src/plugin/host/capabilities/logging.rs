//! `wasi:logging/logging`: lines of the plugin's log.

use wasmtime::component::Linker;

use super::Capability;
use crate::handler::Level;
use crate::plugin::host::state::{Called, HostCall, State};
use bindings::wasi::logging::logging::{self, Host};

mod bindings {
    #![allow(missing_docs, reason = "the WIT has the words")]

    wasmtime::component::bindgen!({
        path: "../wit/v1",
        interfaces: "import wasi:logging/logging@0.1.0-draft;",
        imports: { default: trappable },
    });
}

const INTERFACES: [&str; 1] = ["wasi:logging/logging@0.1.0-draft"];

pub(super) const CAPABILITY: Capability = Capability {
    name: "logging",
    title: "wasi:logging",
    grant: None,
    interfaces: &INTERFACES,
    granted: |_| true,
    add_to_linker,
};

fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    logging::add_to_linker::<State, Called>(linker, State::host_call)
}

impl Host for HostCall<'_> {
    fn log(&mut self, level: logging::Level, context: String, message: String) -> wasmtime::Result<()> {
        let level = match level {
            logging::Level::Trace => Level::Trace,
            logging::Level::Debug => Level::Debug,
            logging::Level::Info => Level::Info,
            logging::Level::Warn => Level::Warn,
            logging::Level::Error | logging::Level::Critical => Level::Error,
        };
        self.logs.lock().line(level, &context, &message);
        Ok(())
    }
}
