//! Error events, among which are those of tasks that failed for good.

use cofferdam_sdk::{Failure, Message, config};
use serde::Deserialize;
use serde_json::Value;

use crate::ledger::Entry;
use crate::task::Task;

/// What the host writes to the error topic, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorEvent {
    route: String,
    error_type: String,
    /// The message as it stood on the broker: a string, or `{"base64": ...}` where it is no text.
    original_message: Value,
}

impl ErrorEvent {
    /// Reads the payload of a message of the error topic.
    ///
    /// # Errors
    ///
    /// Permanent `VALIDATION_ERROR`: it is no error event.
    pub(crate) fn read(message: &Message) -> Result<Self, Failure> {
        message.json()
    }

    /// The task that failed, with what is to be noted of it; none where the error is of another route.
    ///
    /// # Errors
    ///
    /// Permanent `VALIDATION_ERROR`: the message that failed is no task, so no order can be closed for it. It then stands
    /// in the dead letters of both routes, where somebody can see it.
    pub(crate) fn failed_task(self) -> Result<Option<(Task, Entry)>, Failure> {
        let tasks_route = config::get("tasks_route")?.unwrap_or_else(|| "price-tasks".to_owned());
        if self.route != tasks_route {
            return Ok(None);
        }
        let task = self.original_task().ok_or_else(|| {
            Failure::validation("the message that failed is no task: the order it belongs to cannot be told")
        })?;
        task.check()?;
        Ok(Some((task, Entry::Failed { code: self.error_type })))
    }

    /// A CloudEvent in structured mode has the task as its data; in binary mode the task is the whole body.
    fn original_task(&self) -> Option<Task> {
        let mut body: Value = serde_json::from_str(self.original_message.as_str()?).ok()?;
        let is_event = body.get("specversion").is_some();
        let task = if is_event { body.get_mut("data")?.take() } else { body };
        serde_json::from_value(task).ok()
    }
}
