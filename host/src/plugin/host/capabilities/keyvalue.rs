//! `wasi:keyvalue`: values that outlive an instance, in the bucket that a plugin was granted.

pub(super) mod functions;
mod store;

pub use store::{Bucket, Error, KEY, OpenError, PAGE, Page, Quota, Store, VALUE};
