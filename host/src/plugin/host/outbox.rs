//! The messages that a guest sends while it handles a message. They are stored until the attempt succeeds, with the
//! same limits as returned outputs.

use cofferdam_core::outcome::{Code, Failure};
use cofferdam_core::output::Output;

use crate::plugin::limits::{Limit, Limits};

/// Maximum length of an output name in bytes; routes have no longer ones.
const NAME: usize = 256;

/// The messages that a guest has sent, and those that it has created and not sent, together within the limits on
/// outputs.
#[derive(Debug)]
pub(in crate::plugin) struct Outbox {
    outputs: Vec<Output>,
    most: usize,
    /// Bytes of sent and held messages.
    bytes: usize,
    most_bytes: usize,
    /// Number of messages that the guest holds.
    held: usize,
}

/// The guest exceeded its limits on outputs. Wrapped in the error that unwinds it.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.text)]
pub(in crate::plugin) struct Excess(pub(in crate::plugin) Failure);

impl Outbox {
    pub(in crate::plugin) fn new(limits: &Limits) -> Self {
        Self { outputs: Vec::new(), most: limits.outputs, bytes: 0, most_bytes: limits.output_bytes, held: 0 }
    }

    /// Stores an output.
    pub(in crate::plugin) fn send(&mut self, output: Output) -> wasmtime::Result<()> {
        if output.to.len() > NAME {
            let text = format!("invalid output name of {} bytes", output.to.len());
            return Err(Excess(Failure::contract(Code::UNKNOWN_OUTPUT, text)).into());
        }
        if self.outputs.len() >= self.most {
            let text = format!("outputs exceed the limit of {}", self.most);
            return Err(Excess(Limit::Outputs.exceeded(text)).into());
        }
        self.add(output.size())?;
        self.outputs.push(output);
        Ok(())
    }

    /// Adds a message of `bytes` that the guest holds.
    pub(in crate::plugin) fn charge(&mut self, bytes: usize) -> wasmtime::Result<()> {
        self.held += 1;
        self.add(bytes)
    }

    /// Changes the size of a message that the guest holds.
    pub(in crate::plugin) fn recharge(&mut self, before: usize, now: usize) -> wasmtime::Result<()> {
        self.bytes = self.bytes.saturating_sub(before);
        self.add(now)
    }

    /// Removes a message of `bytes` that the guest holds.
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
        Err(Excess(Limit::OutputBytes.exceeded(text)).into())
    }

    /// Removes and returns the sent messages in order.
    pub(in crate::plugin) fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// Returns whether the guest holds messages.
    pub(in crate::plugin) fn holds(&self) -> bool {
        self.held > 0
    }

    /// Begins a new attempt; the guest holds nothing.
    pub(in crate::plugin) fn renew(&mut self) {
        self.outputs.clear();
        self.bytes = 0;
    }
}
