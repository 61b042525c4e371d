//! Memory and tables of one instance, all of them together.
//!
//! A growth over the limit is refused and remembered, not made a trap: a guest that can live with it goes on.
//! Whether the refusal is what ended an attempt is for [`classify`](crate::plugin::run::classify) to say.

use wasmtime::ResourceLimiter;

/// What one element of a table takes, bytes.
const ELEMENT: usize = size_of::<usize>();

/// Counts what an instance has, and refuses what goes over its limits.
#[derive(Debug)]
pub(in crate::plugin) struct Limiter {
    memory_limit: usize,
    element_limit: usize,
    /// Bytes of all memories and tables. Neither ever shrinks, so this is the peak as well.
    memory: usize,
    elements: usize,
    /// What the growth that was permitted last has added, to be taken back if it fails after all.
    last: Growth,
    refusals: Refusals,
}

#[derive(Debug, Default, Clone, Copy)]
struct Growth {
    memory: usize,
    elements: usize,
}

/// Growths that were refused during one attempt.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct Refusals {
    pub(in crate::plugin) memory: u32,
    pub(in crate::plugin) table: u32,
}

impl Refusals {
    /// All of them.
    pub(in crate::plugin) fn total(self) -> u32 {
        self.memory.saturating_add(self.table)
    }
}

impl Limiter {
    pub(in crate::plugin) fn new(memory_limit: usize, element_limit: usize) -> Self {
        let (last, refusals) = Default::default();
        Self { memory_limit, element_limit, memory: 0, elements: 0, last, refusals }
    }

    /// Bytes of all memories and tables; the highest there was, since neither shrinks.
    pub(in crate::plugin) fn memory(&self) -> usize {
        self.memory
    }

    /// What was refused since it was last forgotten.
    pub(in crate::plugin) fn refusals(&self) -> Refusals {
        self.refusals
    }

    /// A new attempt begins.
    pub(in crate::plugin) fn forget_refusals(&mut self) {
        self.refusals = Refusals::default();
    }

    fn permit(&mut self, growth: Growth) -> bool {
        self.last = growth;
        self.memory += growth.memory;
        self.elements += growth.elements;
        true
    }

    /// The growth was permitted and failed in the engine or the operating system.
    ///
    /// wasmtime reports two failures without having asked before, and both need memories or tables of 64 bits or
    /// pages of other sizes, which the engine does not offer; so the failure is of the last growth.
    fn take_back(&mut self) -> Growth {
        let growth = std::mem::take(&mut self.last);
        self.memory -= growth.memory;
        self.elements -= growth.elements;
        growth
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current);
        if added > self.memory_limit.saturating_sub(self.memory) {
            self.refusals.memory += 1;
            return Ok(false);
        }
        // Over what the guest has set for itself: it fails, and not for a limit of ours.
        let memory = if maximum.is_some_and(|maximum| desired > maximum) { 0 } else { added };
        Ok(self.permit(Growth { memory, elements: 0 }))
    }

    fn memory_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        if self.take_back().memory > 0 {
            self.refusals.memory += 1;
        }
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        let added = desired.saturating_sub(current);
        if added > self.element_limit.saturating_sub(self.elements) {
            self.refusals.table += 1;
            return Ok(false);
        }
        let bytes = added.saturating_mul(ELEMENT);
        if bytes > self.memory_limit.saturating_sub(self.memory) {
            self.refusals.memory += 1;
            return Ok(false);
        }
        let fails = maximum.is_some_and(|maximum| desired > maximum);
        let growth = if fails { Growth::default() } else { Growth { memory: bytes, elements: added } };
        Ok(self.permit(growth))
    }

    fn table_grow_failed(&mut self, _error: wasmtime::Error) -> wasmtime::Result<()> {
        if self.take_back().elements > 0 {
            self.refusals.table += 1;
        }
        Ok(())
    }
}
