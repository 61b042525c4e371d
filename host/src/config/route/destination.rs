//! `{ kafka = "topic" }` or `{ sqs = "queue" }`.

use cofferdam_core::output::Destination;

use super::super::read::{Table, Value, queue, topic};
use crate::broker::{kafka, sqs};

const EXAMPLE: &str = "{ kafka = \"a-topic\" } or { sqs = \"a-queue\" }";

/// A destination without other keys.
pub(super) fn destination(value: &Value<'_>) -> Option<Destination> {
    value.table(EXAMPLE, |table| inside(value, table))?
}

/// A destination with other keys in the same `table`, which is the content of `value`.
pub(super) fn inside(value: &Value<'_>, table: &Table<'_>) -> Option<Destination> {
    match (table.get("kafka"), table.get("sqs")) {
        (Some(to), None) => Some(kafka::topic(to.name("orders.priced", topic)?)),
        (None, Some(to)) => Some(sqs::queue(to.name("tasks.fifo", queue)?)),
        (Some(_), Some(both)) => {
            both.refuse("both kafka and sqs are set", "set either kafka or sqs, not both");
            None
        }
        (None, None) => {
            value.problem("neither kafka nor sqs is set", format!("write for example {EXAMPLE}"));
            None
        }
    }
}
