//! Where letters may say that they came from.
//!
//! A letter names its origin, and a replay writes there. Whoever may write to the dead-letter topic or queue can make it
//! name any place, so a place that no route of the configuration reads is not believed unless somebody says so.

use std::collections::BTreeSet;
use std::sync::Arc;

use cofferdam_core::output::Destination;

use crate::kafka::expression::Expression;

/// The sources of the configured routes.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    sources: BTreeSet<Destination>,
    expressions: Vec<Arc<Expression>>,
    any: bool,
}

impl Origins {
    /// Every place is believed.
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Adds a topic, or an expression that begins with `^`. One that is not understood matches nothing.
    pub fn add_topic(&mut self, topic: &str) {
        if topic.starts_with('^') {
            self.expressions.extend(Expression::new(topic).map(Arc::new));
        } else {
            self.sources.insert(Destination::Kafka(topic.into()));
        }
    }

    /// Adds a queue, by name or by address; letters name it by its name.
    pub fn add_queue(&mut self, queue: &str) {
        let name = queue.trim_end_matches('/').rsplit('/').next().unwrap_or(queue);
        self.sources.insert(Destination::Sqs(name.into()));
    }

    /// Whether a route reads this.
    pub(super) fn know(&self, destination: &Destination) -> bool {
        self.any || self.sources.contains(destination) || self.matches(destination)
    }

    fn matches(&self, destination: &Destination) -> bool {
        let Destination::Kafka(topic) = destination else { return false };
        self.expressions.iter().any(|expression| expression.matches(topic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_route_reads_is_known() {
        let mut origins = Origins::default();
        ["orders", r"^tenant\.[a-z]+$", "^(broken"].iter().for_each(|topic| origins.add_topic(topic));
        ["tasks.fifo", "https://sqs.eu-west-1.amazonaws.com/123/mails"]
            .iter()
            .for_each(|queue| origins.add_queue(queue));
        for known in ["kafka:orders", "kafka:tenant.acme", "sqs:tasks.fifo", "sqs:mails"] {
            assert!(origins.know(&destination(known)), "{known}");
        }
        for unknown in ["kafka:payments", "kafka:tenant.1", "kafka:mails", "sqs:orders", "kafka:(broken", "sqs:"] {
            assert!(!origins.know(&destination(unknown)), "{unknown}");
        }
        assert!(Origins::any().know(&destination("kafka:payments")));
    }

    fn destination(text: &str) -> Destination {
        match text.split_once(':') {
            Some(("kafka", topic)) => Destination::Kafka(topic.into()),
            Some((_, queue)) => Destination::Sqs(queue.into()),
            None => panic!("no destination: {text}"),
        }
    }
}
