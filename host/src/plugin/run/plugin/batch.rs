//! Handles several messages in one call, for plugins with the batch export.

use std::time::{Duration, Instant};

use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Code, Failure, Outcome, Usage};
use smallvec::SmallVec;

use super::Plugin;
use crate::handler::{self, Attempt, Batch, LogLines};
use crate::plugin::contract::lower::{Borrowed, HeaderParameter, MessageParameter};
use crate::plugin::contract::{Said, Several};
use crate::plugin::run::classify::{Ending, classify};
use crate::plugin::run::conclusion::{is_sound, judged, microseconds};
use crate::plugin::run::instance::Instance;

impl Plugin {
    /// The current bounds of [`Plugin::handle_batch`] in messages and bytes; `None` if the plugin takes, or may get, only
    /// one message at a time. Isolation takes precedence: a call has at most as many messages as an instance may handle in
    /// total.
    pub fn batch(&self) -> Option<Batch> {
        self.loaded.handle_batch?;
        let messages = self.batch_size.now();
        (messages > 1).then_some(Batch { messages, bytes: self.loaded.spec.batch.bytes })
    }

    /// Handles several messages in one call, each with the number of its attempt. Returns the results in their order. Wall
    /// time, CPU time and host calls are divided evenly among the messages; the log lines belong to the first. The limits on
    /// memory, time and host calls of the call are those of one message. Otherwise as [`Plugin::handle`].
    ///
    /// # Errors
    /// The reason why the call failed as a whole: a trap, a timeout, or a result that violates the contract. Each message
    /// must then be handled alone, so that only the faulty one gets its class. If the plugin takes no batches, the code is
    /// [`Code::PLUGIN_UNAVAILABLE`].
    pub async fn handle_batch(&self, messages: &[(&Message, u32)]) -> Result<Vec<Attempt>, Failure> {
        if self.loaded.handle_batch.is_none() {
            return Err(handler::one_at_a_time());
        }
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let started = Instant::now();
        let borrowed: Vec<Borrowed<'_>> = messages.iter().map(|(message, _)| Borrowed::new(message)).collect();
        let headers: Vec<SmallVec<[HeaderParameter<'_>; 8]>> = borrowed.iter().map(Borrowed::headers).collect();
        let each = borrowed.iter().zip(&headers).zip(messages);
        let parameters: Vec<MessageParameter<'_>> =
            each.map(|((borrowed, headers), (_, attempt))| borrowed.parameter(headers, *attempt)).collect();
        let mut instance = self.instance(started);
        let ended =
            instance.attempt(&self.loaded, Several(&parameters), started, self.loaded.spec.exact_cpu_time).await;
        let concluded = self.conclude_batch(instance, ended, started.elapsed(), messages.len());
        match concluded {
            Ok(_) => self.batch_size.grow(),
            Err(_) => self.batch_size.shrink(u32::try_from(messages.len()).unwrap_or(u32::MAX)),
        }
        concluded
    }

    fn conclude_batch(
        &self,
        mut instance: Instance,
        ended: Result<Vec<Said>, Ending>,
        wall: Duration,
        messages: usize,
    ) -> Result<Vec<Attempt>, Failure> {
        let state = instance.state();
        let mut logs = state.logs.lock().take();
        let said = match ended {
            Ok(said) if said.len() == messages => said,
            Ok(said) => {
                let text = format!("got {} results for {messages} messages", said.len());
                return Err(Failure::contract(Code::INVALID_RESULT, text));
            }
            Err(ending) => return Err(classify(ending, &instance.circumstances(), &self.loaded.symbols)),
        };
        let share = u64::try_from(messages).unwrap_or(u64::MAX).max(1);
        let usage = Usage {
            wall_us: microseconds(wall) / share,
            cpu_us: microseconds(instance.meter().cpu_time(wall)) / share,
            memory_peak_bytes: state.limiter.memory() as u64,
            host_calls: state.budget.host_calls() / share,
            output_bytes: 0,
        };
        let refused_growths = state.limiter.refusals().total();
        let attempts: Vec<Attempt> = said
            .into_iter()
            .map(|said| {
                let (outcome, output_bytes) = judged(said, &self.loaded.spec);
                let logs: LogLines = std::mem::take(&mut logs);
                Attempt { outcome, usage: Usage { output_bytes, ..usage }, refused_growths, logs }
            })
            .collect();
        let sound = |attempt: &Attempt| is_sound(Outcome::class(&attempt.outcome));
        if attempts.iter().all(sound) && instance.may_go_on(&self.loaded) {
            self.idle.put(instance);
        }
        Ok(attempts)
    }
}
