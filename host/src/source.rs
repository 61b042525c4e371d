//! Where records come from. One source per route; each hands over only what it was granted.

pub mod sqs;
