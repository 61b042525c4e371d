//! The rules for names.

/// Checks the name of a service, plugin, route or output: 1 to 64 letters, digits, `-`, `_` and `.`.
pub(in crate::config) fn identifier(name: &str) -> Result<(), &'static str> {
    let fits = (1..=64).contains(&name.len()) && is_of(name, b"-_.");
    if fits { Ok(()) } else { Err("expected 1 to 64 letters, digits, `-`, `_` and `.`") }
}

/// Checks the name of a Kafka topic: 1 to 249 letters, digits, `.`, `_` and `-`.
pub(in crate::config) fn topic(name: &str) -> Result<(), &'static str> {
    let fits = (1..=249).contains(&name.len()) && is_of(name, b"-_.") && name != "." && name != "..";
    if fits { Ok(()) } else { Err("expected a topic name of 1 to 249 letters, digits, `.`, `_` and `-`") }
}

/// Checks the name of an SQS queue, or its URL. A name has 1 to 80 letters, digits, `-` and `_`; the name of a FIFO
/// queue ends in `.fifo`.
pub(in crate::config) fn queue(name: &str) -> Result<(), &'static str> {
    let address = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://"));
    let name = match address.map(|address| address.rsplit_once('/')) {
        Some(Some((_, last))) => last,
        Some(None) => "",
        None => name,
    };
    let stem = name.strip_suffix(".fifo").unwrap_or(name);
    let fits = name.len() <= 80 && !stem.is_empty() && is_of(stem, b"-_");
    let rule =
        "expected a queue name of 1 to 80 letters, digits, `-` and `_`, with the suffix `.fifo` for a FIFO queue";
    if fits { Ok(()) } else { Err(rule) }
}

/// Checks the name of a consumer group: 1 to 249 characters, no space and no invisible character.
pub(in crate::config) fn consumer_group(name: &str) -> Result<(), &'static str> {
    let fits = (1..=249).contains(&name.len()) && !name.contains(|c: char| c.is_whitespace() || c.is_control());
    if fits { Ok(()) } else { Err("expected a consumer group of 1 to 249 bytes without spaces") }
}

fn is_of(name: &str, others: &[u8]) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_as_their_broker_would() {
        for good in ["orders.placed", "A-1_b", &"x".repeat(249)] {
            assert_eq!(topic(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a b", "ü", "a/b", &"x".repeat(250)] {
            assert!(topic(bad).is_err(), "{bad}");
        }
        for good in ["tasks", "tasks.fifo", "https://sqs.eu-west-1.amazonaws.com/1/tasks.fifo", &"x".repeat(80)] {
            assert_eq!(queue(good), Ok(()), "{good}");
        }
        for bad in ["", ".fifo", "a.b", "a.fifo.fifo", "https://", "https://host/", &"x".repeat(81)] {
            assert!(queue(bad).is_err(), "{bad}");
        }
    }
}
