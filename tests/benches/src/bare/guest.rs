//! The barest call of a component: wasmtime alone, nothing limited, nothing counted, nothing stopped.
//!
//! It keeps two promises of a host only: what the guest is given is copied once, and so is what it answers.

use std::path::Path;

use futures::FutureExt;
use wasmtime::component::{Component, ComponentType, InstancePre, Lift, Linker, Lower, ResourceTable, TypedFunc};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::Instances;

/// `record message` of the contract.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Given<'a> {
    pub(crate) id: &'a str,
    pub(crate) source: &'a str,
    pub(crate) position: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) headers: &'a [Header<'a>],
    pub(crate) attributes: &'a [(&'a str, &'a str)],
    pub(crate) payload: Option<&'a [u8]>,
    #[component(name = "timestamp-ms")]
    pub(crate) timestamp_ms: u64,
    pub(crate) attempt: u32,
}

/// `record header` of the contract, on its way in.
#[derive(Clone, Copy, ComponentType, Lower)]
#[component(record)]
pub(crate) struct Header<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a [u8],
}

/// `record output` of the contract.
#[derive(ComponentType, Lift)]
#[expect(dead_code, reason = "the contract has it, a copy to one topic does not ask")]
#[component(record)]
pub(crate) struct Output {
    pub(crate) to: String,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) headers: Vec<OutputHeader>,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) payload: Option<Vec<u8>>,
}

/// `record header` of the contract, on its way out.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct OutputHeader {
    pub(crate) name: String,
    pub(crate) value: Vec<u8>,
}

/// `record fault` of the contract.
#[expect(dead_code, reason = "it is shown")]
#[derive(Debug, ComponentType, Lift)]
#[component(record)]
pub(crate) struct Fault {
    code: String,
    text: String,
    #[component(name = "retry-after-ms")]
    retry_after_ms: Option<u64>,
}

/// `variant failure` of the contract.
#[expect(dead_code, reason = "it is shown")]
#[derive(Debug, ComponentType, Lift)]
#[component(variant)]
pub(crate) enum Failure {
    #[component(name = "retryable")]
    Retryable(Fault),
    #[component(name = "permanent")]
    Permanent(Fault),
    #[component(name = "deferred")]
    Deferred(Fault),
}

type Answer = Result<Vec<Output>, Failure>;
type Handle<'a> = TypedFunc<(Given<'a>,), (Answer,)>;
type HandleBatch<'a> = TypedFunc<(&'a [Given<'a>],), (Vec<Answer>,)>;

/// A component that can be called.
pub(crate) struct Guest {
    engine: Engine,
    component: InstancePre<State>,
    calls: Calls,
    warm: Option<Instance>,
}

/// How guests are called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Calls {
    /// Until they return.
    Plain,
    /// On a stack of their own, and their code looks at the epoch: so that they could be stopped wherever they are, and
    /// others run meanwhile. Nobody does it.
    Stoppable,
}

/// One that can be called.
struct Instance {
    store: Store<State>,
    calls: Calls,
    handle: Handle<'static>,
    handle_batch: Option<HandleBatch<'static>>,
}

/// WASI, which guests of most languages import.
struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl Guest {
    /// Compiles the component in this file.
    pub(crate) fn open(path: &Path, instances: Instances) -> anyhow::Result<Self> {
        Self::compile(path, instances, Calls::Plain)
    }

    /// The same, whose one instance could be stopped.
    pub(crate) fn open_stoppable(path: &Path) -> anyhow::Result<Self> {
        Self::compile(path, Instances::Warm, Calls::Stoppable)
    }

    fn compile(path: &Path, instances: Instances, calls: Calls) -> anyhow::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.pagemap_scan(Enabled::Auto).linear_memory_keep_resident(1 << 20).table_keep_resident(1 << 20);
        let mut config = Config::new();
        config.concurrency_support(false).allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        config.epoch_interruption(calls == Calls::Stoppable);
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_sync(&mut linker)?;
        let component = linker.instantiate_pre(&Component::from_file(&engine, path)?)?;
        let mut guest = Self { engine, component, calls, warm: None };
        if instances == Instances::Warm {
            guest.warm = Some(guest.instance()?);
        }
        Ok(guest)
    }

    /// Gives it a message; in an instance of its own, where they are to be fresh.
    pub(crate) fn handle(&mut self, given: Given<'_>) -> anyhow::Result<Vec<Output>> {
        let answer = match &mut self.warm {
            Some(instance) => instance.call(given)?,
            None => self.instance()?.call(given)?,
        };
        answer.map_err(|failure| anyhow::anyhow!("the guest failed: {failure:?}"))
    }

    /// Gives it several messages in one call, and returns how many ended well.
    pub(crate) fn handle_batch(&mut self, given: &[Given<'_>]) -> anyhow::Result<usize> {
        let answers = match &mut self.warm {
            Some(instance) => instance.call_batch(given)?,
            None => self.instance()?.call_batch(given)?,
        };
        Ok(answers.iter().flatten().filter(|outputs| outputs.len() == 1).count())
    }

    fn instance(&self) -> anyhow::Result<Instance> {
        let state = State { wasi: WasiCtx::builder().build(), table: ResourceTable::new() };
        let mut store = Store::new(&self.engine, state);
        let instance = match self.calls {
            Calls::Plain => self.component.instantiate(&mut store)?,
            Calls::Stoppable => {
                store.set_epoch_deadline(1);
                store.epoch_deadline_async_yield_and_update(1);
                at_once(self.component.instantiate_async(&mut store))?
            }
        };
        let mut export = |interface, function| {
            let interface = instance.get_export_index(&mut store, None, interface)?;
            instance.get_export_index(&mut store, Some(&interface), function)
        };
        let handle = export("cofferdam:plugin/handler@0.1.0", "handle");
        let handle_batch = export("cofferdam:plugin/batch-handler@0.1.0", "handle-batch");
        let handle = handle.ok_or_else(|| anyhow::anyhow!("it is no plugin"))?;
        Ok(Instance {
            calls: self.calls,
            handle: instance.get_typed_func(&mut store, handle)?,
            handle_batch: handle_batch.map(|index| instance.get_typed_func(&mut store, index)).transpose()?,
            store,
        })
    }
}

impl Instance {
    fn call(&mut self, given: Given<'_>) -> wasmtime::Result<Answer> {
        let handle = self.handle; // a copy, whose parameters may be borrowed for less long
        let (answer,) = match self.calls {
            Calls::Plain => handle.call(&mut self.store, (given,))?,
            Calls::Stoppable => at_once(handle.call_async(&mut self.store, (given,)))?,
        };
        Ok(answer)
    }

    fn call_batch(&mut self, given: &[Given<'_>]) -> anyhow::Result<Vec<Answer>> {
        let handle = self.handle_batch.ok_or_else(|| anyhow::anyhow!("it takes one message at a time"))?;
        let (answers,) = match self.calls {
            Calls::Plain => handle.call(&mut self.store, (given,))?,
            Calls::Stoppable => at_once(handle.call_async(&mut self.store, (given,)))?,
        };
        Ok(answers)
    }
}

/// What comes of a call that nobody makes wait.
fn at_once<F: Future>(call: F) -> F::Output {
    call.now_or_never().expect("nobody ticks, and the guest asks nobody")
}
