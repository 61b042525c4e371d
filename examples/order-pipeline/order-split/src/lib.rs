//! Splits an order into one task for each line item.
//!
//! An order that carries `simulate` misbehaves on purpose: see [`Simulation`].

mod simulation;

use cofferdam_sdk::{Failure, Message, Output};
use serde::{Deserialize, Serialize};

pub use simulation::Simulation;

cofferdam_sdk::handler!(handle);

/// The type of the events this handler takes.
pub const ORDER_PLACED: &str = "com.example.order.placed";
/// The type of the tasks this handler emits.
pub const ITEM_REQUESTED: &str = "com.example.order.item.requested";

/// What `com.example.order.placed` carries.
#[derive(Debug, Deserialize)]
struct Order {
    order_id: String,
    items: Vec<Item>,
    #[serde(default)]
    simulate: Option<Simulation>,
}

#[derive(Debug, Deserialize)]
struct Item {
    article: String,
    quantity: u32,
}

/// What a task carries: all that is needed to price the item and to know when the order is complete.
#[derive(Debug, Serialize)]
struct Task<'a> {
    order_id: &'a str,
    task_name: &'a str,
    total_tasks: usize,
    article: &'a str,
    quantity: u32,
}

/// Emits one task for each line item to the output `tasks`.
///
/// # Errors
///
/// Permanent `VALIDATION_ERROR`: not an order, or an order without items.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    let kind = message.required_attribute("type")?;
    if kind != ORDER_PLACED {
        return Err(Failure::validation(format!("events of type {kind:?} are not split")));
    }
    let order: Order = message.json()?;
    if let Some(simulation) = order.simulate
        && let Some(ending) = simulation.run(message.attempt)
    {
        return ending;
    }
    if order.items.is_empty() {
        return Err(Failure::validation(format!(
            "order {} has no items: nothing would ever complete it",
            order.order_id
        )));
    }
    let total = order.items.len();
    (1..).zip(&order.items).map(|(number, item)| task(&order.order_id, total, number, item)).collect()
}

fn task(order_id: &str, total_tasks: usize, number: usize, item: &Item) -> Result<Output, Failure> {
    let task_name = format!("item-{number}");
    let task = Task { order_id, task_name: &task_name, total_tasks, article: &item.article, quantity: item.quantity };
    // No key here: it would go before the group template of the route.
    Ok(Output::json("tasks", &task)?
        .attribute("type", ITEM_REQUESTED)
        .attribute("entityid", order_id)
        .attribute("taskname", &task_name)
        .attribute("totaltasks", total_tasks.to_string()))
}

#[cfg(test)]
mod tests;
