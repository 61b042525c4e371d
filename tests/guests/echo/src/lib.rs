//! A handler that costs as little as one can: what is measured beside it is the host. The header `do` asks for more:
//! `wait` waits a millisecond in a host call, `loop` never ends.

use std::time::Duration;

use cofferdam_sdk::{Failure, Message, Output, handler};

handler!(handle);

/// Copies the message to the output `out`.
///
/// # Errors
/// None.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    match message.header("do") {
        Some(b"wait") => std::thread::sleep(Duration::from_millis(1)),
        Some(b"loop") => loop {
            std::hint::black_box(());
        },
        _ => {}
    }
    Ok(vec![Output::copy_of(message, "out")])
}
