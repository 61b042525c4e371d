//! `wasi:config/store`: the `config` of the plugin in the configuration file.

use super::bindings::wasi::config::store::{Error, Host};
use crate::plugin::state::HostCall;

impl Host for HostCall<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        Ok(Ok(self.spec.config.get(&key).cloned()))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        Ok(Ok(self.spec.config.iter().map(|(key, value)| (key.clone(), value.clone())).collect()))
    }
}
