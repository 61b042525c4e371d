//! Limits the memories and tables of one instance, all of them together.
//!
//! A growth over the limit is refused and recorded, but does not trap: a guest may continue without it.
//! [`classify`](crate::plugin::run::classify) decides whether a refusal ended the attempt.

use wasmtime::ResourceLimiter;

/// Size of a table element in bytes.
const ELEMENT: usize = size_of::<usize>();

/// Counts memories and tables of an instance, and refuses growth over its limits.
#[derive(Debug)]
pub(in crate::plugin) struct Limiter {
    memory_limit: usize,
    element_limit: usize,
    /// Bytes of all memories and tables. They never shrink, so this is also the peak.
    memory: usize,
    elements: usize,
    /// The last permitted growth, which is subtracted if it fails.
    last: Growth,
    refusals: Refusals,
}

#[derive(Debug, Default, Clone, Copy)]
struct Growth {
    memory: usize,
    elements: usize,
}

/// Refused growths of one attempt.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(in crate::plugin) struct Refusals {
    pub(in crate::plugin) memory: u32,
    pub(in crate::plugin) table: u32,
}

impl Refusals {
    /// Returns the number of all refused growths.
    pub(in crate::plugin) fn total(self) -> u32 {
        self.memory.saturating_add(self.table)
    }
}

impl Limiter {
    pub(in crate::plugin) fn new(memory_limit: usize, element_limit: usize) -> Self {
        let (last, refusals) = Default::default();
        Self { memory_limit, element_limit, memory: 0, elements: 0, last, refusals }
    }

    /// Returns the bytes of all memories and tables. They never shrink, so this is also the peak.
    pub(in crate::plugin) fn memory(&self) -> usize {
        self.memory
    }

    /// Returns the growths refused since the last call of [`Self::forget_refusals`].
    pub(in crate::plugin) fn refusals(&self) -> Refusals {
        self.refusals
    }

    /// Begins a new attempt.
    pub(in crate::plugin) fn forget_refusals(&mut self) {
        self.refusals = Refusals::default();
    }

    fn permit(&mut self, growth: Growth) -> bool {
        self.last = growth;
        self.memory += growth.memory;
        self.elements += growth.elements;
        true
    }

    /// Subtracts the last permitted growth, because it failed in the engine or the operating system.
    ///
    /// wasmtime reports two kinds of failures without asking before. Both need 64-bit memories or tables, or custom
    /// page sizes, which the engine does not offer. So the failure always belongs to the last growth.
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
        // Over the maximum that the guest declares: the growth fails, but not because of a limit of the host.
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
