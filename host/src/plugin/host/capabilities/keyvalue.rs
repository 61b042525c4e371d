//! `wasi:keyvalue`: the granted bucket, whose values outlive an instance.

mod functions;
pub(in crate::plugin::host) mod store;

pub use store::{Bucket, Error, KEY, OpenError, PAGE, Page, Quota, Store, VALUE};

use super::Capability;

const INTERFACES: [&str; 2] = ["wasi:keyvalue/store@0.2.0-draft2", "wasi:keyvalue/atomics@0.2.0-draft2"];

pub(super) const CAPABILITY: Capability = Capability {
    name: "keyvalue",
    title: "wasi:keyvalue",
    grant: Some("keyvalue = \"<name>\""),
    interfaces: &INTERFACES,
    granted: |spec| spec.keyvalue.is_some(),
    add_to_linker: functions::add_to_linker,
};
