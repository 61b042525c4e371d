//! One instance of a plugin, in a store of its own.
//!
//! A trap in a store makes all its instances unusable, and some errors that should do so do not. So each store has one
//! instance, and is dropped after any error, panic or abandoned call.

use std::pin::pin;
use std::sync::Arc;
use std::time::Instant;

use cofferdam_core::outcome::{Class, Failure, TEXT_LIMIT};
use wasmtime::{Store, Trap};

use super::classify::{Circumstances, Ending};
use super::watch::watch;
use crate::plugin::contract::lift::copied_bytes;
use crate::plugin::contract::{Ask, Functions};
use crate::plugin::host::budget::{FIRST_TICK, Meter, Spent};
use crate::plugin::host::state::{RESOURCES, State};
use crate::plugin::limits::Limit;
use crate::plugin::load::Loaded;

/// One instance of a plugin.
pub(super) struct Instance {
    store: Store<State>,
    /// `None` before the start.
    functions: Option<Functions>,
    meter: Arc<Meter>,
    uses: u32,
    /// The start of its first attempt.
    since: Option<Instant>,
    /// Maximum memory in bytes with which the instance is kept for the next message.
    keep_below: usize,
}

impl Instance {
    /// Makes an instance that is started by its first attempt.
    pub(super) fn new(plugin: &Loaded) -> Self {
        let runtime = &plugin.runtime;
        let engine = &runtime.engine;
        let (pulse, asleep) = (Arc::clone(&runtime.pulse), Arc::clone(&runtime.asleep));
        let state = State::new(Arc::clone(&plugin.spec), engine.weak(), pulse, asleep);
        let meter = state.budget.meter();
        let mut store = Store::new(engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_max_component_handles(RESOURCES);
        store.set_hostcall_fuel(copied_bytes(&plugin.spec.limits));
        store.epoch_deadline_callback(|store| Ok(store.data().tick()?));
        Self { store, functions: None, meter, uses: 0, since: None, keep_below: 0 }
    }

    /// Sends a request to the instance. With `exact`, its CPU time is measured with the thread's clock from the start. After
    /// an error only [`Instance::circumstances`] may be called.
    pub(super) async fn attempt<A: Ask>(
        &mut self,
        plugin: &Loaded,
        asked: A,
        started: Instant,
        exact: bool,
    ) -> Result<A::Answer, Ending> {
        self.uses = self.uses.saturating_add(asked.messages());
        self.since.get_or_insert(started);
        self.store.data_mut().renew(started);
        self.store.data().logs.lock().about(asked.message().cloned());
        self.store.set_epoch_deadline(FIRST_TICK);
        let meter = Arc::clone(&self.meter);
        // Pinned here and borrowed, because passing the future by value would copy it.
        let call = pin!(self.call(plugin, asked));
        watch(call, &meter, started, plugin.spec.limits.wall_time, exact).await
    }

    async fn call<A: Ask>(&mut self, plugin: &Loaded, asked: A) -> wasmtime::Result<A::Answer> {
        let functions = match self.functions {
            Some(functions) => functions,
            None => self.start(plugin).await?,
        };
        let answer = asked.ask(&mut self.store, functions).await?;
        // The last host calls may have come after the last tick.
        if self.store.data().budget.host_calls_spent() {
            return Err(Spent::Limit(Limit::HostCalls).into());
        }
        if self.store.data().denials.is_fatal() {
            return Err(Spent::Grant.into());
        }
        Ok(answer)
    }

    async fn start(&mut self, plugin: &Loaded) -> wasmtime::Result<Functions> {
        let instance = plugin.component.instantiate_async(&mut self.store).await?;
        let handle = plugin.contract.entry(&mut self.store, &instance, plugin.handle)?;
        let handle_batch = match plugin.handle_batch {
            Some(index) => Some(instance.get_typed_func(&mut self.store, index)?),
            None => None,
        };
        let functions = Functions { handle, handle_batch };
        let memory = self.store.data().limiter.memory();
        self.keep_below = memory + plugin.spec.limits.memory.saturating_sub(memory) / 2;
        self.functions = Some(functions);
        Ok(functions)
    }

    /// Whether the instance may handle another message. It may not after too many messages, or after using half of the
    /// memory that was free at its start, because some languages never free memory. It may not either if it left something
    /// in the host that must not outlive the attempt or that could fail a later one.
    pub(super) fn may_go_on(&mut self, plugin: &Loaded) -> bool {
        let state = self.store.data_mut();
        self.uses < plugin.spec.reuse && state.limiter.memory() <= self.keep_below && state.is_tidy()
    }

    /// Whether the instance is below its maximum age for an attempt that starts at `now`.
    pub(super) fn is_young(&self, plugin: &Loaded, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) <= plugin.spec.max_age)
    }

    /// Whether the error cannot occur in a new instance, and the attempt had no effect.
    ///
    /// Some runtimes call the host while they allocate memory for the message, which is forbidden there; Go does so if its
    /// garbage collector runs at that time. A guest that called no host function has had no effect, so the attempt can be
    /// repeated.
    pub(super) fn may_be_replaced(&self, ending: &Ending) -> bool {
        let Ending::Error(error) = ending else { return false };
        self.uses > 1
            && self.store.data().budget.host_calls() == 0
            && error.downcast_ref() == Some(&Trap::CannotLeaveComponent)
    }

    /// The facts about a failed attempt, without its log lines, which were taken before.
    pub(super) fn circumstances(&self) -> Circumstances<'_> {
        let state = self.store.data();
        Circumstances {
            budget: &state.budget,
            starting: self.functions.is_none(),
            refusals: state.limiter.refusals(),
            host_calls_spent: state.budget.host_calls_spent(),
            denied: state.denials.reason(),
            last_words: state.logs.lock().last_words(),
        }
    }

    /// Adds to the failure the HTTP request that may be its cause: one that the handler was waiting for, or the last one
    /// that failed. Nothing is added if the handler says that the message is the cause.
    pub(super) fn explained(&self, mut failure: Failure) -> Failure {
        if matches!(failure.class, Class::Retryable | Class::TimedOut | Class::Trapped)
            && let Some(trouble) = self.store.data().http.trouble()
        {
            let text = format!("{} ({trouble})", failure.text);
            if text.len() <= TEXT_LIMIT {
                failure.text = text.into();
            }
        }
        failure
    }

    pub(super) fn state(&self) -> &State {
        self.store.data()
    }

    pub(super) fn meter(&self) -> &Meter {
        &self.meter
    }
}
