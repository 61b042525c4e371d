//! Dead letters by the command line: listed by each filter, shown, sent back, deleted; on Kafka, on SQS, and across.

mod desk;
mod list;
