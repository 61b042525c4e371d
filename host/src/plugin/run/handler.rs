//! The [`Handler`] implementation of plugins.

use std::future::Future;
use std::sync::Arc;

use cofferdam_core::event::HandlerId;
use cofferdam_core::message::Message;
use cofferdam_core::outcome::Failure;

use super::plugin::Plugin;
use crate::handler::{Attempt, Batch, Handler};

/// Each function calls the method of [`Plugin`] with the same name.
impl Handler for Plugin {
    fn id(&self) -> &Arc<HandlerId> {
        Self::id(self)
    }

    fn handle(&self, message: &Message, attempt: u32) -> impl Future<Output = Attempt> + Send {
        Self::handle(self, message, attempt)
    }

    fn batch(&self) -> Option<Batch> {
        Self::batch(self)
    }

    fn handle_batch(&self, messages: &[(&Message, u32)]) -> impl Future<Output = Result<Vec<Attempt>, Failure>> + Send {
        Self::handle_batch(self, messages)
    }

    fn redacted(&self, failure: Failure) -> Failure {
        Self::redacted(self, failure)
    }
}
