//! A broker in memory, as small as a broker can be: what a new one needs, and whether the host asks for more.
//!
//! A message is the reader's until it is acknowledged or returned, or until the reader's connection ends. There are no leases,
//! no delays, no counts of deliveries, no partitions and no transactions. Queues keep the order of their messages, also of
//! returned ones, and drop a second message of one deduplication id.
//!
//! | file | what |
//! |---|---|
//! | `store` | the broker itself |
//! | `source`, `sink` | what a host sees of it |
//! | `bench` | what the conformance suite does with it |

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

/// The word of a configuration for it, had it one.
pub const NAME: &str = "toy";

/// The largest payload, bytes.
pub const LARGEST: usize = 64 * 1024;

/// What queues are able to carry.
pub const QUEUE: DestinationTraits = DestinationTraits { layout: Layout::Attributes, fifo: true };

/// What sources are able to do.
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

/// A queue to write to.
pub fn queue(name: impl Into<Arc<str>>) -> Destination {
    Destination::new(NAME, name, QUEUE)
}
