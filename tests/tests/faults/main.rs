//! Faults on real brokers while two hosts of one group run: nothing is lost, each key is handled in order, and only
//! messages that were in flight at a fault are repeated.

mod brokers;
mod dead_letters;
mod denied;
mod hosts;
mod queues;
mod redrive;
mod stops;
mod work;
