//! `cofferdam dlq`: list, show, replay and delete dead letters.

mod choice;
mod list;
mod place;
mod purge;
mod replay;
mod show;
mod table;
mod words;

use clap::{Args, Subcommand};

use super::Ended;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the dead letters of a topic, a queue or a route.
    #[command(after_help = "Examples:\n  cofferdam dlq list orders.placed.dlq\n  \
        cofferdam dlq list --route price-orders --code VALIDATION_ERROR --since 2h\n  \
        cofferdam dlq list sqs:tasks-dlq.fifo --header tenant=acme --json\n\n\
        The command changes nothing. It hides the messages of a queue from other consumers while it lists them, for at most \
        a minute if it is killed, and each read counts as a receive. A FIFO queue shows only the first ten messages of a \
        message group until they are deleted.")]
    List(list::Arguments),
    /// Show one dead letter: its reasons, its attempts and the original message.
    #[command(after_help = "Examples:\n  cofferdam dlq show orders.placed.dlq 0/17\n  \
        cofferdam dlq show --route price-orders 0/17 --json")]
    Show(show::Arguments),
    /// Replay dead letters to their sources, byte for byte, or call a plugin file with one.
    #[command(after_help = REPLAY)]
    Replay(replay::Arguments),
    /// Delete dead letters.
    #[command(after_help = "Examples:\n  cofferdam dlq purge orders.placed.dlq --until 7d --dry-run\n  \
        cofferdam dlq purge sqs:tasks-dlq.fifo --code DUPLICATE_MESSAGE --yes\n\n\
        In a queue, any message can be deleted. In a topic, records can only be deleted from the beginning of each \
        partition: if the filters keep a dead letter before one that they select, nothing is deleted and the exit code is \
        65; with --prefix, the dead letters before the first kept one are deleted. New dead letters stay.")]
    Purge(purge::Arguments),
}

const REPLAY: &str = "Examples:
  cofferdam dlq replay orders.placed.dlq --code SERVICE_UNAVAILABLE --rate 50/s
  cofferdam dlq replay --route price-orders 0/17 0/18 --dry-run
  cofferdam dlq replay sqs:tasks-dlq.fifo --to sqs:tasks.fifo
  cofferdam dlq replay orders.retired.dlq --to-unknown
  cofferdam dlq replay --plugin fixed.wasm orders.placed.dlq 0/17

Copies: a copy has the original key, value, headers and timestamp, on Kafka also the original partition. It lacks the \
cofferdam-dlq-* headers and has `cofferdam-replay`: {\"id\", \"time\", \"count\", \"letter\"}. If its topic would soon delete \
a copy with the original timestamp, the copy gets the current time.

Destination: a dead letter goes to the source that it names, if a configured route reads that source. Other dead letters \
stay unless --to or --to-unknown is given, because everyone who may write to a dead-letter topic or queue can name any \
source. A dead letter whose destination does not exist stays, and blocks no other. A message that a redrive policy moved \
goes back to its queue, whatever its attributes claim. A dead letter that fails again during the replay stays for the \
next replay.

Guarantee: a dead letter counts as replayed once the broker has acknowledged its copy, so no interruption loses one. \
The same command continues where it stopped, and other filters skip the dead letters already sent. After a crash (not \
after Ctrl-C), part of one batch may be sent twice, undetected by the host:
  dead letters on Kafka: at most 100, byte for byte, with the same id, time, count and letter;
  dead letters on SQS: at most 10, with the same letter and count; a FIFO queue drops them within 5 minutes.
Replayed dead letters stay in a topic, marked by records with the header `cofferdam-dlq-receipt`; `purge --replayed` \
deletes them. In a queue they are deleted. Run one replay of a topic or queue at a time.

Exit codes: 0 all dead letters were sent, 65 some stay (rejected, without a source, or with a source that no configured \
route reads), 69 a broker is unreachable, 130 interrupted. With --plugin: as `cofferdam invoke`.";

impl Command {
    pub(super) fn json(&self) -> bool {
        match self {
            Self::List(arguments) => arguments.output.json,
            Self::Show(arguments) => arguments.output.json,
            Self::Replay(arguments) => arguments.output.json,
            Self::Purge(arguments) => arguments.output.json,
        }
    }
}

pub(super) fn main(command: &Command) -> Ended {
    crate::telemetry::log::init(crate::telemetry::log::Format::Quiet, None).map_err(super::unlogged)?;
    match command {
        Command::List(arguments) => list::main(arguments),
        Command::Show(arguments) => show::main(arguments),
        Command::Replay(arguments) => replay::main(arguments),
        Command::Purge(arguments) => purge::main(arguments),
    }
}

/// Which configuration, and which route of it.
#[derive(Args)]
struct Where {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_FILE)]
    config: std::path::PathBuf,
    /// Use the dead letters of this route instead of a topic or queue.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
}

#[cfg(test)]
mod tests;
