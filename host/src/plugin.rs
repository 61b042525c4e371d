//! Handlers that other people wrote, each message in a sandbox.
//!
//! A [`Plugin`] is a component of the contract in the folder `wit`. [`Plugin::handle`] gives it one message and
//! always comes back with an [`Attempt`]: an outcome of the closed set, what it used, and what it logged. Nothing
//! a guest does, and no panic of a host function, comes out of it in another way.
//!
//! The engine is wasmtime, with a pool of slots for instances; an instance is reused for a bounded number of
//! messages and dropped after anything that did not end well. A guest is stopped by the ticks of an epoch while it
//! runs, and by a timer while it waits in a host call.

mod backtrace;
mod batch;
mod budget;
mod cache;
mod capabilities;
mod classify;
mod clock;
pub mod compiler;
mod contract;
mod core_module;
mod denials;
mod engine;
mod handler;
mod held;
pub mod http;
mod idle;
mod image;
mod instance;
pub mod keyvalue;
mod last_words;
mod lift;
mod limiter;
mod limits;
mod lines;
mod load;
mod logs;
mod lower;
mod names;
mod outbox;
mod secrets;
mod sleepers;
mod state;
mod suspicion;
mod symbols;
mod ticker;
mod uncaught;
mod wasi;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_core::event::HandlerId;
use cofferdam_core::message::Message;
use cofferdam_core::outcome::{Class, Failure, Outcome, Usage};
use cofferdam_core::output::Output;

use crate::escape::Escaped;

pub use crate::handler::{Attempt, Batch, Level, LogLine, LogLines};
pub use budget::be_exact_on_this_thread;
pub use compiler::CompileBounds;
pub use contract::Contract;
pub use denials::Denied;
pub use engine::{Engine, EngineConfig, EngineError};
pub use limits::Limits;
pub use load::{LoadError, Missing, Refusal, digest_of};
pub use secrets::Secrets;

use classify::{Ending, classify, is_pool_exhausted};
use contract::{Given, Nothing, Said};
use idle::Idle;
use instance::Instance;
use load::Loaded;
use lower::Borrowed;
use suspicion::Suspicion;
use ticker::TICK;

/// How a plugin is to be run.
#[derive(Clone)]
pub struct Spec {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// What one attempt may use.
    pub limits: Limits,
    /// Its own configuration, for `wasi:config`.
    pub config: BTreeMap<String, String>,
    /// What it is given in the same way, and what is not shown in anything that it says.
    pub secrets: Secrets,
    /// Messages that one instance handles before it is dropped; 256. 0 and 1 mean a fresh one for each message.
    pub reuse: u32,
    /// How old an instance may be when a message comes to it; without bound by default.
    pub max_age: Duration,
    /// Instances that are kept however long nobody needs them, at most, about; 32. As many as were at work at the same
    /// time are kept too, and go by and by once nobody needs them. They count against those of the engine.
    pub idle: usize,
    /// Whether CPU time comes from the clock of the thread from the first moment on, which costs each message some 0.3
    /// microseconds. Without it the first two ticks are taken from the wall clock, and are too long where the thread
    /// had to wait for a processor.
    pub exact_cpu_time: bool,
    /// The bucket of a key-value store that it was granted.
    pub keyvalue: Option<keyvalue::Bucket>,
    /// Bounds of a call with several messages, where it takes them.
    pub batch: Batch,
    /// What it was granted of the network; what makes its requests.
    pub http: Option<http::Client>,
    /// What becomes of an attempt that asks for more.
    pub denied: Denied,
}

impl Spec {
    /// The defaults for a plugin called `name`, without configuration or grants.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self {
            name: name.into(),
            limits: Limits::default(),
            config: BTreeMap::new(),
            secrets: Secrets::default(),
            reuse: 256,
            max_age: Duration::MAX,
            idle: 32,
            exact_cpu_time: false,
            keyvalue: None,
            batch: Batch::default(),
            http: None,
            denied: Denied::default(),
        }
    }
}

/// A handler, ready to be called. It may be called from many tasks at the same time.
pub struct Plugin {
    loaded: Loaded,
    idle: Arc<Idle>,
    batch_size: batch::Size,
    suspicion: Suspicion,
    /// Ticks for as long as there are plugins.
    engine: Engine,
}

impl Plugin {
    /// Loads the component in the file `path`. Blocks: compiling takes about a second for each 2 MB, and at most what
    /// the engine's bounds allow; one that the engine's cache has takes milliseconds.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn open(engine: &Engine, path: &Path, spec: Spec) -> Result<Self, LoadError> {
        let plugin = spec.name.clone();
        Self::of(engine, load::open(engine, path, spec)).map_err(|refusal| refused(plugin, Some(path), refusal))
    }

    /// Loads the component `bytes`. Blocks as [`Plugin::open`] does.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn load(engine: &Engine, bytes: &[u8], spec: Spec) -> Result<Self, LoadError> {
        let plugin = spec.name.clone();
        Self::of(engine, load::load(engine, bytes, spec)).map_err(|refusal| refused(plugin, None, refusal))
    }

    fn of(engine: &Engine, loaded: Result<Loaded, Refusal>) -> Result<Self, Refusal> {
        let loaded = loaded?;
        let limits = &loaded.spec.limits;
        loaded.runtime.pulse.heed(limits.cpu_time.min(limits.wall_time));
        let idle = Arc::new(Idle::new(loaded.spec.idle));
        engine.watch_idle(&idle);
        let batch_size = batch::Size::new(loaded.spec.batch.messages.min(loaded.spec.reuse));
        Ok(Self { loaded, idle, batch_size, suspicion: Suspicion::default(), engine: engine.clone() })
    }

    /// Its name and the digest of its file.
    pub fn id(&self) -> &Arc<HandlerId> {
        &self.loaded.id
    }

    /// The contract that it was built for.
    pub fn contract(&self) -> Contract {
        self.loaded.contract
    }

    /// How it is run.
    pub fn spec(&self) -> &Spec {
        &self.loaded.spec
    }

    /// Gives it `message` for the `attempt`-th time, from 1.
    ///
    /// Ends in its first poll where the guest neither waits in a host call nor runs into a tick, which it does
    /// after a millisecond at the earliest; at each tick it lets other tasks run. Ends within two ticks of the
    /// plugin's wall time whatever the guest does. A future that is dropped takes the instance with it.
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

    /// Starts an instance as the first message would, and keeps it for that.
    ///
    /// Must be polled within a tokio runtime that has timers.
    ///
    /// # Errors
    /// How it failed, as an attempt would have.
    pub async fn try_start(&self) -> Result<(), Failure> {
        let started = Instant::now();
        let mut instance = Instance::new(&self.loaded);
        let ended = instance.attempt(&self.loaded, Nothing, started, self.loaded.spec.exact_cpu_time).await;
        match self.conclude(instance, ended.map(|()| Ok(Vec::new())), started.elapsed()).outcome {
            Outcome::Done(_) => Ok(()),
            Outcome::Failed(failure) => Err(*failure),
        }
    }

    /// The failure as people may read it: no secret of this plugin is told by it. For failures that others make of what
    /// the plugin says; those of an attempt are without them already.
    pub fn redacted(&self, mut failure: Failure) -> Failure {
        self.loaded.spec.secrets.redact_failure(&mut failure);
        failure
    }

    /// One that is kept, else a new one.
    fn instance(&self, now: Instant) -> Instance {
        let kept = self.idle.take().filter(|instance| instance.is_young(&self.loaded, now));
        kept.unwrap_or_else(|| Instance::new(&self.loaded))
    }

    /// `None` where the attempt is to be made again by a fresh instance, and may be.
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

    /// Names the outcome, and keeps the instance or drops it.
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
        // It may have met no tick because there were few.
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

/// What is not granted is not only said to whoever loads it: it is counted and logged like a call that is denied.
fn refused(plugin: Box<str>, path: Option<&Path>, refusal: Refusal) -> LoadError {
    let missing: &[Missing] = if let Refusal::NotGranted { missing } = &refusal { missing } else { &[] };
    for Missing { import, capability } in missing {
        denials::count(&plugin, capability, "import");
        let import = Escaped(import);
        tracing::warn!(event = "capability_denied", plugin = &*plugin, capability, %import, "a plugin imports what it was not granted");
    }
    LoadError { plugin, path: path.map(Into::into), refusal }
}

/// Whether an attempt that had no effect may be made again.
#[derive(Clone, Copy)]
enum Again {
    Perhaps,
    Never,
}

/// The outcome, and the bytes of its outputs. No failure tells a secret.
fn judged(said: Said, spec: &Spec) -> (Outcome<Vec<Output>>, u64) {
    match said.and_then(|outputs| lift::judge(outputs, &spec.limits)) {
        Ok((outputs, size)) => (Outcome::Done(outputs), size as u64),
        Err(mut failure) => {
            spec.secrets.redact_failure(&mut failure);
            (failure.into(), 0)
        }
    }
}

/// Whether the guest has answered as the contract says.
fn is_sound(class: Class) -> bool {
    matches!(class, Class::Done | Class::Retryable | Class::Permanent | Class::Deferred)
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin").field("id", &self.loaded.id).finish_non_exhaustive()
    }
}
