//! Which contract a component was built for: told by its exports, and by their types.

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::super::contract::Contract;
use super::super::state::State;
use super::Refusal;

/// What an export that is a handler of any version begins with.
const ANY_HANDLER: [&str; 3] = ["cofferdam:plugin/", "wasi:messaging/", "wasmcloud:messaging/"];

/// The function that handles messages.
pub(super) struct Handler {
    pub(super) contract: Contract,
    pub(super) index: ComponentExportIndex,
    function: ComponentFunc,
}

pub(super) fn find_handler(component: &Component) -> Result<Handler, Refusal> {
    let found = Contract::ALL.into_iter().find_map(|contract| {
        let (interface, function) = contract.export();
        Some((contract, component.get_export_index(None, interface)?, function))
    });
    let Some((contract, interface, function)) = found else {
        let ty = component.component_type();
        let mut exports = ty.exports(component.engine());
        let other = exports.find(|(name, _)| ANY_HANDLER.iter().any(|package| name.starts_with(package)));
        return Err(match other {
            Some((name, _)) => Refusal::OtherContract { export: name.into() },
            None => Refusal::NoHandler,
        });
    };
    match component.get_export(Some(&interface), function) {
        Some((ComponentItem::ComponentFunc(function), index)) => Ok(Handler { contract, index, function }),
        _ => Err(Refusal::WrongType { contract, reason: format!("it has no function `{function}`") }),
    }
}

impl Handler {
    /// What is asked of an instance when its function is looked up, asked before there is any.
    pub(super) fn check_type(&self, component: &InstancePre<State>) -> Result<(), Refusal> {
        let checked = self.contract.typecheck(&self.function, component);
        checked.map_err(|error| Refusal::WrongType { contract: self.contract, reason: format!("{error:#}") })
    }
}
