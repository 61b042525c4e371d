//! Leases that end in the middle.
