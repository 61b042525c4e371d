//! Passes on orders of 100 or more. An order without a total is a dead letter.

use cofferdam_sdk::{Failure, Message, Output};

#[derive(serde::Deserialize)]
struct Order {
    total: u64,
}

fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let order: Order = message.json()?;
    Ok(if order.total >= 100 { vec![Output::copy_of(message, "large")] } else { vec![] })
}

cofferdam_sdk::handler!(handle);
