//! A minimal broker in memory. It shows what a new broker must implement, and tests that the host needs no more.
//!
//! A message belongs to its reader until it is acknowledged or returned, or until the connection of the reader ends.
//! There are no leases, no delays, no receive counts, no partitions and no transactions. Queues keep the order of their
//! messages, including returned ones, and drop a second message with the same deduplication id.
//!
//! | file | content |
//! |---|---|
//! | `store` | the broker |
//! | `source`, `sink` | the implementations of the traits of the host |
//! | `bench` | the broker in the conformance suite |

mod bench;
mod sink;
mod source;
mod store;

use std::sync::Arc;

use cofferdam_core::output::{Destination, DestinationTraits, Layout};
use cofferdam_core::source::{Acknowledgement, SourceTraits};

pub use bench::Bench;
pub use sink::Outlet;
pub use source::Consumer;
pub use store::Store;

/// The name that it would have in a configuration.
pub const NAME: &str = "toy";

/// The largest payload, in bytes.
pub const LARGEST: usize = 64 * 1024;

/// The abilities of queues.
pub const QUEUE: DestinationTraits = DestinationTraits { layout: Layout::Attributes, fifo: true };

/// The abilities of sources.
pub const SOURCE: SourceTraits = SourceTraits {
    acknowledgement: Acknowledgement::Each,
    layout: Layout::Attributes,
    lease: None,
    longest_delay: None,
    keeps_order_on_return: true,
    counts_deliveries: false,
    max_receives: None,
    transactions: false,
};

/// The destination for a queue.
pub fn queue(name: impl Into<Arc<str>>) -> Destination {
    Destination::new(NAME, name, QUEUE)
}
