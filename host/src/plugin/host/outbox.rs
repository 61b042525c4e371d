//! What a guest sends while it handles a message: kept until it has ended well, and bounded as if it had returned it.

use cofferdam_core::outcome::{Code, Failure};
use cofferdam_core::output::Output;

use crate::plugin::limits::Limits;

/// Longest name of an output, bytes; a route has none that is longer.
const NAME: usize = 256;

/// What a guest has sent and what it has ready for sending, together within its limits on outputs.
#[derive(Debug)]
pub(in crate::plugin) struct Outbox {
    outputs: Vec<Output>,
    most: usize,
    /// Bytes of what was sent and of what is held.
    bytes: usize,
    most_bytes: usize,
    /// Messages that the guest holds.
    held: usize,
}

/// The guest has gone over its limits on outputs; wrapped in the error that unwinds it.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.text)]
pub(in crate::plugin) struct Excess(pub(in crate::plugin) Failure);

impl Outbox {
    pub(in crate::plugin) fn new(limits: &Limits) -> Self {
        Self { outputs: Vec::new(), most: limits.outputs, bytes: 0, most_bytes: limits.output_bytes, held: 0 }
    }

    /// Keeps an output.
    pub(in crate::plugin) fn send(&mut self, output: Output) -> wasmtime::Result<()> {
        if output.to.len() > NAME {
            let text = format!("invalid output name of {} bytes", output.to.len());
            return Err(Excess(Failure::contract(Code::UNKNOWN_OUTPUT, text)).into());
        }
        if self.outputs.len() >= self.most {
            let text = format!("outputs exceed the limit of {}", self.most);
            return Err(Excess(Failure::contract(Code::TOO_MANY_OUTPUTS, text)).into());
        }
        self.add(output.size())?;
        self.outputs.push(output);
        Ok(())
    }

    /// The guest holds a further message, of so many bytes.
    pub(in crate::plugin) fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.held += 1;
        self.add(bytes)
    }

    /// A message that the guest holds has other bytes than before.
    pub(in crate::plugin) fn recharge(&mut self, before: usize, now: usize) -> wasmtime::Result<()> {
        self.bytes = self.bytes.saturating_sub(before);
        self.add(now)
    }

    /// The guest holds a message of so many bytes no longer.
    pub(in crate::plugin) fn discharge(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn add(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes <= self.most_bytes {
            return Ok(());
        }
        let text = format!("messages of {} bytes, sent or held, exceed the limit of {}", self.bytes, self.most_bytes);
        Err(Excess(Failure::contract(Code::OUTPUT_TOO_LARGE, text)).into())
    }

    /// What was sent, in order.
    pub(in crate::plugin) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Whether the guest holds messages.
    pub(in crate::plugin) fn holds(&self) -> bool {
        self.held > 0
    }

    /// A new attempt begins; the guest holds nothing.
    pub(in crate::plugin) fn renew(&mut self) {
        self.outputs.clear();
        self.bytes = 0;
    }
}
