//! Stages: the steps of a message before the call of its handler.

use std::borrow::Cow;
use std::sync::Arc;

use cofferdam_core::envelope::Opened;
use cofferdam_core::message::{Message, Record};
use cofferdam_core::outcome::Failure;
use cofferdam_core::route::Route;
use futures::future::BoxFuture;

/// A step before the handler. It lets a message pass, changes it, or refuses it.
///
/// # Order of calls
///
/// 1. [`received`](Self::received) of each stage, in the order of the list.
/// 2. The route decodes the envelope and checks that it accepts the message (`accept`).
/// 3. [`opened`](Self::opened) of each stage, in the order of the list.
/// 4. The handler is called.
///
/// A refused message goes no further, and its attempt ends with the failure; the class of the failure determines what is
/// done with the message. Each message passes all stages at each attempt, alone or in a batch. A message that waits in a
/// stage delays the others of its batch.
///
/// A stage runs for every message. If the result is known at once, return [`Passed::Now`], which needs no allocation. The
/// limits of the handler do not include the time in a stage.
pub trait Stage: Send + Sync {
    /// Checks a record before its envelope is decoded.
    fn received<'a>(&'a self, record: &'a Arc<Record>) -> Passed<'a> {
        let _ = record;
        Passed::Now(Ok(()))
    }

    /// Checks or changes the decoded message. The handler gets the changed message.
    fn opened<'a>(&'a self, message: &'a mut Message) -> Passed<'a> {
        let _ = message;
        Passed::Now(Ok(()))
    }
}

/// The result of a stage.
pub enum Passed<'a> {
    /// The result is known.
    Now(Result<(), Failure>),
    /// The result follows later.
    Later(BoxFuture<'a, Result<(), Failure>>),
}

impl Passed<'_> {
    /// Waits for the result.
    ///
    /// # Errors
    /// The reason why the message is refused.
    pub async fn wait(self) -> Result<(), Failure> {
        match self {
            Self::Now(passed) => passed,
            Self::Later(passed) => passed.await,
        }
    }
}

/// Makes the message that a handler sees of a record: all stages and the envelope, in the order that [`Stage`] says.
///
/// Flows and `invoke` call it, so a message that is tried passes what it passes at work.
///
/// The decoded message stays as it is for other attempts; a stage changes a copy.
///
/// # Errors
/// Why the message is refused, by a stage or by the route.
pub async fn prepare<'a>(
    stages: &[Arc<dyn Stage>],
    route: &Route,
    opened: &'a Opened,
) -> Result<Cow<'a, Message>, Failure> {
    for stage in stages {
        stage.received(opened.record()).wait().await?;
    }
    let mut message = Cow::Borrowed(route.admit(opened)?);
    for stage in stages {
        stage.opened(message.to_mut()).wait().await?;
    }
    Ok(message)
}
