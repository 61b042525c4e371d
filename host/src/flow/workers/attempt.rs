//! One attempt: stages and envelope, handler, outputs. What comes before is the source's, what comes after is the machine's.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use cofferdam_core::event::{Ended, HandlerId, Trace};
use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Code, Failure, Outcome, Usage};
use cofferdam_core::output::Publication;
use futures::FutureExt;

use super::{Job, Shared};
use crate::exit::panic_text;
use crate::handler::{Attempt, Handler};

/// A message that may be handled.
struct Prepared {
    message: Message,
    trace: Trace,
}

impl<H: Handler> Shared<H> {
    /// Gives one message to the handler.
    pub(super) async fn attempt(&self, job: &Job) -> Box<Ended> {
        let work = AssertUnwindSafe(self.attempt_unguarded(job)).catch_unwind();
        work.await.unwrap_or_else(|panic| {
            let failure = Failure::host(Code::INTERNAL, format!("the host panicked: {}", panic_text(&*panic)));
            refused(self.handler.current().redacted(failure))
        })
    }

    async fn attempt_unguarded(&self, job: &Job) -> Box<Ended> {
        let prepared = match self.prepare(job).await {
            Ok(prepared) => prepared,
            Err(failure) => return refused(failure),
        };
        let handler = self.handler.current();
        let attempt = handler.handle(&prepared.message, job.attempt).await;
        self.conclude(&*handler, prepared, attempt)
    }

    /// The same for several messages in one call; `None` where they are to be handled one by one.
    pub(super) async fn attempt_together(&self, jobs: &[Job]) -> Option<Vec<Box<Ended>>> {
        // A panic is that of one message, and is named when that is handled alone.
        AssertUnwindSafe(self.attempt_together_unguarded(jobs)).catch_unwind().await.ok()?
    }

    async fn attempt_together_unguarded(&self, jobs: &[Job]) -> Option<Vec<Box<Ended>>> {
        let mut all = Vec::with_capacity(jobs.len());
        for job in jobs {
            all.push(self.prepare(job).await);
        }
        let each = all.iter().zip(jobs);
        let messages: Vec<(&Message, u32)> =
            each.filter_map(|(prepared, job)| Some((&prepared.as_ref().ok()?.message, job.attempt))).collect();
        let handler = self.handler.current();
        let attempts = match &*messages {
            [] => Ok(Vec::new()),
            messages => handler.handle_batch(messages).await,
        };
        let attempts = match attempts {
            Ok(attempts) => attempts,
            Err(failure) => {
                tracing::debug!(
                    route = &*self.route.name,
                    messages = messages.len(),
                    outcome = failure.class.as_str(),
                    code = failure.code.as_str(),
                    "a call with several messages failed: handling them one by one"
                );
                return None;
            }
        };
        let mut attempts = attempts.into_iter();
        let conclude = |prepared: Result<Prepared, Failure>| match prepared {
            Ok(prepared) => Some(self.conclude(&*handler, prepared, attempts.next()?)),
            Err(failure) => Some(refused(failure)),
        };
        all.into_iter().map(conclude).collect()
    }

    /// All that comes before the handler, for a message alone and for each of a batch; [`Stage`](crate::stage::Stage) says
    /// in which order.
    async fn prepare(&self, job: &Job) -> Result<Prepared, Failure> {
        for stage in &self.stages {
            stage.received(&job.record).wait().await?;
        }
        let mut message = self.route.admit(&job.record)?;
        for stage in &self.stages {
            stage.opened(&mut message).wait().await?;
        }
        let trace = self.route.trace(&message);
        Ok(Prepared { message, trace })
    }

    /// Names the destinations of what the handler asks for.
    fn conclude(&self, handler: &H, Prepared { message, trace }: Prepared, attempt: Attempt) -> Box<Ended> {
        self.pace.note(attempt.usage.cpu_us);
        let outcome = match attempt.outcome {
            Outcome::Done(outputs) => match self.route.resolve(&message, &trace, outputs, self.clock.now()) {
                Ok(publications) => Outcome::Done(publications),
                // It names what the handler has named.
                Err(failure) => handler.redacted(failure).into(),
            },
            Outcome::Failed(failure) => Outcome::Failed(failure),
        };
        ended(outcome, attempt.usage, Some(Arc::clone(handler.id())), trace)
    }
}

/// The end of an attempt for which no handler was called.
pub(super) fn refused(failure: Failure) -> Box<Ended> {
    ended(failure.into(), Usage::default(), None, Trace::default())
}

fn ended(
    outcome: Outcome<Vec<Publication>>,
    usage: Usage,
    handler: Option<Arc<HandlerId>>,
    trace: Trace,
) -> Box<Ended> {
    Box::new(Ended { outcome, usage, handler, trace })
}
