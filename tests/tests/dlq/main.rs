//! Dead letters by the command line: listed by each filter, shown, sent back, deleted; on Kafka, on SQS, and across.

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
