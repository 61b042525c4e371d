//! `wasi:config/store`: the `config` and the `secrets` of the plugin in the configuration file.

use wasmtime::component::Linker;

use super::Capability;
use crate::plugin::host::state::{Called, HostCall, State};
use bindings::wasi::config::store::{self, Error, Host};

mod bindings {
    #![allow(missing_docs, reason = "the WIT has the words")]

    wasmtime::component::bindgen!({
        path: "../wit/v1",
        interfaces: "import wasi:config/store@0.2.0-rc.1;",
        imports: { default: trappable },
    });
}

const INTERFACES: [&str; 1] = ["wasi:config/store@0.2.0-rc.1"];

pub(super) const CAPABILITY: Capability = Capability {
    name: "config",
    title: "wasi:config",
    grant: None,
    interfaces: &INTERFACES,
    granted: |_| true,
    add_to_linker,
};

fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    store::add_to_linker::<State, Called>(linker, State::host_call)
}

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
