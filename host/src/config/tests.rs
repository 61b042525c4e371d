mod accepted;
mod arbitrary;
mod reference;
mod refused;

use std::path::Path;

use super::{Config, Errors};

/// A minimal configuration that tests extend or break.
const LEAST: &str = r#"[service]
name = "orders"
[kafka]
bootstrap_servers = "127.0.0.1:9092"
[sqs]
[plugins.price]
path = "price.wasm"
[[routes]]
name = "price-orders"
from = { kafka = ["orders.placed"], group = "pricing" }
handler = "price"
"#;

fn parse(text: &str) -> Result<Config, Errors> {
    let environment = |name: &str| match name {
        "KAFKA_BOOTSTRAP" => Some("kafka-1:9092,kafka-2:9092".to_owned()),
        "CONCURRENCY" => Some("8".to_owned()),
        "API_KEY" => Some("hunter2".to_owned()),
        "SHORT" => Some("abc".to_owned()),
        "WORDS" => Some("many".to_owned()),
        _ => None,
    };
    Config::parse(text, Path::new("etc/cofferdam.toml"), &environment)
}

/// [`LEAST`] with `old` replaced by `new`, or with `new` appended if `old` is empty.
fn changed(old: &str, new: &str) -> String {
    if old.is_empty() {
        return format!("{LEAST}{new}");
    }
    assert!(LEAST.contains(old), "{old}");
    LEAST.replacen(old, new, 1)
}
