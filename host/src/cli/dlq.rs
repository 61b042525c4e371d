//! `cofferdam dlq`: what to do about dead letters.

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
        Nothing is changed. Messages of a queue are hidden from others while they are listed, a minute at most where \
        this command is killed, and each look counts as a receive. A FIFO queue shows the first ten of a message group \
        and no more until those are dealt with.")]
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
        Of a queue any message can be deleted. A topic can only be cut at its beginning, in each partition for itself: \
        where the filters leave a letter before one that they take, nothing is deleted and exit code 65 says so; with \
        --prefix what stands before the first such letter goes. What arrives meanwhile stays.")]
    Purge(purge::Arguments),
}

const REPLAY: &str = "Examples:
  cofferdam dlq replay orders.placed.dlq --code SERVICE_UNAVAILABLE --rate 50/s
  cofferdam dlq replay --route price-orders 0/17 0/18 --dry-run
  cofferdam dlq replay sqs:tasks-dlq.fifo --to sqs:tasks.fifo
  cofferdam dlq replay orders.retired.dlq --to-unknown
  cofferdam dlq replay --plugin fixed.wasm orders.placed.dlq 0/17

What is sent: the original with key, value, headers and timestamp, on Kafka into the partition it came from, without \
the cofferdam-dlq-* headers and with `cofferdam-replay`: {\"id\", \"time\", \"count\", \"letter\"}. A timestamp so old that \
its topic would soon delete the copy becomes the present.

Where: to the source that the letter names, if a configured route reads it. Other letters stay unless --to or \
--to-unknown is given: whoever may write to a dead-letter topic or queue can make a letter name any source. A letter \
whose destination does not exist stays too, and keeps no other letter. A message that a queue moved itself goes back to \
that queue, whatever its attributes claim. A letter that fails again during the replay stays for the next replay.

What is promised: a letter counts as replayed when the broker has acknowledged its copy, never before, so that nothing \
is lost whenever this command ends. The same command goes on where it ended, and other filters know what was sent. \
After a crash (not after Ctrl-C) a part of one batch may be sent a second time, which nobody can know:
  letters on Kafka: at most 100, the same bytes again, with the same id, time, count and letter;
  letters on SQS: at most 10, with the same letter and count; a FIFO queue drops them within 5 minutes.
Replayed letters stay in a topic, marked by records with the header `cofferdam-dlq-receipt`; `purge --replayed` \
deletes them. In a queue they are deleted. Run one replay of a topic or queue at a time.

Exit codes: 0 all was sent, 65 some letters stay (they name no source, or one that no configured route reads, or were \
refused), 69 a broker \
cannot be reached, 130 interrupted. With --plugin: as `cofferdam invoke`.";

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
