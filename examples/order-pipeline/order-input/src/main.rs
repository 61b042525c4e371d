//! Writes the input of the order pipeline and what is expected of it. The same bytes every time: run it after a change
//! of the tables here, and commit what it writes.
//!
//! ```sh
//! cargo run -p order-input
//! ```

mod event;
mod expected;
mod orders;
mod poison;
mod random;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::Value;

use crate::orders::Order;
use crate::poison::Poison;

/// How many messages are fed in, poison included.
const MESSAGES: usize = 1000;

fn main() -> anyhow::Result<()> {
    for (path, content) in files() {
        let path = example().join(path);
        std::fs::write(&path, content).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// The folder of the example.
fn example() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All files by their path within the example, with their content.
fn files() -> BTreeMap<PathBuf, String> {
    let orders = orders::make(MESSAGES - poison::ALL.len());
    let mut files = BTreeMap::new();
    files.insert("input/orders.placed.jsonl".into(), lines(&orders));
    files.insert("expected.json".into(), pretty(&expected::of_pipeline(&orders)));
    for (name, message) in poison::files() {
        files.insert(Path::new("poison").join(name), pretty(&message));
    }
    files.insert("poison/expected.json".into(), pretty(&expected::of_invoke()));
    files
}

/// One message a line, with the poison spread evenly among the orders.
fn lines(orders: &[Order]) -> String {
    let place = |index: usize| (index + 1) * MESSAGES / (poison::ALL.len() + 1);
    let mut poison: BTreeMap<usize, &Poison> = (0..).map(place).zip(poison::ALL).collect();
    let mut orders = orders.iter();
    let mut lines = String::new();
    for number in 0..MESSAGES {
        let message = match poison.remove(&number) {
            Some(poison) => Some(poison.message()),
            None => orders.next().map(Order::message),
        };
        if let Some(message) = message {
            lines.push_str(&message.to_string());
            lines.push('\n');
        }
    }
    lines
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}

#[cfg(test)]
mod tests;
