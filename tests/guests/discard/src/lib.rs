//! A handler without outputs: what is measured beside it is receiving and deleting.

use cofferdam_sdk::{Failure, Message, Output, handler};

handler!(handle);

/// Takes the message, and that is all.
///
/// # Errors
/// None.
pub fn handle(_: Message) -> Result<Vec<Output>, Failure> {
    Ok(Vec::new())
}
