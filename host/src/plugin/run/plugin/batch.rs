//! Several messages in one call, for plugins that export it.

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
    /// How many messages and bytes [`Plugin::handle_batch`] may be given now; `None` where one at a time is all that the
    /// plugin takes, or is to be given. Isolation goes first: no more than an instance may handle at all.
    pub fn batch(&self) -> Option<Batch> {
        self.loaded.handle_batch?;
        let messages = self.batch_size.now();
        (messages > 1).then_some(Batch { messages, bytes: self.loaded.spec.batch.bytes })
    }

    /// Gives it several messages in one call, each with the number of its attempt, and says of each how it ended, in their
    /// order; what one message used is its share, what was logged is with the first. Memory, time, and host calls of the
    /// call are those that one message may have. As for [`Plugin::handle`] otherwise.
    ///
    /// # Errors
    /// What was wrong with the call as a whole: it trapped, ran out of time, said something that the contract forbids. Each
    /// message is to be handled alone then, so that only the one at fault gets its class. Where the plugin takes no batches
    /// it is [`Code::PLUGIN_UNAVAILABLE`].
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
