//! What a store carries for its instance.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::EngineWeak;
use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::Spec;
use super::budget::{Budget, FIRST_TICK};
use super::held::Held;
use super::limiter::Limiter;
use super::logs::{Logs, Sink};
use super::outbox::Outbox;
use super::wasi;

/// Resources (streams, pollables, buckets) that a guest may hold at the same time.
pub(super) const RESOURCES: usize = 4096;

/// What a store carries for its instance.
pub(super) struct State {
    pub(super) spec: Arc<Spec>,
    pub(super) limiter: Limiter,
    pub(super) budget: Budget,
    pub(super) logs: Sink,
    pub(super) outbox: Outbox,
    wasi: WasiCtx,
    table: ResourceTable,
    held: Held,
    engine: EngineWeak,
}

impl State {
    pub(super) fn new(spec: Arc<Spec>, engine: EngineWeak) -> Self {
        let limits = &spec.limits;
        let limiter = Limiter::new(limits.memory, limits.table_elements);
        let budget = Budget::new(limits);
        let outbox = Outbox::new(limits);
        let logs = Logs::new(Arc::clone(&spec)).shared();
        let wasi = wasi::context(&logs);
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        Self { spec, limiter, budget, logs, outbox, wasi, table, held: Held::default(), engine }
    }

    /// A new attempt begins.
    pub(super) fn renew(&mut self, started: Instant) {
        self.budget.renew(started);
        self.limiter.forget_refusals();
        self.outbox.renew();
    }

    /// Gives a message to the guest as a resource.
    pub(super) fn give<T: Send + 'static>(&mut self, message: T) -> wasmtime::Result<Resource<T>> {
        self.outbox.charge(0)?;
        Ok(self.table.push(message)?)
    }

    /// Resources that the guest holds. Looks at each place where there ever was one: few, or a guest that hoards.
    pub(super) fn resources(&mut self) -> usize {
        self.table.iter_mut().count()
    }

    /// What a host function works on; every host function comes through here, so here they are counted.
    ///
    /// Nothing can be refused here: where the limit is passed, ticks are made, at which the guest ends. To the
    /// guests beside it they are ticks like any other.
    pub(super) fn host_call(&mut self) -> HostCall<'_> {
        if self.budget.count_host_call()
            && let Some(engine) = self.engine.upgrade()
        {
            (0..FIRST_TICK).for_each(|_| engine.increment_epoch());
        }
        let Self { spec, logs, outbox, table, held, .. } = self;
        HostCall { spec, logs, outbox, table, held }
    }
}

/// What a host function of our own works on.
pub(super) struct HostCall<'a> {
    pub(super) spec: &'a Spec,
    pub(super) logs: &'a Sink,
    pub(super) outbox: &'a mut Outbox,
    pub(super) table: &'a mut ResourceTable,
    pub(super) held: &'a Held,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.host_call();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}
