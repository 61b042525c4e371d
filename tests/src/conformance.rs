//! What every source and every sink promises, asked of any broker.
//!
//! A broker takes part by a [`Bench`]. The promises ask [`SourceTraits`] and [`DestinationTraits`] what applies, never which
//! broker it is. `tests/tests/conformance.rs` runs all of them for all brokers.
//!
//! | promise | file |
//! |---|---|
//! | settle, redeliver | `settle` |
//! | return, order on return, reread | `give_back` |
//! | order, grant | `intake` |
//! | lease, or the connection where there is none | `lease` |
//! | revoke, or the sharing of a queue | `share` |
//! | drain | `drain` |
//! | outage | `outage` |
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

/// Longer than anything here takes on a busy machine.
pub(crate) const WAIT: Duration = Duration::from_secs(60);

/// A lease that a test waits for the end of.
const SHORT: Duration = Duration::from_secs(1);

/// One topic or queue of a broker, made for one test, with all that the suite does to it.
pub trait Bench: Sized {
    /// Makes the place.
    ///
    /// # Errors
    /// Where this machine has no such broker.
    fn open(reach: Reach) -> impl Future<Output = Result<Self, Need>>;

    /// What sources of the place are able to do.
    fn traits(&self) -> SourceTraits;

    /// The place as sinks know it.
    fn place(&self) -> Destination;

    /// Appends messages in this order, by other means than the sink of the product where there are any.
    fn write(&self, items: &[Item]) -> impl Future<Output = ()>;

    /// A source that reads the place, as one more member of the same group where the broker has groups. `traits` are those of
    /// the bench, but for the length of the lease.
    fn source(&self, traits: &SourceTraits) -> impl Future<Output = Box<dyn Source>>;

    /// A sink that may write to the place.
    fn sink(&self) -> impl Future<Output = Box<dyn Sink>>;

    /// All that stands in the place, by other means than the source of the product where there are any; messages of one key in
    /// their order. A queue may lose them by that.
    fn stored(&self) -> impl Future<Output = Vec<Item>>;

    /// How many bytes in one message the place refuses for good.
    fn too_large(&self) -> usize;

    /// Makes the broker unreachable for sources and sinks, at once; the bench itself still reaches it. Only with
    /// [`Reach::Severable`].
    fn leave(&self);

    /// Ends that.
    fn come_back(&self);
}

/// How sources and sinks of a bench reach their broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// In the simplest way.
    Direct,
    /// So that [`Bench::leave`] works.
    Severable,
}

/// A message as the bench writes it and finds it. Where messages have no keys the key is empty.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The key, or the message group.
    pub key: String,
    /// The value.
    pub value: String,
}

/// Messages of one key whose values are these numbers.
pub fn items(key: &str, numbers: Range<u32>) -> Vec<Item> {
    numbers.map(|number| Item { key: key.to_owned(), value: format!("{number:03}") }).collect()
}

/// Messages of four keys in turn.
fn mixed(numbers: Range<u32>) -> Vec<Item> {
    // Some for each of two partitions, by the hash that the kit's producer has.
    const KEYS: [&str; 4] = ["one", "two", "a", "d"];
    numbers.flat_map(|number| items(KEYS[number as usize % KEYS.len()], number..number + 1)).collect()
}

/// Whether messages of a place have keys, whose order it keeps.
fn keeps_order(place: &Destination) -> bool {
    place.layout() == Layout::Record || place.is_fifo()
}

/// The same source with leases that a test can wait for.
fn with_short_lease(traits: SourceTraits) -> SourceTraits {
    SourceTraits { lease: traits.lease.map(|lease| Lease { length: SHORT, ..lease }), ..traits }
}

/// The values in their order.
fn values(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| item.value.clone()).collect()
}

/// Asserts that these values are all of them, once each, and in this order where the place keeps it.
#[track_caller]
fn assert_all(place: &Destination, found: Vec<String>, mut expected: Vec<String>) {
    let mut found = found;
    if !keeps_order(place) {
        found.sort();
        expected.sort();
    }
    assert_eq!(found, expected);
}
