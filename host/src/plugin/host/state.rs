//! The host state of an instance.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::component::{HasData, Resource, ResourceTable};
use wasmtime::{EngineWeak, UpdateDeadline};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use super::budget::{Budget, FIRST_TICK, Spent};
use super::capabilities::http::requests::Http;
use super::capabilities::wasi::context;
use super::denials::Denials;
use super::held::Held;
use super::limiter::Limiter;
use super::logs::{Logs, Sink};
use super::outbox::Outbox;
use super::spec::Spec;
use crate::plugin::engine::sleepers::Asleep;
use crate::plugin::engine::ticker::Pulse;

/// Resources (streams, pollables, buckets) that a guest may hold at the same time.
pub(in crate::plugin) const RESOURCES: usize = 4096;

/// The same for a guest with an HTTP grant. It limits what its requests occupy in the host.
const RESOURCES_WITH_HTTP: usize = 512;

/// Maximum size of the header fields of one message in memory, in bytes.
const FIELDS: usize = 32 << 10;

/// The host state of an instance, in its store.
pub(in crate::plugin) struct State {
    pub(in crate::plugin) spec: Arc<Spec>,
    pub(in crate::plugin) limiter: Limiter,
    pub(in crate::plugin) budget: Budget,
    pub(in crate::plugin) logs: Sink,
    pub(in crate::plugin) outbox: Outbox,
    pub(in crate::plugin) denials: Arc<Denials>,
    pub(in crate::plugin) http: Http,
    wasi: WasiCtx,
    wasi_http: WasiHttpCtx,
    /// Maximum number of resources in the table.
    resources: usize,
    table: ResourceTable,
    held: Held,
    asleep: Arc<Asleep>,
    engine: EngineWeak,
}

impl State {
    pub(in crate::plugin) fn new(spec: Arc<Spec>, engine: EngineWeak, pulse: Arc<Pulse>, asleep: Arc<Asleep>) -> Self {
        let limits = &spec.limits;
        let limiter = Limiter::new(limits.memory, limits.table_elements);
        let budget = Budget::new(limits, pulse);
        let outbox = Outbox::new(limits);
        let logs = Logs::new(Arc::clone(&spec)).shared();
        let wasi = context::context(&logs);
        let mut table = ResourceTable::new();
        let resources = if spec.http.is_some() { RESOURCES_WITH_HTTP } else { RESOURCES };
        table.set_max_capacity(resources);
        let denials = Arc::new(Denials::new(Arc::clone(&spec), logs.clone()));
        let http = Http::new(spec.http.clone(), Arc::clone(&denials));
        let mut wasi_http = WasiHttpCtx::new();
        wasi_http.set_field_size_limit(FIELDS);
        let held = Held::default();
        Self {
            spec,
            limiter,
            budget,
            logs,
            outbox,
            denials,
            http,
            wasi,
            wasi_http,
            resources,
            table,
            held,
            asleep,
            engine,
        }
    }

    /// Begins a new attempt.
    pub(in crate::plugin) fn renew(&mut self, started: Instant) {
        self.budget.renew(started);
        self.http.renew(started, self.spec.limits.wall_time);
        self.limiter.forget_refusals();
        self.outbox.renew();
        self.denials.forget();
    }

    /// Passes a message to the guest as a resource.
    pub(in crate::plugin) fn give<T: Send + 'static>(&mut self, message: T) -> wasmtime::Result<Resource<T>> {
        self.outbox.charge(0)?;
        Ok(self.table.push(message)?)
    }

    /// Returns whether the instance can be reused: it holds no message of the host, has no request in flight, and uses
    /// at most half of its resources.
    pub(in crate::plugin) fn is_tidy(&mut self) -> bool {
        // Iterates over each slot that ever held a resource: these are few, unless a guest hoards resources.
        !self.outbox.holds() && !self.http.is_busy() && self.table.iter_mut().count() <= self.resources / 2
    }

    /// Handles a tick: continues the guest, or ends it.
    pub(in crate::plugin) fn tick(&self) -> Result<UpdateDeadline, Spent> {
        if self.denials.is_fatal() { Err(Spent::Grant) } else { self.budget.tick() }
    }

    /// Returns the state that host functions work on, and counts the call. Every host function gets its state here.
    ///
    /// This function cannot return an error. If the limit is exceeded or a denial ends the attempt, it makes the ticker
    /// tick, and the guest ends at that tick. Other guests see an ordinary tick.
    pub(in crate::plugin) fn host_call(&mut self) -> HostCall<'_> {
        if (self.budget.count_host_call() || self.denials.is_fatal())
            && let Some(engine) = self.engine.upgrade()
        {
            (0..FIRST_TICK).for_each(|_| engine.increment_epoch());
        }
        let Self { spec, logs, outbox, denials, table, held, asleep, .. } = self;
        HostCall { spec, logs, outbox, denials, table, held, asleep }
    }
}

/// The state that a host function works on.
pub(in crate::plugin) struct HostCall<'a> {
    pub(in crate::plugin) spec: &'a Spec,
    pub(in crate::plugin) logs: &'a Sink,
    pub(in crate::plugin) outbox: &'a mut Outbox,
    pub(in crate::plugin) denials: &'a Denials,
    pub(in crate::plugin) table: &'a mut ResourceTable,
    pub(in crate::plugin) held: &'a Held,
    pub(in crate::plugin) asleep: &'a Arc<Asleep>,
}

/// Tells wasmtime that host functions work on a [`HostCall`]. Each call goes through [`State::host_call`], which counts
/// it.
pub(in crate::plugin) struct Called;

impl HasData for Called {
    type Data<'a> = HostCall<'a>;
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.host_call();
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.host_call();
        WasiHttpCtxView { hooks: &mut self.http, table: &mut self.table, ctx: &mut self.wasi_http }
    }
}
