//! Copies each message to another topic: key, headers and value.

use cofferdam_sdk::{Failure, Message, Output};

fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    Ok(vec![Output::copy_of(message, "copy")])
}

cofferdam_sdk::handler!(handle);
