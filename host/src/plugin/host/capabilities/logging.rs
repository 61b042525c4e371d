//! `wasi:logging/logging`: lines of the plugin's log.

use super::bindings::wasi::logging::logging::{self, Host};
use crate::handler::Level;
use crate::plugin::host::state::HostCall;

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
