//! One line for each message, for people who watch.

use std::fmt::Write as _;
use std::io::Write as _;

use cofferdam_core::action::{Fate, Next};
use cofferdam_core::machine::Delivery;
use cofferdam_core::outcome::Outcome;
use serde_json::json;

use crate::flow::Observer;

/// Prints what becomes of each message of a route.
pub(super) struct Lines {
    pub(super) route: Box<str>,
    pub(super) json: bool,
}

impl Observer for Lines {
    fn settled(&mut self, delivery: &Delivery, fate: Fate) {
        let word = match fate {
            Fate::Done => "done",
            Fate::DeadLettered => "dead letter",
            Fate::Ignored => "ignored",
            Fate::Duplicate => "duplicate",
            // What comes next for these was told when the attempt ended.
            Fate::Released | Fate::Revoked | Fate::Abandoned => return,
        };
        self.print(delivery, word, "");
    }

    fn troubled(&mut self, delivery: &Delivery, next: Next) {
        let (word, wait) = match next {
            Next::Retry(wait) => ("retry", wait),
            Next::Defer(wait) => ("deferred", wait),
            Next::Hold(wait) => ("held", wait),
        };
        self.print(delivery, word, &format!(" in {} ms", wait.as_millis()));
    }
}

impl Lines {
    fn print(&self, delivery: &Delivery, word: &str, more: &str) {
        let record = delivery.record();
        let failure = delivery.ended().and_then(|ended| match &ended.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Done(_) => None,
        });
        let wall_us = delivery.ended().map_or(0, |ended| ended.usage.wall_us);
        let key = record.key.as_ref().map(|key| String::from_utf8_lossy(key).escape_debug().to_string());
        if self.json {
            let line = json!({
                "route": self.route,
                "source": record.source,
                "position": record.position.to_string(),
                "key": key,
                "event": word.replace(' ', "_"),
                "outcome": failure.map_or("done", |failure| failure.class.as_str()),
                "code": failure.map(|failure| failure.code.as_str()),
                "text": failure.map(|failure| &failure.text),
                "attempt": delivery.attempt(),
                "wall_us": wall_us,
                "outputs": if failure.is_none() { delivery.publications() } else { 0 },
            });
            super::print_line(&line.to_string());
            return;
        }
        let mut line = format!(
            "{:<14} {:<24} {:<28} {word}{more}",
            self.route,
            format!("{}/{}", record.source, short(&record.position.to_string())),
            key.unwrap_or_else(|| "-".into()),
        );
        match failure {
            None => {
                let _ = write!(line, ", {} out, {wall_us} us", delivery.publications());
            }
            Some(failure) => {
                let text: String = failure.text.escape_debug().take(160).collect();
                let _ = write!(line, ": {} {}: {text}", failure.class, failure.code);
            }
        }
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// SQS message ids are long, and their first part tells them apart.
fn short(position: &str) -> &str {
    if position.len() > 20 { &position[..8] } else { position }
}
