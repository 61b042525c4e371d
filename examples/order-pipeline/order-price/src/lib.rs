//! Prices the tasks of an order, and emits the priced order when its last task is settled.
//!
//! Two routes lead here: the tasks themselves, and the error events, among which are those of tasks that failed for
//! good. Either way a task is settled, priced or failed, in the ledger that both share.

mod failed;
mod ledger;
mod task;

use cofferdam_sdk::{Failure, Message, Output, config, keyvalue, log};
use serde::Serialize;

use crate::failed::ErrorEvent;
use crate::ledger::{Entry, Ledger};
use crate::task::Task;

cofferdam_sdk::handler!(handle);

/// The type of the tasks this handler takes.
pub const ITEM_REQUESTED: &str = "com.example.order.item.requested";
/// The type of the events this handler emits.
pub const ORDER_PRICED: &str = "com.example.order.priced";

/// What `com.example.order.priced` carries. Nothing here depends on when it is written, or on which attempt: the same
/// order is priced the same every time.
#[derive(Debug, Serialize)]
struct Priced<'a> {
    order_id: &'a str,
    currency: &'a str,
    total_cents: u64,
    /// Whether an item is missing because its task failed for good.
    partial: bool,
    items: Vec<Item<'a>>,
}

#[derive(Debug, Serialize)]
struct Item<'a> {
    task_name: &'a str,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// Takes a task or an error event, and emits the priced order to the output `priced` where that settled its last task.
///
/// # Errors
///
/// Permanent `VALIDATION_ERROR`: no task, an article that is not in the price list, or an amount that does not fit.
/// Retryable `SERVICE_UNAVAILABLE`: the key-value store is away. Deferred: the configuration is incomplete.
pub fn handle(message: Message) -> Result<Vec<Output>, Failure> {
    match message.attribute("type") {
        Some(ITEM_REQUESTED) => {
            let task: Task = message.json()?;
            task.check()?;
            let entry = price(&task)?;
            settle(&task, &entry)
        }
        Some(other) => Err(Failure::validation(format!("events of type {other:?} are not priced"))),
        None => match ErrorEvent::read(&message)?.failed_task()? {
            Some((task, entry)) => {
                log::warn(format_args!("{} of {} failed for good", task.task_name, task.order_id));
                settle(&task, &entry)
            }
            None => Ok(vec![]),
        },
    }
}

/// Looks the article up in the plugin's configuration: `price.<article>`, in cents.
fn price(task: &Task) -> Result<Entry, Failure> {
    let name = format!("price.{}", task.article);
    let unit = config::get(&name)?
        .ok_or_else(|| Failure::validation(format!("the price list has no article {:?}", task.article)))?;
    let unit_cents: u64 = unit.parse().map_err(|_| {
        Failure::deferred("CONFIGURATION_INVALID", format!("{name} is {unit:?}, not a number of cents"))
    })?;
    let amount_cents = unit_cents
        .checked_mul(u64::from(task.quantity))
        .ok_or_else(|| Failure::validation("the amount does not fit"))?;
    Ok(Entry::Priced { article: task.article.clone(), quantity: task.quantity, unit_cents, amount_cents })
}

fn settle(task: &Task, entry: &Entry) -> Result<Vec<Output>, Failure> {
    let currency = config::require("currency")?;
    let bucket = keyvalue::open("orders")?;
    let ledger = Ledger::new(&bucket, &task.order_id, task.total_tasks);
    let Some(entries) = ledger.settle(&task.task_name, entry)? else {
        return Ok(vec![]);
    };
    let total_cents = entries
        .iter()
        .filter_map(|(_, entry)| entry.amount_cents())
        .try_fold(0_u64, u64::checked_add)
        .ok_or_else(|| Failure::validation(format!("the total of {} does not fit", task.order_id)))?;
    let priced = Priced {
        order_id: &task.order_id,
        currency: &currency,
        total_cents,
        partial: entries.iter().any(|(_, entry)| entry.amount_cents().is_none()),
        items: entries.iter().map(|(task_name, entry)| Item { task_name, entry }).collect(),
    };
    Ok(vec![Output::json("priced", &priced)?.attribute("type", ORDER_PRICED).attribute("entityid", &task.order_id)])
}

#[cfg(test)]
mod tests;
