//! Detects the contract that a component was built for, from its exports and their types.

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, InstancePre};

use super::refusal::Refusal;
use crate::plugin::contract::{self, Contract};
use crate::plugin::host::state::State;

/// Prefixes of the exports of handlers of any version.
const ANY_HANDLER: [&str; 3] = ["cofferdam:plugin/", "wasi:messaging/", "wasmcloud:messaging/"];

/// The function that handles messages.
pub(super) struct Handler {
    pub(super) contract: Contract,
    pub(super) index: ComponentExportIndex,
    function: ComponentFunc,
    batch: Option<(ComponentExportIndex, ComponentFunc)>,
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
    let (index, function) = find(component, contract, &interface, function)?;
    let (batch, name) = contract::BATCH_EXPORT;
    let batch = (contract == Contract::Cofferdam01).then(|| component.get_export_index(None, batch)).flatten();
    let batch = batch.map(|interface| find(component, contract, &interface, name)).transpose()?;
    Ok(Handler { contract, index, function, batch })
}

fn find(
    component: &Component,
    contract: Contract,
    interface: &ComponentExportIndex,
    function: &str,
) -> Result<(ComponentExportIndex, ComponentFunc), Refusal> {
    match component.get_export(Some(interface), function) {
        Some((ComponentItem::ComponentFunc(function), index)) => Ok((index, function)),
        _ => Err(Refusal::WrongType { contract, reason: format!("missing function `{function}`") }),
    }
}

impl Handler {
    /// Checks the types that a lookup in an instance checks, before there is an instance.
    pub(super) fn check_type(&self, component: &InstancePre<State>) -> Result<(), Refusal> {
        let checked = self.contract.typecheck(&self.function, component).and_then(|()| match &self.batch {
            Some((_, function)) => contract::typecheck_batch(function, component),
            None => Ok(()),
        });
        checked.map_err(|error| Refusal::WrongType { contract: self.contract, reason: format!("{error:#}") })
    }

    /// Returns the export that handles batches, if there is one.
    pub(super) fn batch(&self) -> Option<ComponentExportIndex> {
        self.batch.as_ref().map(|(index, _)| *index)
    }
}
