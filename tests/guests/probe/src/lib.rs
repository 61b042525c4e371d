//! A handler whose behaviour is chosen by the message: `{"do": "echo"}`, `"fail"`, `"panic"`, `"loop"`.

use cofferdam_sdk::{Failure, Message, Output, handler};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    #[serde(rename = "do")]
    what: What,
    /// Attempts that fail before one succeeds.
    #[serde(default)]
    times: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum What {
    /// Copies the message to the output `out`.
    Echo,
    /// Fails retryably `times` times, then copies.
    Fail,
    /// Never again.
    Permanent,
    /// A bug.
    Panic,
    /// Never returns.
    Loop,
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
        What::Echo | What::Fail => {}
        What::Permanent => return Err(Failure::permanent("REFUSED", "as asked")),
        What::Panic => panic!("as asked"),
        What::Loop => loop {
            std::hint::black_box(());
        },
    }
    Ok(vec![Output::copy_of(message, "out")])
}

handler!(handle);
