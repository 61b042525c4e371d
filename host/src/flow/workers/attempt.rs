//! One attempt: stages, envelope, handler, outputs. The source receives the message before; the machine judges the result
//! after.

use std::borrow::Cow;
use std::ops::Deref;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use cofferdam_core::envelope::Opened;
use cofferdam_core::event::{Ended, Trace};
use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Code, Failure, Outcome};
use futures::FutureExt;

use super::{Job, Shared};
use crate::exit::panic_text;
use crate::handler::{Attempt, Handler};
use crate::stage;

/// The envelope of an attempt. Most first attempts succeed and nobody needs the envelope afterwards, so a new one is not
/// allocated.
enum Decoding {
    /// This attempt decodes it.
    New(Opened),
    /// It was decoded before.
    Kept(Arc<Opened>),
}

impl Decoding {
    fn of(job: &Job) -> Self {
        match &job.opened {
            Some(opened) => Self::Kept(Arc::clone(opened)),
            None => Self::New(Opened::new(Arc::clone(&job.record))),
        }
    }

    fn shared(self) -> Arc<Opened> {
        match self {
            Self::New(opened) => Arc::new(opened),
            Self::Kept(opened) => opened,
        }
    }

    /// Adds it to the result if the attempt failed, for the next attempt.
    fn give_back(self, mut ended: Box<Ended>) -> Box<Ended> {
        if let Outcome::Failed(_) = &ended.outcome {
            ended.opened = Some(self.shared());
        }
        ended
    }
}

impl Deref for Decoding {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        match self {
            Self::New(opened) => opened,
            Self::Kept(opened) => opened,
        }
    }
}

/// A message that may be handled. The decoded one stays as it is for other attempts; a stage changes a copy.
struct Prepared<'a> {
    message: Cow<'a, Message>,
    trace: Trace,
}

impl<H: Handler> Shared<H> {
    /// Runs one attempt for one message.
    pub(super) async fn attempt(&self, job: &Job) -> Box<Ended> {
        let work = AssertUnwindSafe(self.attempt_unguarded(job)).catch_unwind();
        work.await.unwrap_or_else(|panic| {
            let failure = Failure::host(Code::INTERNAL, format!("the host panicked: {}", panic_text(&*panic)));
            refused(self.handler.current().redacted(failure))
        })
    }

    async fn attempt_unguarded(&self, job: &Job) -> Box<Ended> {
        let envelope = Decoding::of(job);
        let ended = match self.prepare(&envelope).await {
            Ok(prepared) => {
                let handler = self.handler.current();
                let attempt = handler.handle(&prepared.message, job.attempt).await;
                self.conclude(&*handler, prepared, attempt)
            }
            Err(failure) => refused(failure),
        };
        envelope.give_back(ended)
    }

    /// Runs attempts for several messages in one call; `None` if the messages must be handled one by one.
    pub(super) async fn attempt_together(&self, jobs: &mut [Job]) -> Option<Vec<Box<Ended>>> {
        // One message causes a panic; the attempts one by one show which.
        AssertUnwindSafe(self.attempt_together_unguarded(jobs)).catch_unwind().await.ok()?
    }

    async fn attempt_together_unguarded(&self, jobs: &mut [Job]) -> Option<Vec<Box<Ended>>> {
        let envelopes: Vec<Decoding> = jobs.iter().map(Decoding::of).collect();
        let mut all = Vec::with_capacity(jobs.len());
        for envelope in &envelopes {
            all.push(self.prepare(envelope).await);
        }
        let each = all.iter().zip(&*jobs);
        let messages: Vec<(&Message, u32)> =
            each.filter_map(|(prepared, job)| Some((&*prepared.as_ref().ok()?.message, job.attempt))).collect();
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
                drop(all);
                for (job, envelope) in jobs.iter_mut().zip(envelopes) {
                    job.opened = Some(envelope.shared());
                }
                return None;
            }
        };
        let mut attempts = attempts.into_iter();
        let conclude = |prepared: Result<Prepared<'_>, Failure>| match prepared {
            Ok(prepared) => Some(self.conclude(&*handler, prepared, attempts.next()?)),
            Err(failure) => Some(refused(failure)),
        };
        let ended: Option<Vec<_>> = all.into_iter().map(conclude).collect();
        Some(envelopes.into_iter().zip(ended?).map(|(envelope, ended)| envelope.give_back(ended)).collect())
    }

    /// All that comes before the handler, for a message alone and for each of a batch.
    async fn prepare<'a>(&self, envelope: &'a Opened) -> Result<Prepared<'a>, Failure> {
        let message = stage::prepare(&self.stages, &self.route, envelope).await?;
        let trace = self.route.trace(&message);
        Ok(Prepared { message, trace })
    }

    /// Names the destinations of what the handler asks for.
    fn conclude(&self, handler: &H, Prepared { message, trace }: Prepared<'_>, attempt: Attempt) -> Box<Ended> {
        self.pace.note(attempt.usage.cpu_us);
        let outcome = match attempt.outcome {
            Outcome::Done(outputs) => match self.route.resolve(&message, &trace, outputs, self.clock.now()) {
                Ok(publications) => Outcome::Done(publications),
                // The failure may contain text from the handler.
                Err(failure) => handler.redacted(failure).into(),
            },
            Outcome::Failed(failure) => Outcome::Failed(failure),
        };
        let handler = Some(Arc::clone(handler.id()));
        Box::new(Ended { outcome, usage: attempt.usage, handler, trace, opened: None })
    }
}

/// The result of an attempt in which the handler was not called.
pub(super) fn refused(failure: Failure) -> Box<Ended> {
    Box::new(Ended::new(failure.into()))
}
