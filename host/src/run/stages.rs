//! The stages of a route before its handler.

use std::sync::Arc;

use crate::flow::Gate;
use crate::stage::Stage;

/// The stages of a route, in the order in which a message passes them.
pub(super) fn of(gate: Option<&Arc<Gate>>) -> Vec<Arc<dyn Stage>> {
    let mut stages: Vec<Arc<dyn Stage>> = Vec::new();
    // First: whoever steps from message to message sees those that the others refuse, too.
    stages.extend(gate.map(|gate| Arc::clone(gate) as Arc<dyn Stage>));
    stages
}
