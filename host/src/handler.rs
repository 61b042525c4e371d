//! The trait of message handlers, between flow and plugin.
//!
//! This module depends on neither flows nor plugins. A plugin is one kind of handler; a Rust function of this process can be
//! another.

mod log;
mod slot;

use std::future::Future;
use std::sync::Arc;

use cofferdam_core::event::HandlerId;
use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Code, Failure, Outcome, Usage};
use cofferdam_core::output::Output;

pub use log::{Level, LogLine, LogLines};
pub use slot::Slot;

/// Handles messages, called by many tasks concurrently. A handler that takes one message at a time needs only
/// [`id`](Self::id) and [`handle`](Self::handle).
///
/// A flow is generic over the type of its handler, so that a call for a message needs neither an allocation nor dynamic
/// dispatch. For handlers of several kinds, implement this trait for an enum of them.
///
/// # Order of calls
///
/// 1. [`batch`](Self::batch), once for each call that could be given several messages.
/// 2. [`handle_batch`](Self::handle_batch) with at least one message, if `batch` allows it. Otherwise, or if that call fails
///    as a whole, [`handle`](Self::handle) for each message.
/// 3. [`redacted`](Self::redacted) for a failure that the flow derives from the handler's result.
///
/// [`id`](Self::id) may be called at any time. All calls for one attempt go to one version of the handler; the next attempt
/// may go to another version.
pub trait Handler: Send + Sync + 'static {
    /// The name and version of the handler.
    fn id(&self) -> &Arc<HandlerId>;

    /// Handles `message`; `attempt` is the number of the attempt, from 1. The handler enforces its own limits: the flow
    /// waits until it ends. Dropping the future cancels the attempt.
    fn handle(&self, message: &Message, attempt: u32) -> impl Future<Output = Attempt> + Send;

    /// The current bounds of a call with several messages; `None` if the handler takes one message at a time.
    fn batch(&self) -> Option<Batch> {
        None
    }

    /// Handles several messages in one call, each with the number of its attempt. Returns the results in their order.
    ///
    /// # Errors
    /// The reason why the call failed as a whole. Each message must then be handled alone, so that only the faulty one gets
    /// its class.
    fn handle_batch(&self, messages: &[(&Message, u32)]) -> impl Future<Output = Result<Vec<Attempt>, Failure>> + Send {
        let _ = messages;
        std::future::ready(Err(one_at_a_time()))
    }

    /// Removes the handler's secrets from a failure. For failures that the flow derives from the handler's result; those of
    /// an attempt are already redacted.
    fn redacted(&self, failure: Failure) -> Failure {
        failure
    }
}

/// The failure of a batch call to a handler without batches.
pub fn one_at_a_time() -> Failure {
    Failure::host(Code::PLUGIN_UNAVAILABLE, "the plugin has no batch handler; expected one message per call")
}

/// The result of an attempt.
#[derive(Debug)]
pub struct Attempt {
    /// The outputs, or the failure. The names of the outputs are not checked here.
    pub outcome: Outcome<Vec<Output>>,
    /// The resources used.
    pub usage: Usage,
    /// Number of refused growths of memories and tables; the guest may have continued without them.
    pub refused_growths: u32,
    /// The log lines of the handler.
    pub logs: LogLines,
}

/// Bounds of a call with several messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Maximum number of messages; 64 by default. With 1 there are no batch calls.
    pub messages: u32,
    /// Bytes of their records, as [`Record::size`](cofferdam_core::message::Record::size) counts them; 1 MiB by default. A
    /// single message may exceed it.
    pub bytes: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { messages: 64, bytes: 1 << 20 }
    }
}
