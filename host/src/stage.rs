//! Stages: the steps of a message before the call of its handler.

use std::sync::Arc;

use cofferdam_core::message::{Message, Record};
use cofferdam_core::outcome::Failure;
use futures::future::BoxFuture;

/// Lets a message go on to its handler, changes it, or refuses it.
///
/// # Order of calls
///
/// 1. [`received`](Self::received) of each stage, in the order of the list.
/// 2. The route takes off the envelope and checks that it takes the message (`accept`).
/// 3. [`opened`](Self::opened) of each stage, in the order of the list.
/// 4. The handler is called.
///
/// A message that is refused goes no further, and its attempt ends with the failure: the class says what becomes of it. Each
/// message passes all stages at each attempt, alone or in a batch. One that waits in a stage holds up the others of its batch.
///
/// A stage is on the path of every message: one that knows at once answers with [`Passed::Now`], which costs no allocation.
/// The limits of the handler do not count meanwhile.
pub trait Stage: Send + Sync {
    /// This record is about to be handled.
    fn received<'a>(&'a self, record: &'a Arc<Record>) -> Passed<'a> {
        let _ = record;
        Passed::Now(Ok(()))
    }

    /// Its message has come out of the envelope; what is changed in it is what the handler sees.
    fn opened<'a>(&'a self, message: &'a mut Message) -> Passed<'a> {
        let _ = message;
        Passed::Now(Ok(()))
    }
}

/// Whether a message goes on.
pub enum Passed<'a> {
    /// It is known.
    Now(Result<(), Failure>),
    /// It will be.
    Later(BoxFuture<'a, Result<(), Failure>>),
}

impl Passed<'_> {
    /// Waits until it is known.
    ///
    /// # Errors
    /// Why the message is refused.
    pub async fn wait(self) -> Result<(), Failure> {
        match self {
            Self::Now(passed) => passed,
            Self::Later(passed) => passed.await,
        }
    }
}
