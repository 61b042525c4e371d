//! Message brokers, a folder for each: how it is reached, its sources, its sinks, its dead letters.
//!
//! Code outside knows brokers by the traits [`Source`](crate::source::Source), [`Sink`](crate::sink::Sink),
//! [`Transactions`](crate::transactions::Transactions) and [`DeadLetters`](crate::dead_letters::DeadLetters), and by the
//! abilities in [`SourceTraits`](cofferdam_core::source::SourceTraits) and
//! [`DestinationTraits`](cofferdam_core::output::DestinationTraits).

pub mod kafka;
pub mod sqs;

use cofferdam_core::message::{Position, Record};
use cofferdam_core::output::Destination;

/// The topic or queue that a record was read from, by the kind of its position.
pub fn source_of(record: &Record) -> Destination {
    match record.position {
        Position::Offset { .. } => kafka::topic(record.source.clone()),
        Position::MessageId(_) => sqs::queue(record.source.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dead_letters::origins::Origins;

    #[test]
    fn only_what_a_route_reads_is_known() {
        let mut origins = Origins::default();
        ["orders", r"^tenant\.[a-z]+$", "^(broken"].iter().for_each(|topic| kafka::add_origin(topic, &mut origins));
        ["tasks.fifo", "https://sqs.eu-west-1.amazonaws.com/123/mails"]
            .iter()
            .for_each(|queue| sqs::add_origin(queue, &mut origins));
        let queues = ["tasks.fifo", "mails"].map(sqs::queue);
        for known in ["orders", "tenant.acme"].map(kafka::topic).into_iter().chain(queues) {
            assert!(origins.know(&known), "{known}");
        }
        let queues = ["orders", ""].map(sqs::queue);
        let topics = ["payments", "tenant.1", "mails", "(broken"].map(kafka::topic);
        for unknown in topics.into_iter().chain(queues) {
            assert!(!origins.know(&unknown), "{unknown}");
        }
        assert!(Origins::any().know(&kafka::topic("payments")));
    }
}
