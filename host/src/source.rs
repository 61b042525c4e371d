//! Where messages come from. A source turns what its broker says into the core's events and carries out the core's asks.

pub mod kafka;
