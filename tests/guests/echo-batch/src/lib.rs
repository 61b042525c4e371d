//! What `echo` does, with several messages in one call.

use cofferdam_sdk::{Failure, Message, Output, batch_handler};

batch_handler!(handle_batch);

/// Copies each message to the output `out`.
///
/// # Errors
/// None.
pub fn handle_batch(messages: Vec<Message>) -> Vec<Result<Vec<Output>, Failure>> {
    messages.into_iter().map(|message| Ok(vec![Output::copy_of(message, "out")])).collect()
}
