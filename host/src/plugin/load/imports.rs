//! What a component asks of the host, and whether it was granted.

use wasmtime::component::Component;
use wasmtime::component::types::ComponentItem;

use super::refusal::{Missing, Refusal};
use crate::plugin::contract::Contract;
use crate::plugin::host::spec::Spec;

/// Packages of WASI 0.2 that are always there.
const WASI: [&str; 6] = ["wasi:io/", "wasi:cli/", "wasi:clocks/", "wasi:random/", "wasi:filesystem/", "wasi:sockets/"];
/// Interfaces beyond WASI 0.2 that are always there.
const ALWAYS: [&str; 2] = ["wasi:config/store@0.2.0-rc.1", "wasi:logging/logging@0.1.0-draft"];
/// Interfaces that are granted by `keyvalue`.
const KEYVALUE: [&str; 2] = ["wasi:keyvalue/store@0.2.0-draft2", "wasi:keyvalue/atomics@0.2.0-draft2"];

/// Interfaces that are granted by `http`, in any version of WASI 0.2.
const HTTP: [&str; 2] = ["wasi:http/types@0.2.", "wasi:http/outgoing-handler@0.2."];

pub(super) fn check(component: &Component, contract: Contract, spec: &Spec) -> Result<(), Refusal> {
    let ty = component.component_type();
    let mut missing: Vec<Missing> = Vec::new();
    for (name, import) in ty.imports(component.engine()) {
        let wasi = WASI.iter().any(|package| name.starts_with(package)) && name.contains("@0.2.");
        if wasi || ALWAYS.contains(&name) || contract.brings(name) || is_types_only(component, &import.ty) {
            continue;
        }
        let (capability, granted) = if KEYVALUE.contains(&name) {
            ("keyvalue", spec.keyvalue.is_some())
        } else if HTTP.iter().any(|interface| name.starts_with(interface)) {
            ("http", spec.http.is_some())
        } else {
            return Err(Refusal::UnknownImport { import: name.into() });
        };
        if !granted && missing.iter().all(|missing| missing.capability != capability) {
            missing.push(Missing { import: name.into(), capability });
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(Refusal::NotGranted { missing }) }
}

/// An interface without functions or resources, such as the types of the contract: there is nothing to grant.
fn is_types_only(component: &Component, import: &ComponentItem) -> bool {
    match import {
        ComponentItem::ComponentInstance(instance) => {
            instance.exports(component.engine()).all(|(_, export)| matches!(export.ty, ComponentItem::Type(_)))
        }
        _ => false,
    }
}
