//! Whoever handles messages: what a flow asks of it, and what it answers.
//!
//! Knows neither flows nor plugins. A plugin is one kind of handler; a function of this process can be another.

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

/// Handles messages, for many tasks at the same time. One that takes one message at a time needs [`id`](Self::id) and
/// [`handle`](Self::handle) only.
///
/// A flow is made for one type of handler, so that a call needs neither a box nor a table: it is on the path of every
/// message. A flow for handlers of several kinds is given an enum of them that implements this.
///
/// # Order of calls
///
/// 1. [`batch`](Self::batch), once for each call that could be given several messages.
/// 2. [`handle_batch`](Self::handle_batch) with at least one message where that allows it; else, and where that call failed
///    as a whole, [`handle`](Self::handle) for each message.
/// 3. [`redacted`](Self::redacted) for a failure that the flow makes of what the handler answered.
///
/// [`id`](Self::id) is asked at any time. All calls for one message go to one version of the handler, but the version may be
/// another for its next attempt.
pub trait Handler: Send + Sync + 'static {
    /// Its name, and which version it is.
    fn id(&self) -> &Arc<HandlerId>;

    /// Gives it `message` for the `attempt`-th time, from 1. Its limits are its own: the flow waits until it ends. Dropping
    /// the future gives the attempt up.
    fn handle(&self, message: &Message, attempt: u32) -> impl Future<Output = Attempt> + Send;

    /// What a call with several messages may have now; `None` where it takes one message at a time.
    fn batch(&self) -> Option<Batch> {
        None
    }

    /// Gives it several messages in one call, each with the number of its attempt, and says of each how it ended, in their
    /// order.
    ///
    /// # Errors
    /// What was wrong with the call as a whole. Each message is to be handled alone then, so that only the one at fault gets
    /// its class.
    fn handle_batch(&self, messages: &[(&Message, u32)]) -> impl Future<Output = Result<Vec<Attempt>, Failure>> + Send {
        let _ = messages;
        std::future::ready(Err(one_at_a_time()))
    }

    /// The failure without the secrets of the handler, as people may read it. For failures that others make of what the
    /// handler answered; those of an attempt are without them already.
    fn redacted(&self, failure: Failure) -> Failure {
        failure
    }
}

/// Why a handler without batches takes none.
pub fn one_at_a_time() -> Failure {
    Failure::host(Code::PLUGIN_UNAVAILABLE, "the plugin has no batch handler; expected one message per call")
}

/// How an attempt ended, and what is to be known of it.
#[derive(Debug)]
pub struct Attempt {
    /// The outputs, or how it failed. Whether the route knows the names of the outputs is not checked here.
    pub outcome: Outcome<Vec<Output>>,
    /// What it used.
    pub usage: Usage,
    /// Growths of memories and tables that were refused; the guest may have lived with it.
    pub refused_growths: u32,
    /// What it logged.
    pub logs: LogLines,
}

/// Bounds of a call with several messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// Messages; 64. With 1 there are no such calls.
    pub messages: u32,
    /// Bytes of their records, as [`Record::size`](cofferdam_core::message::Record::size) counts them; 1 MiB. One message is
    /// always taken.
    pub bytes: usize,
}

impl Default for Batch {
    fn default() -> Self {
        Self { messages: 64, bytes: 1 << 20 }
    }
}
