//! What Cofferdam costs beside the bare minimum, measured on this machine; see `README.md` beside this crate.
//!
//! | where | what |
//! |---|---|
//! | [`calls`] | one call of a plugin, beside a bare wasmtime call |
//! | [`machine`] | the delivery rules alone |
//! | [`kafka`] | Kafka to Kafka, beside the fastest correct loop without a sandbox |
//! | [`profile`] | where the time of a message goes, stage by stage |
//! | [`lanes`] | many keys of one partition at once, where the handler waits |
//! | [`latency`] | how long a message takes at half load |
//! | [`poison`] | what endless loops cost everybody else |
//! | [`swap`] | what a new version of the plugin every second costs |
//! | [`course`] | what everybody on Kafka is put through |
//! | [`sqs`] | receive, handle, delete, beside a bare loop |
//! | [`growth`] | more partitions, a longer lag, more routes, more plugins |
//! | [`beside`] | two versions of Cofferdam side by side |
//! | [`pace`] | the same at a pace of its own, whoever may be slow |
//! | [`bare`] | what it is measured against |
//! | [`report`], [`page`] | figures of alternated rounds, goals, tables and plots |

mod bare;
mod beside;
mod calls;
mod course;
mod growth;
mod kafka;
mod lanes;
mod latency;
mod load;
mod machine;
mod pace;
mod page;
mod poison;
mod process;
mod profile;
mod report;
mod sqs;
mod swap;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};

use report::Report;

/// Everybody has the allocator of Cofferdam's binary: it is no part of what is compared.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What Cofferdam costs beside the bare minimum.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures, prints, and keeps the figures for the page.
    Run(Run),
    /// Writes the figures that were kept into the page, with their plots.
    Page,
    /// Two versions of Cofferdam, both at the same work at the same time.
    Beside(beside::Arguments),
    /// One of those that Cofferdam is measured against.
    #[command(hide = true)]
    Bare(bare::Arguments),
}

/// What to measure, and how long.
#[derive(clap::Args)]
struct Run {
    /// All of them, where none is named.
    #[arg(value_enum)]
    benchmarks: Vec<Benchmark>,
    /// Rounds; in each one everybody has a turn. 5 where it is not said, 10 of `latency`.
    #[arg(long)]
    rounds: Option<u32>,
    /// The share of the work that is done: less than 1 to try out whether it runs.
    #[arg(long, default_value_t = 1.0)]
    share: f64,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Benchmark {
    /// One call of a plugin.
    Calls,
    /// The delivery rules alone.
    Machine,
    /// Kafka to Kafka.
    Kafka,
    /// Where the time of a message goes, stage by stage; needs `perf`.
    Profile,
    /// A queue that is emptied.
    Sqs,
    /// More of everything.
    Growth,
    /// Many keys of one partition at once, where the handler waits.
    Lanes,
    /// How long a message takes at half load.
    Latency,
    /// What endless loops cost everybody else.
    Poison,
    /// What a new version of the plugin every second costs.
    Swap,
}

impl Benchmark {
    /// Rounds where nobody says how many.
    fn rounds(self) -> u32 {
        match self {
            // The 99th percentile of one turn is often twice that of the next.
            Self::Latency => 10,
            _ => 5,
        }
    }
}

/// How much to measure.
#[derive(Clone, Copy)]
struct Effort {
    rounds: u32,
    share: f64,
}

impl Effort {
    /// That share of `count`, at least one.
    fn of(self, count: u32) -> u32 {
        ((f64::from(count) * self.share) as u32).max(1)
    }
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Run(run) => measure(&run),
        Command::Page => page::write(),
        Command::Beside(arguments) => runtime()?.block_on(beside::measure(&arguments)),
        Command::Bare(arguments) => bare::main(arguments),
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn measure(run: &Run) -> anyhow::Result<()> {
    let chosen = if run.benchmarks.is_empty() { Benchmark::value_variants() } else { &run.benchmarks };
    let runtime = runtime()?;
    for benchmark in chosen {
        let effort = Effort { rounds: run.rounds.unwrap_or_else(|| benchmark.rounds()), share: run.share };
        let reports = match benchmark {
            Benchmark::Calls => calls::measure(effort).map(one),
            Benchmark::Machine => machine::measure(effort).map(one),
            Benchmark::Kafka => runtime.block_on(kafka::measure(effort)).map(one),
            Benchmark::Profile => runtime.block_on(profile::measure(effort)).map(one),
            Benchmark::Lanes => runtime.block_on(lanes::measure(effort)).map(one),
            Benchmark::Latency => runtime.block_on(latency::measure(effort)).map(one),
            Benchmark::Sqs => runtime.block_on(sqs::measure(effort)).map(one),
            Benchmark::Poison => runtime.block_on(poison::measure(effort)).map(one),
            Benchmark::Swap => runtime.block_on(swap::measure(effort)).map(one),
            Benchmark::Growth => runtime.block_on(growth::measure(effort)),
        };
        for report in reports.context("the benchmark did not come to its end")? {
            println!("{}", report.text());
            report.keep()?;
        }
    }
    Ok(())
}

fn one(report: Report) -> Vec<Report> {
    vec![report]
}
