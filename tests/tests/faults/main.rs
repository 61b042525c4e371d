//! Faults on real brokers, in the middle of the work of two hosts of one group: nothing is lost, each key is handled in
//! order, and what comes twice was in flight when it happened.

mod brokers;
mod dead_letters;
mod denied;
mod hosts;
mod queues;
mod redrive;
mod stops;
mod work;
