//! What is to come out.

use serde_json::{Map, Value, json};

use crate::orders::Order;
use crate::poison::{self, DeadLetter, Ending, Poison};

/// Of the whole pipeline.
pub(crate) fn of_pipeline(orders: &[Order]) -> Value {
    let rescued: Vec<Order> = poison::ALL.iter().filter_map(Poison::priced).collect();
    let priced: Vec<&Order> = orders.iter().chain(&rescued).collect();
    let tasks: usize = priced.iter().map(|order| order.tasks()).sum();
    let dead: Vec<(String, &DeadLetter)> =
        poison::ALL.iter().filter_map(|poison| Some((poison.key(), poison.dead_letter.as_ref()?))).collect();

    let messages = orders.len() + poison::ALL.len();
    // Every dead letter has an error event, and every error event is read by `close-failed`.
    let received = messages + tasks + dead.len();
    let retried: usize = dead.iter().map(|(_, dead_letter)| usize::from(dead_letter.attempts) - 1).sum();
    let account = json!({
        "received": received,
        "done": received - dead.len(),
        "dead_lettered": dead.len(),
        "retried": retried + 2, // and the two of `retry-twice`
        "deferred": 0,
        "outputs": tasks + priced.len(),
    });
    let dead_letters: Vec<Value> = dead
        .iter()
        .map(|(key, dead_letter)| {
            let destination = Map::from_iter([(dead_letter.broker.to_owned(), json!(dead_letter.destination))]);
            json!({
                "order": key,
                "destination": destination,
                "outcome": dead_letter.outcome,
                "code": dead_letter.code,
                "attempts": dead_letter.attempts,
            })
        })
        .collect();
    let is_partial = |poison: &&Poison| poison.dead_letter.is_some() && poison.priced().is_some();
    json!({
        "messages": messages,
        "tasks": tasks,
        "priced": priced.len(),
        "total_cents": priced.iter().map(|order| order.total_cents()).sum::<u64>(),
        "partial": poison::ALL.iter().filter(is_partial).map(Poison::key).collect::<Vec<_>>(),
        "dead_letters": dead_letters,
        "account_when_nothing_comes_twice": account,
    })
}

/// Of `cofferdam invoke` on each file of the folder `poison`.
pub(crate) fn of_invoke() -> Value {
    let row = |file: &str, route: &str, ending: &Ending| json!({ "file": file, "route": route, "outcome": ending.outcome, "code": ending.code, "exit": ending.exit });
    let mut rows: Vec<Value> =
        poison::ALL.iter().map(|poison| row(&format!("{}.json", poison.name), "split-orders", &poison.first)).collect();
    let (file, _, ending) = poison::failing_task();
    rows.push(row(file, "price-tasks", &ending));
    Value::Array(rows)
}
