//! The stages that a message passes before the handler.

use std::sync::Arc;

use crate::plan::RouteConfig;
use crate::stage::Stage;

/// The stages of this route, in the order in which a message passes them. There is none yet: a stage is added here.
pub fn of(_: &RouteConfig) -> Vec<Arc<dyn Stage>> {
    Vec::new()
}
