//! `wasi:config/store`: the `config` and the `secrets` of the plugin in the configuration file.

use super::bindings::wasi::config::store::{Error, Host};
use crate::plugin::host::state::HostCall;

impl Host for HostCall<'_> {
    fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        let secret = || self.spec.secrets.get(&key).map(str::to_owned);
        Ok(Ok(self.spec.config.get(&key).cloned().or_else(secret)))
    }

    fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        let config = self.spec.config.iter().map(|(key, value)| (key.clone(), value.clone()));
        let secrets = self.spec.secrets.iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        Ok(Ok(config.chain(secrets).collect()))
    }
}
