//! One instance of a plugin, in a store of its own.
//!
//! A trap in a store poisons all instances in it, and some errors that ought to poison it do not; so there is one
//! instance to a store, and after any error, panic or abandoned call the store is dropped, never used again.

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
use crate::plugin::load::Loaded;

/// One instance of a plugin.
pub(super) struct Instance {
    store: Store<State>,
    /// `None` until it was started.
    functions: Option<Functions>,
    meter: Arc<Meter>,
    uses: u32,
    /// When its first attempt began.
    since: Option<Instant>,
    /// The memory it may have to be kept for the next message, bytes.
    keep_below: usize,
}

impl Instance {
    /// An instance that is started by its first attempt.
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

    /// Asks something of it; its CPU time comes from the clock of the thread from the first moment on if that is to be
    /// `exact`. After an error it is good for [`Instance::circumstances`] only.
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
        // Pinned here and lent, for a future that is handed over by value is copied.
        let call = pin!(self.call(plugin, asked));
        watch(call, &meter, started, plugin.spec.limits.wall_time, exact).await
    }

    async fn call<A: Ask>(&mut self, plugin: &Loaded, asked: A) -> wasmtime::Result<A::Answer> {
        let functions = match self.functions {
            Some(functions) => functions,
            None => self.start(plugin).await?,
        };
        let answer = asked.ask(&mut self.store, functions).await?;
        // The last of them may have come after the last tick.
        if self.store.data().budget.host_calls_spent() {
            return Err(Spent::HostCalls.into());
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

    /// Whether it may handle another message: not too often, and not when it has used up half of the memory that
    /// was free when it had started, for some languages never give any back. Nor when it has left something behind in the
    /// host that is not to outlive the attempt, or to fail a later one.
    pub(super) fn may_go_on(&mut self, plugin: &Loaded) -> bool {
        let state = self.store.data_mut();
        self.uses < plugin.spec.reuse && state.limiter.memory() <= self.keep_below && state.is_tidy()
    }

    /// Whether it is young enough for an attempt that begins at `now`.
    pub(super) fn is_young(&self, plugin: &Loaded, now: Instant) -> bool {
        self.since.is_none_or(|since| now.saturating_duration_since(since) <= plugin.spec.max_age)
    }

    /// Whether the error is one that a fresh instance would not have had, in an attempt that has done nothing.
    ///
    /// Some runtimes call the host while they make room for the message, which is forbidden there; Go does when
    /// its collector happens to run. A guest that called nothing outside has had no effect, so nobody can tell
    /// that it ran.
    pub(super) fn may_be_replaced(&self, ending: &Ending) -> bool {
        let Ending::Error(error) = ending else { return false };
        self.uses > 1
            && self.store.data().budget.host_calls() == 0
            && error.downcast_ref() == Some(&Trap::CannotLeaveComponent)
    }

    /// What is to be known of the attempt that failed; its log lines have been taken.
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

    /// The failure with the request that may be its reason: one that the handler waited for, or the last that failed. Not
    /// where the handler says that the message is at fault.
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
