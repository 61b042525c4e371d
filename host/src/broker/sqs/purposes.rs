//! Errors about queues, with the region, the endpoint, the use of the queue and a remedy.

use std::collections::BTreeMap;

use cofferdam_core::output::Destination;
use cofferdam_core::route::DeadLetterRule;

use crate::broker::sqs;
use crate::broker::sqs::queue::Error;
use crate::exit::{Exit, Problem};
use crate::plan::RouteConfig;

/// The region, the endpoint, and the use of each queue.
#[derive(Debug, Default)]
pub(super) struct Queues {
    place: String,
    purposes: BTreeMap<String, Purpose>,
}

#[derive(Debug)]
struct Purpose {
    /// For example: output `priced` of route `r`.
    text: String,
    /// Whether the queue is the default dead-letter queue of a route, so that no configuration names it.
    default: bool,
}

impl Queues {
    /// Collects the uses of all queues of a configuration. `region` is the region that the client uses.
    pub(super) fn of(routes: &[RouteConfig], endpoint: Option<&str>, region: Option<&str>) -> Self {
        let region = region.map_or_else(|| "no region".to_owned(), |region| format!("region {region}"));
        let place = endpoint.map_or_else(|| region.clone(), |endpoint| format!("endpoint {endpoint}, {region}"));
        let mut queues = Self { place, purposes: BTreeMap::new() };
        for route in routes {
            queues.add_route(route);
        }
        queues
    }

    fn add_route(&mut self, route: &RouteConfig) {
        let name = route.name();
        let read = route.route(None);
        for queue in route.source.named().filter(|_| route.source.broker == sqs::NAME) {
            self.add(queue, format!("the source of route `{name}`"), false);
        }
        for (output, rule) in &read.outputs {
            self.add_destination(&rule.destination, format!("output `{output}` of route `{name}`"), false);
        }
        let default = route.dead_letter.is_none();
        if let DeadLetterRule::To(destination) = &read.dead_letter {
            let what = if default { "the default dead_letter" } else { "the dead_letter" };
            self.add_destination(destination, format!("{what} of route `{name}`"), default);
        }
        if let Some(destination) = &read.errors {
            self.add_destination(destination, format!("the errors of route `{name}`"), false);
        }
    }

    fn add_destination(&mut self, destination: &Destination, text: String, default: bool) {
        if destination.broker == sqs::NAME {
            let queue = &destination.name;
            self.add(queue, text, default);
        }
    }

    /// Adds a use of a queue. Only the first use of a queue is kept.
    fn add(&mut self, queue: &str, text: String, default: bool) {
        self.purposes.entry(queue.to_owned()).or_insert(Purpose { text, default });
    }

    /// Returns the problem to report for an unusable queue.
    pub(super) fn problem(&self, error: &Error) -> Problem {
        let purpose = self.purposes.get(error.queue());
        let remedy = match error {
            Error::Missing { .. } if purpose.is_some_and(|purpose| purpose.default) => {
                "create the queue, set [sqs] create = true, or name another: dead_letter = { sqs = \"...\" }".to_owned()
            }
            Error::Missing { .. } => {
                "create the queue, set [sqs] create = true, or correct its name, region or endpoint in [sqs]".to_owned()
            }
            Error::Refused { text, action, .. } if !text.contains(';') => format!("allow {action} on the queue"),
            Error::Unreachable { text, .. } if !text.contains(';') => {
                "check region and endpoint in [sqs], and the network".to_owned()
            }
            // The text of the error contains the remedy.
            Error::Refused { .. } | Error::Unreachable { .. } | Error::Answer { .. } => String::new(),
        };
        let used = purpose.map_or_else(String::new, |purpose| format!(", {}", purpose.text));
        Problem::new(Exit::Unavailable, format!("{error} ({}{used})", self.place), remedy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queues() -> Queues {
        let mut queues = Queues { place: "endpoint http://here, region eu-west-1".into(), ..Queues::default() };
        queues.add("orders-dlq", "the default dead_letter of route `r`".into(), true);
        queues.add("in", "the source of route `r`".into(), false);
        queues
    }

    #[test]
    fn a_queue_that_nobody_has_named_is_told_as_the_default_with_both_ways_out() {
        let error = Error::Missing { queue: "orders-dlq".into(), text: "QueueDoesNotExist".into() };
        assert_eq!(
            queues().problem(&error).to_string(),
            "no queue `orders-dlq`: QueueDoesNotExist (endpoint http://here, region eu-west-1, the default dead_letter \
             of route `r`); create the queue, set [sqs] create = true, or name another: dead_letter = { sqs = \"...\" }"
        );
    }

    #[test]
    fn a_remedy_is_said_once() {
        let text = "no AWS credentials in the environment, a profile, or a role; set some".into();
        let error = Error::Unreachable { queue: "in".into(), action: "sqs:GetQueueUrl", text };
        assert!(queues().problem(&error).remedy.is_empty());
        let error = Error::Unreachable { queue: "in".into(), action: "sqs:GetQueueUrl", text: "no answer".into() };
        assert!(!queues().problem(&error).remedy.is_empty());
    }
}
