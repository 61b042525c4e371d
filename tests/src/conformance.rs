//! The conformance suite: the guarantees of every source and every sink, tested on any broker.
//!
//! A broker takes part by implementing [`Bench`]. The tests use [`SourceTraits`] and [`DestinationTraits`] to decide
//! what applies, never the name of the broker. `tests/tests/conformance.rs` runs all tests for all brokers.
//!
//! | guarantee | file |
//! |---|---|
//! | settling, redelivery | `settle` |
//! | returning messages, their order, rereads | `give_back` |
//! | order, grants | `intake` |
//! | leases, or connections on brokers without leases | `lease` |
//! | rebalances, or several readers of a queue | `share` |
//! | drains | `drain` |
//! | outages | `outage` |
//! | tickets, order, refusals, flush and close, contents | `outlet` |
//!
//! [`DestinationTraits`]: cofferdam_core::output::DestinationTraits

mod drain;
mod give_back;
mod intake;
pub mod kafka;
mod lease;
mod outage;
mod outlet;
mod reader;
mod settle;
mod share;
mod sink;
pub mod sqs;

use std::ops::Range;
use std::time::Duration;

use cofferdam::sink::Sink;
use cofferdam::source::Source;
use cofferdam_core::output::{Destination, Layout};
use cofferdam_core::source::{Lease, SourceTraits};

use crate::Need;

pub use drain::{a_source_that_is_stopped_runs_dry, closing_is_bounded_while_the_broker_is_away};
pub use give_back::{
    a_returned_message_comes_again_and_not_before_its_delay, returned_messages_keep_the_order_of_their_key,
};
pub use intake::{
    bytes_are_overdrawn_by_one_message_at_most, messages_of_a_key_come_in_order_and_each_once,
    no_more_messages_come_than_were_granted,
};
pub use lease::a_message_that_is_held_is_not_handed_to_another_reader;
pub use outage::asks_made_while_the_broker_is_away_are_answered_and_the_source_goes_on;
pub use outlet::Outlet;
pub use reader::{Answer, Reader, Taken};
pub use settle::{a_message_of_a_reader_that_vanished_comes_again, a_settled_message_never_comes_again};
pub use share::readers_share_a_place_without_loss_or_repeats;
pub use sink::{
    a_key_keeps_its_order_in_what_is_stored, a_publication_that_is_refused_for_good_is_rejected_alone,
    each_ticket_is_settled_once_and_a_flush_waits_for_it, flush_and_close_are_bounded_while_the_broker_is_away,
    key_headers_and_tombstones_come_back_as_written, publications_are_not_lost_in_an_outage,
};

/// Longer than any step takes on a busy machine. A message whose receive was answered into a severed connection comes again
/// after its lease, which is 60 s.
pub(crate) const WAIT: Duration = Duration::from_secs(100);

/// A visibility timeout that is short enough for a test to wait for its end.
const SHORT: Duration = Duration::from_secs(1);

/// One topic or queue of a broker, created for one test, with all operations that the suite needs.
pub trait Bench: Sized {
    /// Creates the topic or queue.
    ///
    /// # Errors
    /// This machine does not have such a broker.
    fn open(reach: Reach) -> impl Future<Output = Result<Self, Need>>;

    /// Returns the abilities of sources of this topic or queue.
    fn traits(&self) -> SourceTraits;

    /// Returns the topic or queue as a destination.
    fn place(&self) -> Destination;

    /// Appends messages in this order. Uses a client other than the sink of the product, if there is one.
    fn write(&self, items: &[Item]) -> impl Future<Output = ()>;

    /// Creates a source that reads the topic or queue; for a broker with groups, as one more member of the same group.
    /// `traits` are those of the bench, except for the length of the lease.
    fn source(&self, traits: &SourceTraits) -> impl Future<Output = Box<dyn Source>>;

    /// Creates a sink that may write to the topic or queue.
    fn sink(&self) -> impl Future<Output = Box<dyn Sink>>;

    /// Returns all stored messages; messages of one key in their order. Uses a client other than the source of the
    /// product, if there is one. A queue may lose the messages by this.
    fn stored(&self) -> impl Future<Output = Vec<Item>>;

    /// Returns a message size, in bytes, that the broker refuses permanently.
    fn too_large(&self) -> usize;

    /// Makes the broker unreachable for sources and sinks at once; the bench itself still reaches it. Only with
    /// [`Reach::Severable`].
    fn leave(&self);

    /// Makes the broker reachable again.
    fn come_back(&self);
}

/// How the sources and sinks of a bench reach their broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Directly.
    Direct,
    /// Through a gate, so that [`Bench::leave`] works.
    Severable,
}

/// A message as the bench writes and reads it. The key is empty if messages have no keys.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The key, or the message group id.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Returns messages with this key and these numbers as values.
pub fn items(key: &str, numbers: Range<u32>) -> Vec<Item> {
    numbers.map(|number| Item { key: key.to_owned(), value: format!("{number:03}") }).collect()
}

/// Returns messages of four keys in turn.
fn mixed(numbers: Range<u32>) -> Vec<Item> {
    // With the hash of the kit's producer, each of two partitions gets some of these keys.
    const KEYS: [&str; 4] = ["one", "two", "a", "d"];
    numbers.flat_map(|number| items(KEYS[number as usize % KEYS.len()], number..number + 1)).collect()
}

/// Returns whether messages of the destination have keys and keep their order for each key.
fn keeps_order(place: &Destination) -> bool {
    place.layout() == Layout::Record || place.is_fifo()
}

/// Returns the same abilities with a visibility timeout that a test can wait for.
fn with_short_lease(traits: SourceTraits) -> SourceTraits {
    SourceTraits { lease: traits.lease.map(|lease| Lease { length: SHORT, ..lease }), ..traits }
}

/// Returns the values in their order.
fn values(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| item.value.clone()).collect()
}

/// Asserts that exactly these values were found, once each, and in this order if the destination keeps it.
#[track_caller]
fn assert_all(place: &Destination, found: Vec<String>, mut expected: Vec<String>) {
    let mut found = found;
    if !keeps_order(place) {
        found.sort();
        expected.sort();
    }
    assert_eq!(found, expected);
}
