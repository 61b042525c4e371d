//! WASI 0.2, which is always there, with nothing in it.

pub(super) mod clock;
pub(in crate::plugin) mod context;
