//! What the Kafka source, the Kafka sink and the topics they need have in common.
//!
//! [`properties`] is how one configuration becomes clients, [`topics`] sees to it that topics exist, `expression` says which topics an
//! expression stands for, `headers` reads
//! and writes headers that are not text, `offsets` are what is committed, `waker` wakes
//! the thread that serves a client, `mock` knows the cluster of `dev`, `revival` brings one back that has forgotten its brokers,
//! `rights` are what this user may do, and `journal` is where the
//! client library's own words go.

pub(crate) mod expression;
pub(crate) mod headers;
pub(crate) mod journal;
pub(crate) mod mock;
pub(crate) mod offsets;
pub mod properties;
pub(crate) mod revival;
pub mod rights;
pub mod topics;
pub(crate) mod waker;
mod words;
