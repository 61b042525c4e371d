//! Ways to misbehave, one for each way a host must be able to bear.

use cofferdam_sdk::{Failure, Output};
use serde::Deserialize;

/// What an order can ask for in its field `simulate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Simulation {
    /// Says `retryable` twice and then does its work.
    RetryTwice,
    /// A bug.
    Panic,
    /// Never returns.
    EndlessLoop,
    /// Asks for memory until there is none.
    MemoryBomb,
    /// Calls itself until the stack is used up.
    StackOverflow,
    /// Emits to an output the route does not have.
    UnknownOutput,
    /// Emits more than the plugin's limit `outputs` allows.
    TooManyOutputs,
    /// Ends the program.
    Exit,
    /// Emits more bytes than the plugin's limit `output_bytes` allows.
    TooLarge,
}

/// More than the 50 of `cofferdam.toml`.
const MANY: usize = 200;
/// More than the 256 KiB of `cofferdam.toml`, in bytes.
const LARGE: usize = 1 << 20;
/// How much the memory bomb asks for at a time, in bytes.
const CHUNK: usize = 1 << 20;

impl Simulation {
    /// Misbehaves. None: go on as if nothing had been asked for.
    pub(crate) fn run(self, attempt: u32) -> Option<Result<Vec<Output>, Failure>> {
        match self {
            Self::RetryTwice if attempt <= 2 => {
                Some(Err(Failure::retryable("SERVICE_UNAVAILABLE", format!("attempt {attempt} was asked to fail"))))
            }
            Self::RetryTwice => None,
            Self::Panic => panic!("the order asked for a panic"),
            Self::EndlessLoop => loop {
                std::hint::spin_loop();
            },
            Self::MemoryBomb => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(vec![1_u8; CHUNK]);
                    std::hint::black_box(&hoard);
                }
            }
            Self::StackOverflow => {
                let depth = deeper(u64::from(attempt), u64::MAX);
                Some(Ok(vec![Output::new("tasks", depth.to_string())]))
            }
            Self::UnknownOutput => Some(Ok(vec![Output::new("nowhere", "")])),
            Self::TooManyOutputs => Some(Ok(vec![Output::new("tasks", ""); MANY])),
            Self::Exit => std::process::exit(3),
            Self::TooLarge => Some(Ok(vec![Output::new("tasks", vec![b' '; LARGE])])),
        }
    }
}

/// Keeps its state in locals and nothing in memory, so that what overflows is the stack of the engine. A Rust guest that
/// keeps something on its own stack in memory runs out of that first, and ends as an access out of bounds.
#[inline(never)]
fn deeper(seed: u64, left: u64) -> u64 {
    if left == 0 { seed } else { deeper(seed ^ left, left - 1).wrapping_mul(31) ^ left }
}
