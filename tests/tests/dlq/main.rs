//! The `dlq` commands: list with each filter, show, replay and delete dead letters; on Kafka, on SQS, and across
//! brokers.

mod across;
mod alert;
mod crash;
mod desk;
mod forged;
mod list;
mod plugin;
mod purge;
mod replay;
mod sqs;
