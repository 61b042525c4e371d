//! The stages of a route before its handler.

use std::sync::Arc;

use crate::stage::Stage;

/// The stages of a route, in the order in which a message passes them. There is none yet: a stage is added here.
pub(super) fn of() -> Vec<Arc<dyn Stage>> {
    Vec::new()
}
