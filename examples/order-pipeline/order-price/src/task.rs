//! The task as the splitting handler writes it.

use cofferdam_sdk::Failure;
use serde::Deserialize;

/// An order of more tasks than this is refused: completing it looks at every one.
const MAX_TASKS: u32 = 1000;

/// One line item to price.
#[derive(Debug, Deserialize)]
pub(crate) struct Task {
    pub(crate) order_id: String,
    /// `item-1` to `item-<total_tasks>`.
    pub(crate) task_name: String,
    pub(crate) total_tasks: u32,
    pub(crate) article: String,
    pub(crate) quantity: u32,
}

impl Task {
    /// Whether the task can be settled at all: it must be one of its order's tasks, or it would be counted and never found.
    ///
    /// # Errors
    ///
    /// Permanent `VALIDATION_ERROR`.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if !(1..=MAX_TASKS).contains(&self.total_tasks) {
            return Err(Failure::validation(format!("total_tasks is {}, not 1 to {MAX_TASKS}", self.total_tasks)));
        }
        if !names(self.total_tasks).any(|name| name == self.task_name) {
            return Err(Failure::validation(format!(
                "{:?} is not one of the {} tasks of {}",
                self.task_name, self.total_tasks, self.order_id
            )));
        }
        Ok(())
    }
}

/// The names of all tasks of an order, in the order of its items.
pub(crate) fn names(total_tasks: u32) -> impl Iterator<Item = String> {
    (1..=total_tasks).map(|number| format!("item-{number}"))
}
