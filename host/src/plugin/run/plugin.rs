//! A loaded plugin.

mod batch;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_core::event::HandlerId;
use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Failure, Outcome, Usage};

use super::batch_size::BatchSize;
use super::classify::{Ending, classify, is_pool_exhausted};
use super::conclusion::{is_sound, judged, microseconds};
use super::engine::Engine;
use super::idle::Idle;
use super::instance::Instance;
use super::suspicion::Suspicion;
use crate::escape::Escaped;
use crate::handler::Attempt;
use crate::plugin::contract::lower::Borrowed;
use crate::plugin::contract::{Contract, Given, Nothing, Said};
use crate::plugin::engine::ticker::TICK;
use crate::plugin::host::denials;
use crate::plugin::host::spec::Spec;
use crate::plugin::load::{self, LoadError, Loaded, Missing, Refusal};

/// A loaded plugin. It can be called by many tasks concurrently.
pub struct Plugin {
    loaded: Loaded,
    idle: Arc<Idle>,
    batch_size: BatchSize,
    suspicion: Suspicion,
    /// Keeps the ticker running as long as there are plugins.
    engine: Engine,
}

impl Plugin {
    /// Loads the component in the file `path`. Blocks: compiling takes about a second for each 2 MB, and at most as long as
    /// the engine's bounds allow; loading a cached component takes milliseconds.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn open(engine: &Engine, path: &Path, spec: Spec) -> Result<Self, LoadError> {
        let plugin = spec.name.clone();
        let loaded =
            load::open(engine.runtimes(), path, spec).map_err(|refusal| refused(plugin, Some(path), refusal))?;
        Ok(Self::new(engine, loaded))
    }

    /// Loads the component `bytes`. Blocks as [`Plugin::open`] does.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn load(engine: &Engine, bytes: &[u8], spec: Spec) -> Result<Self, LoadError> {
        let plugin = spec.name.clone();
        let loaded = load::load(engine.runtimes(), bytes, spec).map_err(|refusal| refused(plugin, None, refusal))?;
        Ok(Self::new(engine, loaded))
    }

    pub(in crate::plugin) fn new(engine: &Engine, loaded: Loaded) -> Self {
        let limits = &loaded.spec.limits;
        loaded.runtime.pulse.heed(limits.cpu_time.min(limits.wall_time));
        let idle = Arc::new(Idle::new(loaded.spec.idle));
        engine.watch_idle(&idle);
        let batch_size = BatchSize::new(loaded.spec.batch.messages.min(loaded.spec.reuse));
        Self { loaded, idle, batch_size, suspicion: Suspicion::default(), engine: engine.clone() }
    }

    /// The name, and the digest of the file.
    pub fn id(&self) -> &Arc<HandlerId> {
        &self.loaded.id
    }

    /// The contract that the plugin was built for.
    pub fn contract(&self) -> Contract {
        self.loaded.contract
    }

    /// The settings of the plugin.
    pub fn spec(&self) -> &Spec {
        &self.loaded.spec
    }

    /// Handles `message`; `attempt` is the number of the attempt, from 1.
    ///
    /// Completes at the first poll if the guest neither waits in a host call nor runs until a tick, at least a millisecond.
    /// At each tick the guest yields to other tasks. The future completes within two ticks after the plugin's wall-time
    /// limit, whatever the guest does. Dropping the future drops the instance.
    ///
    /// Must be polled within a tokio runtime that has timers.
    pub async fn handle(&self, message: &Message, attempt: u32) -> Attempt {
        let started = Instant::now();
        let borrowed = Borrowed::new(message);
        let headers = borrowed.headers();
        let parameter = borrowed.parameter(&headers, attempt);
        let given = Given { message, parameter: &parameter, attempt };
        let instance = self.instance(started);
        match self.attempt(instance, given, started, Again::Perhaps).await {
            Some(attempt) => attempt,
            None => {
                let fresh = Instance::new(&self.loaded);
                self.attempt(fresh, given, started, Again::Never).await.expect("it ends when it is told to")
            }
        }
    }

    /// Starts an instance as the first message would do, and keeps it for that message.
    ///
    /// Must be polled within a tokio runtime that has timers.
    ///
    /// # Errors
    /// The failure, as that of an attempt.
    pub async fn try_start(&self) -> Result<(), Failure> {
        let started = Instant::now();
        let mut instance = Instance::new(&self.loaded);
        let ended = instance.attempt(&self.loaded, Nothing, started, self.loaded.spec.exact_cpu_time).await;
        match self.conclude(instance, ended.map(|()| Ok(Vec::new())), started.elapsed()).outcome {
            Outcome::Done(_) => Ok(()),
            Outcome::Failed(failure) => Err(*failure),
        }
    }

    /// Removes this plugin's secrets from the failure. For failures that are derived from the guest's result; those of an
    /// attempt are already redacted.
    pub fn redacted(&self, mut failure: Failure) -> Failure {
        self.loaded.spec.secrets.redact_failure(&mut failure);
        failure
    }

    /// A warm instance, or a new one.
    fn instance(&self, now: Instant) -> Instance {
        let kept = self.idle.take().filter(|instance| instance.is_young(&self.loaded, now));
        kept.unwrap_or_else(|| Instance::new(&self.loaded))
    }

    /// Returns `None` if the attempt must be repeated by a new instance, and may be.
    async fn attempt(
        &self,
        mut instance: Instance,
        given: Given<'_>,
        started: Instant,
        again: Again,
    ) -> Option<Attempt> {
        let exact = self.loaded.spec.exact_cpu_time || self.suspicion.looks_closely();
        let ended = instance.attempt(&self.loaded, given, started, exact).await;
        if let (Err(ending), Again::Perhaps) = (&ended, again)
            && (instance.may_be_replaced(ending) || is_pool_exhausted(ending) && self.engine.make_room())
        {
            return None;
        }
        Some(self.conclude(instance, ended, started.elapsed()))
    }

    /// Determines the outcome, and keeps or drops the instance.
    fn conclude(&self, mut instance: Instance, ended: Result<Said, Ending>, wall: Duration) -> Attempt {
        let state = instance.state();
        let cpu = instance.meter().cpu_time(wall);
        let mut usage = Usage {
            wall_us: microseconds(wall),
            cpu_us: microseconds(cpu),
            memory_peak_bytes: state.limiter.memory() as u64,
            host_calls: state.budget.host_calls(),
            output_bytes: 0,
        };
        // The attempt may have met no tick because ticks were rare.
        if instance.meter().surely_runs_long(cpu) {
            self.loaded.runtime.pulse.hurry();
        } else if cpu >= TICK {
            self.suspicion.arise();
        }
        let refused_growths = state.limiter.refusals().total();
        let logs = state.logs.lock().take();
        let failed = |ending| Err(classify(ending, &instance.circumstances(), &self.loaded.symbols));
        let said = ended.unwrap_or_else(failed).map_err(|failure| instance.explained(failure));
        let (outcome, output_bytes) = judged(said, &self.loaded.spec);
        usage.output_bytes = output_bytes;
        if is_sound(outcome.class()) && instance.may_go_on(&self.loaded) {
            self.idle.put(instance);
        }
        Attempt { outcome, usage, refused_growths, logs }
    }
}

/// A refused import that was not granted is also counted and logged, like a denied call.
fn refused(plugin: Box<str>, path: Option<&Path>, refusal: Refusal) -> LoadError {
    let missing: &[Missing] = if let Refusal::NotGranted { missing } = &refusal { missing } else { &[] };
    for Missing { import, capability, .. } in missing {
        denials::count(&plugin, capability, "import");
        let import = Escaped(import);
        tracing::warn!(event = "capability_denied", plugin = &*plugin, capability, %import, "a plugin imports what it was not granted");
    }
    LoadError { plugin, path: path.map(Into::into), refusal }
}

/// Whether an attempt without effect may be repeated.
#[derive(Clone, Copy)]
enum Again {
    Perhaps,
    Never,
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("id", &self.loaded.id).finish_non_exhaustive()
    }
}
