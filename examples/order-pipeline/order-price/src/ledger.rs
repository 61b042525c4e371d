//! Which tasks of an order are settled, and which of them completes the order: crash-safe, and exactly one.
//!
//! Every step can be the last before a crash, and the message then comes again, perhaps to another host; tasks of one
//! order are settled side by side. So:
//!
//! 1. *The result is noted first, by whoever comes first.* A task delivered twice, or priced and then reported as failed,
//!    keeps its first result.
//! 2. *Then the task is counted*, and noted as counted. A crash between the two counts it twice, never not at all: the
//!    counter says when it is worth looking, and not that the order is complete.
//! 3. *When the counter has reached the total, the results are looked up.* All there: the order is complete. The last
//!    task to count always sees this, because each noted its result before it counted.
//! 4. *One task closes the order*, the first to say so. If it comes again, it closes it again, with the same event under
//!    the same id, because its message has the same id; all others stay silent. So a crash between here and the
//!    publishing loses nothing, and nobody sees two different events for one order.
//!
//! Nothing is deleted: a task that comes again a week later must find what became of it.

use cofferdam_sdk::Failure;
use cofferdam_sdk::keyvalue::Bucket;
use serde::{Deserialize, Serialize};

use crate::task;

/// What became of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub(crate) enum Entry {
    /// It has its price.
    Priced { article: String, quantity: u32, unit_cents: u64, amount_cents: u64 },
    /// It failed for good, with the code of the failure.
    Failed { code: String },
}

impl Entry {
    /// What the item comes to; none where the task failed.
    pub(crate) fn amount_cents(&self) -> Option<u64> {
        match self {
            Self::Priced { amount_cents, .. } => Some(*amount_cents),
            Self::Failed { .. } => None,
        }
    }
}

/// The settled tasks of one order.
pub(crate) struct Ledger<'a> {
    bucket: &'a Bucket,
    order_id: &'a str,
    total_tasks: u32,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(bucket: &'a Bucket, order_id: &'a str, total_tasks: u32) -> Self {
        Self { bucket, order_id, total_tasks }
    }

    /// Notes that a task is settled. Returns the entries of all tasks, with their names, where this task is the one that
    /// completes the order.
    ///
    /// # Errors
    ///
    /// Retryable: the store is away. Permanent `STATE_INVALID`: something else wrote to the order's keys.
    pub(crate) fn settle(&self, task_name: &str, entry: &Entry) -> Result<Option<Vec<(String, Entry)>>, Failure> {
        let note = serde_json::to_vec(entry).map_err(|error| Failure::permanent("STATE_INVALID", error.to_string()))?;
        self.bucket.set_if_absent(&self.key("task", task_name), note)?;

        if self.count(task_name)? < i64::from(self.total_tasks) {
            return Ok(None);
        }
        let Some(entries) = self.entries()? else {
            return Ok(None);
        };
        let closed_by = self.bucket.set_if_absent(&self.key("closed-by", ""), task_name)?;
        let is_closer = closed_by.is_none_or(|closer| closer == task_name.as_bytes());
        Ok(is_closer.then_some(entries))
    }

    /// Counts the task unless it was counted before, and returns the counter.
    fn count(&self, task_name: &str) -> Result<i64, Failure> {
        let (counter, counted) = (self.key("settled", ""), self.key("counted", task_name));
        if self.bucket.exists(&counted)? {
            return Ok(self.bucket.increment(&counter, 0)?);
        }
        let settled = self.bucket.increment(&counter, 1)?;
        self.bucket.set(&counted, "")?;
        Ok(settled)
    }

    /// The entries of all tasks; none where one is still missing.
    fn entries(&self) -> Result<Option<Vec<(String, Entry)>>, Failure> {
        let mut entries = Vec::new();
        for name in task::names(self.total_tasks) {
            let Some(note) = self.bucket.get(&self.key("task", &name))? else {
                return Ok(None);
            };
            let entry = serde_json::from_slice(&note)
                .map_err(|error| Failure::permanent("STATE_INVALID", format!("the note of {name}: {error}")))?;
            entries.push((name, entry));
        }
        Ok(Some(entries))
    }

    fn key(&self, what: &str, task_name: &str) -> String {
        format!("{}/{what}/{task_name}", self.order_id)
    }
}
