//! `cofferdam dlq`: what to do about dead letters.

mod choice;
mod list;
mod place;
mod show;
mod table;
mod words;

use clap::{Args, Subcommand};

use super::Ended;
use crate::dead_letters::Error;
use crate::exit::{Exit, Problem};

#[derive(Subcommand)]
pub(super) enum Command {
    /// List the dead letters of a topic, a queue or a route.
    #[command(after_help = "Examples:\n  cofferdam dlq list orders.placed.dlq\n  \
        cofferdam dlq list --route price-orders --code VALIDATION_ERROR --since 2h\n  \
        cofferdam dlq list sqs:tasks-dlq.fifo --header tenant=acme --json\n\n\
        Nothing is changed. Messages of a queue are hidden from others while they are listed, two minutes at most where\n\
        this command is killed, and each look counts as a receive. A FIFO queue shows the first ten of a message group\n\
        and no more until those are dealt with.")]
    List(list::Arguments),
    /// Show one dead letter whole: why it is there, its attempts, the original.
    #[command(after_help = "Examples:\n  cofferdam dlq show orders.placed.dlq 0/17\n  \
        cofferdam dlq show --route price-orders 0/17 --json")]
    Show(show::Arguments),
}

impl Command {
    pub(super) fn json(&self) -> bool {
        match self {
            Self::List(arguments) => arguments.output.json,
            Self::Show(arguments) => arguments.output.json,
        }
    }
}

pub(super) fn main(command: &Command) -> Ended {
    crate::telemetry::log::init(crate::telemetry::log::Format::Quiet, None).map_err(super::unlogged)?;
    match command {
        Command::List(arguments) => list::main(arguments),
        Command::Show(arguments) => show::main(arguments),
    }
}

/// Which configuration, and which route of it.
#[derive(Args)]
struct Where {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = crate::config::DEFAULT_FILE)]
    config: std::path::PathBuf,
    /// The dead letters of this route, in place of a topic or queue.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
}

fn problem(error: &Error) -> Problem {
    let remedy = match error {
        Error::Properties(_) => "see [kafka] properties in the configuration",
        Error::NoTopic(_) => "is the name right? a topic for dead letters is made by `cofferdam run`",
        _ => "",
    };
    Problem::new(Exit::Unavailable, error.to_string(), remedy)
}
