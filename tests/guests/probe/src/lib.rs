//! A handler whose behaviour is chosen by the message: `{"do": "echo"}`, `"fail"`, `"loop"` and so on.

use cofferdam_sdk::{Failure, Message, Output, handler};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    #[serde(rename = "do")]
    what: What,
    /// Attempts that fail before one succeeds.
    #[serde(default)]
    times: u32,
    /// When what it needs is back, in milliseconds since 1970.
    #[serde(default)]
    until_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Copies the message to the output `out`.
    Echo,
    /// Fails retryably `times` times, then copies.
    Fail,
    /// Fails retryably before `until_ms`, then copies.
    Until,
    /// Never again.
    Permanent,
    /// A bug.
    Panic,
    /// Two bugs, in turn.
    Panics,
    /// Never returns.
    Loop,
    /// Waits in the host for `times` seconds.
    Sleep,
    /// Burns `times` million turns of a loop.
    Burn,
    /// Takes `times` MiB, uses them, and says how many bytes of memory it has.
    Grow,
    /// Gives an output of `times` kB.
    Expand,
}

/// Does what the message says.
///
/// # Errors
/// As the message says.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let order: Order = message.json()?;
    match order.what {
        What::Fail if message.attempt <= order.times => {
            return Err(Failure::retryable("SERVICE_UNAVAILABLE", format!("attempt {}", message.attempt)));
        }
        What::Until if now_ms() < order.until_ms => {
            return Err(Failure::retryable("SERVICE_UNAVAILABLE", "what it needs is away"));
        }
        What::Echo | What::Fail | What::Until => {}
        What::Sleep => std::thread::sleep(std::time::Duration::from_secs(order.times.into())),
        What::Burn => {
            for turn in 0..u64::from(order.times) * 1_000_000 {
                std::hint::black_box(turn);
            }
        }
        What::Grow => {
            std::hint::black_box(vec![1_u8; (order.times as usize) << 20]);
            return Ok(vec![Output::new("out", memory_bytes().to_string())]);
        }
        What::Expand => return Ok(vec![Output::new("out", vec![b'x'; order.times as usize * 1_000])]),
        What::Permanent => return Err(Failure::permanent("REFUSED", "as asked")),
        What::Panic => panic!("as asked"),
        What::Panics if message.attempt.is_multiple_of(2) => panic!("at attempt {}", message.attempt),
        What::Panics => panic!("the first time, or the third"),
        What::Loop => loop {
            std::hint::black_box(());
        },
    }
    Ok(vec![Output::copy_of(message, "out")])
}

/// Bytes of memory that this instance has.
fn memory_bytes() -> usize {
    #[cfg(target_arch = "wasm32")]
    return std::arch::wasm32::memory_size(0) << 16;
    #[cfg(not(target_arch = "wasm32"))]
    0
}

fn now_ms() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

handler!(handle);
