//! What Cofferdam is measured against: programs without it, written to win.

mod guest;
mod ordinary;
mod sqs;
mod standard;
mod waits;
mod watermark;
mod window;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

pub(crate) use guest::{Given, Guest, Header};
pub(crate) use waits::{AT_ONCE, waits};

/// One of those that Cofferdam is measured against; it works until it is killed, or has done what there is to do.
#[derive(Parser)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    contestant: Contestant,
}

#[derive(Subcommand)]
enum Contestant {
    /// The fastest correct loop: librdkafka's C interface, one thread.
    Loop(Loop),
    /// What most people write: StreamConsumer and FutureProducer, a thousand deep.
    Ordinary(Topics),
    /// The barest loop over a queue of SQS.
    Sqs(sqs::Arguments),
    /// What a timer allows; it ends by itself.
    Waits(waits::Waits),
}

#[derive(clap::Args)]
struct Loop {
    #[command(flatten)]
    topics: Topics,
    /// The component that each message goes through.
    #[arg(long)]
    component: Option<PathBuf>,
    /// Whether an instance serves all messages, or one.
    #[arg(long, value_enum, default_value = "warm")]
    instances: Instances,
    /// Does what no host of guests can leave out: the guest could be stopped, and each output says where it comes from.
    #[arg(long, requires = "component")]
    as_a_host: bool,
}

/// How long an instance lives.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Instances {
    /// As long as the program.
    Warm,
    /// For one message.
    Fresh,
}

#[derive(clap::Args)]
struct Topics {
    /// `host:port`
    #[arg(long)]
    brokers: String,
    /// The topic that is read.
    #[arg(long)]
    from: String,
    /// The topic that is written.
    #[arg(long)]
    to: String,
    /// The consumer group.
    #[arg(long)]
    group: String,
    /// Properties of the producer.
    #[arg(long = "producer", value_name = "PROPERTY=VALUE", value_parser = property)]
    producer: Vec<(String, String)>,
}

/// Runs it.
pub(crate) fn main(arguments: Arguments) -> anyhow::Result<()> {
    match arguments.contestant {
        Contestant::Loop(arguments) => window::run(&arguments),
        Contestant::Ordinary(topics) => ordinary::run(&topics),
        Contestant::Sqs(arguments) => sqs::run(arguments),
        Contestant::Waits(arguments) => waits::run(&arguments),
    }
}

fn property(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("a property is written NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
