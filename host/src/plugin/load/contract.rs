//! Which contract a component was built for: told by its exports, and by their types.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentExportIndex};

use super::super::lift::Answer;
use super::super::lower::MessageParameter;
use super::Refusal;

/// The version of the contract that this host speaks.
pub(in crate::plugin) const CONTRACT: &str = "cofferdam:plugin@0.1";
const HANDLER: &str = "cofferdam:plugin/handler@0.1.0";
/// What an export that is a handler of any version begins with.
const ANY_HANDLER: &str = "cofferdam:plugin/";

pub(super) fn find_handler(component: &Component) -> Result<ComponentExportIndex, Refusal> {
    let Some(interface) = component.get_export_index(None, HANDLER) else {
        let ty = component.component_type();
        let other = ty.exports(component.engine()).find(|(name, _)| name.starts_with(ANY_HANDLER));
        return Err(match other {
            Some((name, _)) => Refusal::OtherContract { export: name.into() },
            None => Refusal::NoHandler,
        });
    };
    let Some((ComponentItem::ComponentFunc(ty), index)) = component.get_export(Some(&interface), "handle") else {
        return Err(Refusal::WrongType { reason: "it has no function `handle`".into() });
    };
    // What `get_typed_func` asks of an instance, asked of the component.
    ty.typecheck::<(MessageParameter<'_>,), (Answer,)>(&component.component_type().instance_type())
        .map_err(|error| Refusal::WrongType { reason: format!("{error:#}") })?;
    Ok(index)
}
