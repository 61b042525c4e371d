//! The promises of every source and sink, tested with each broker: Kafka, SQS with both kinds of queues, and a toy
//! broker.

mod flow;

use kit::conformance::{self, Bench, Reach, kafka, sqs};
use kit::toy;

/// Defines a test for each promise, with its own bench; those under `severed` disconnect their broker.
macro_rules! promises {
    ($bench:ty: $($promise:ident),*; severed: $($severed:ident),*;) => {
        $(#[tokio::test]
        async fn $promise() {
            let Some(bench) = kit::or_say_so(<$bench>::open(Reach::Direct).await) else { return };
            conformance::$promise(&bench).await;
        })*

        mod severed {
            use super::*;

            $(#[tokio::test]
            async fn $severed() {
                let Some(bench) = kit::or_say_so(<$bench>::open(Reach::Severable).await) else { return };
                conformance::$severed(&bench).await;
            })*
        }
    };
}

macro_rules! conforms {
    ($($name:ident: $bench:ty,)*) => {
        $(mod $name {
            use super::*;

            promises! { $bench:
                a_settled_message_never_comes_again,
                a_message_of_a_reader_that_vanished_comes_again,
                a_returned_message_comes_again_and_not_before_its_delay,
                returned_messages_keep_the_order_of_their_key,
                messages_of_a_key_come_in_order_and_each_once,
                no_more_messages_come_than_were_granted,
                bytes_are_overdrawn_by_one_message_at_most,
                a_message_that_is_held_is_not_handed_to_another_reader,
                readers_share_a_place_without_loss_or_repeats,
                a_source_that_is_stopped_runs_dry,
                each_ticket_is_settled_once_and_a_flush_waits_for_it,
                a_key_keeps_its_order_in_what_is_stored,
                a_publication_that_is_refused_for_good_is_rejected_alone,
                key_headers_and_tombstones_come_back_as_written;
                severed:
                asks_made_while_the_broker_is_away_are_answered_and_the_source_goes_on,
                closing_is_bounded_while_the_broker_is_away,
                publications_are_not_lost_in_an_outage,
                flush_and_close_are_bounded_while_the_broker_is_away;
            }
        })*
    };
}

conforms! {
    kafka_topic: kafka::Topic,
    sqs_fifo_queue: sqs::Fifo,
    sqs_standard_queue: sqs::Standard,
    toy_queue: toy::Bench,
}
