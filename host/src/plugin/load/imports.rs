//! Checks that the imports of a component exist and are granted.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::refusal::{Missing, Refusal};
use crate::plugin::contract::Contract;
use crate::plugin::host::capabilities;
use crate::plugin::host::spec::Spec;

pub(super) fn check(component: &Component, contract: Contract, spec: &Spec) -> Result<(), Refusal> {
    let ty = component.component_type();
    let mut missing: Vec<Missing> = Vec::new();
    for (name, import) in ty.imports(component.engine()) {
        if contract.brings(name) || is_types_only(component, &import.ty) {
            continue;
        }
        let Some(capability) = capabilities::ALL.iter().find(|capability| capability.has(name)) else {
            return Err(Refusal::UnknownImport { import: name.into() });
        };
        if !(capability.granted)(spec) && missing.iter().all(|missing| missing.capability != capability.name) {
            let grant = capability.grant.unwrap_or(capability.name);
            missing.push(Missing { import: name.into(), capability: capability.name, grant });
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Refusal::NotGranted { missing }) }
}

/// Returns whether the import is an interface without functions and resources, such as the types of the contract. It
/// needs no grant.
fn is_types_only(component: &Component, import: &ComponentItem) -> bool {
    match import {
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(component.engine()).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
        }
        _ => false,
    }
}
