//! Adds to each order the rate that a server has for its currency. Without an answer the order is retried.

use cofferdam_sdk::{Failure, Message, Output, config, http};
use serde_json::Value;

fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let mut order: Value = message.json()?;
    let answer = http::get(config::require("rates")?).send()?;
    if answer.status != 200 {
        return Err(Failure::retryable("RATES_UNAVAILABLE", format!("status {}", answer.status)));
    }
    let rates: Value = answer.json()?;
    order["rate"] = rates[order["currency"].as_str().unwrap_or_default()].clone();
    Ok(vec![Output::json("enriched", &order)?])
}

cofferdam_sdk::handler!(handle);
