//! `cofferdam verify`.

mod addresses;
mod bar;
mod show;

use std::path::{Path, PathBuf};

use clap::Args;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use toml::{Table, Value};

use super::{ConfigArgument, Ended, OutputArguments, print_json, print_line};
use crate::broker;
use crate::config::DEFAULT_FILE;
use crate::exit::{Exit, Problem};
use crate::signal::Signals;
use crate::telemetry::log;
use crate::verify::{self, Delivery, Fault, Plan, Progress, Report, Run};
use addresses::Addresses;

#[derive(Args)]
pub(super) struct Arguments {
    /// Read the broker sections [kafka] and [sqs] from this configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    addresses: Addresses,
    /// Set the delivery guarantee of the routes; exactly_once works with Kafka only.
    #[arg(long, value_name = "GUARANTEE", default_value = "at_least_once",
        value_parser = ["at_least_once", "exactly_once"])]
    delivery: String,
    /// Number of messages to send through the hosts.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    messages: u64,
    /// Percentage of messages that fail at every attempt and become dead letters.
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(..=90))]
    failing: u8,
    /// Number of faults to inject into the hosts and into their network.
    #[arg(long, value_name = "N", default_value_t = 20)]
    faults: u32,
    /// Kinds of faults to inject, separated by commas; all by default, for example `--inject cut,lose_answers`.
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = Fault::ALL.map(Fault::word))]
    inject: Vec<String>,
    /// Seed for the contents of the messages and the choice of faults and their targets.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Number of hosts that share the work.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    hosts: u8,
    /// Number of simulated histories to check first.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    simulate: u64,
    /// Keep the topics, the queues and the history.
    #[arg(long)]
    keep: bool,
    /// Check the history that an earlier run kept in this folder, without contacting a broker.
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["messages", "failing", "faults", "inject", "seed", "hosts", "simulate", "keep"])]
    judge: Option<PathBuf>,
    /// Remove only the topics and queues that the run with this id left behind.
    #[arg(long, value_name = "ID", conflicts_with_all = ["messages", "failing", "faults", "inject", "seed", "hosts", "simulate", "keep", "judge"])]
    remove: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    log::init(log::Format::Quiet, None).map_err(super::unlogged)?;
    if let Some(folder) = &arguments.judge {
        return Ok(finish(&verify::judge(folder)?, arguments));
    }
    let sections = sections(arguments)?;
    super::run::runtime()?.block_on(async {
        if let Some(id) = &arguments.remove {
            verify::remove(&sections, id).await?;
            return Ok(Exit::Success);
        }
        let plan = Plan {
            delivery: delivery(arguments),
            sections,
            messages: arguments.messages,
            failing: arguments.failing,
            faults: arguments.faults,
            kinds: Fault::ALL
                .into_iter()
                .filter(|fault| arguments.inject.iter().any(|it| it == fault.word()))
                .collect(),
            seed: arguments.seed,
            hosts: arguments.hosts.into(),
            simulate: arguments.simulate,
        };
        run(plan, arguments).await
    })
}

async fn run(plan: Plan, arguments: &Arguments) -> Ended {
    let (progress, seen) = watch::channel(Progress::default());
    let (messages, faults) = (plan.messages, plan.faults);
    let mut run = Run::prepare(plan).await?;
    if !arguments.output.json {
        tell!("topics and queues of this run begin with {}, hosts write to {}", run.name(), run.folder().display());
    }
    let bar = bar::follow(seen, messages, faults);
    let stop = CancellationToken::new();
    let interrupted = tokio::spawn(interrupt(stop.clone(), run.id().to_owned()));
    let report = run.run(&progress, &stop).await;
    drop(progress);
    bar.await.expect("the bar does not panic");
    interrupted.abort();
    let removed = if arguments.keep { Ok(()) } else { run.remove().await };
    let removed = removed.map_err(|problem| Problem {
        remedy: format!("remove the rest later with `cofferdam verify --remove {}` and the same brokers", run.id()),
        ..problem
    });
    let mut report = match report {
        Ok(report) => report,
        Err(mut problem) => {
            // The logs of the hosts may be needed.
            let keep = run.has_begun() && problem.exit != Exit::Interrupted;
            if let Some(folder) = leave(run.folder(), arguments.keep || keep) {
                problem.remedy = format!("the output of the hosts is in {folder}");
            }
            return Err([Some(problem), removed.err()].into_iter().flatten().collect());
        }
    };
    if leave(run.folder(), arguments.keep || !report.held).is_some() {
        report.journals = Some(run.folder().to_owned());
    }
    let exit = finish(&report, arguments);
    removed?;
    Ok(exit)
}

/// Keeps or removes the folder.
fn leave(folder: &Path, keep: bool) -> Option<String> {
    if !keep {
        let _ = std::fs::remove_dir_all(folder); // a temporary one, at worst it stays
    }
    keep.then(|| folder.display().to_string())
}

/// The first signal stops the run and cleans up, the second one ends the process.
async fn interrupt(stop: CancellationToken, id: String) {
    let mut signals = Signals::listen();
    signals.next().await;
    tell!("cofferdam: stopping the hosts and removing topics and queues; a second signal keeps topics and queues");
    stop.cancel();
    signals.next().await;
    tell!(
        "cofferdam: topics and queues remain; remove them with `cofferdam verify --remove {id}` and the same brokers"
    );
    std::process::exit(Exit::Interrupted as i32);
}

fn finish(report: &Report, arguments: &Arguments) -> Exit {
    if arguments.output.json {
        print_json(&serde_json::to_string(report).expect("texts and numbers are JSON"));
    } else {
        print_line(&show::text(report));
    }
    if report.held { Exit::Success } else { Exit::Software }
}

fn delivery(arguments: &Arguments) -> Delivery {
    [Delivery::ExactlyOnce].into_iter().find(|it| it.word() == arguments.delivery).unwrap_or_default()
}

/// Returns the broker sections of the configuration file, or those that the arguments describe.
fn sections(arguments: &Arguments) -> Result<Table, Vec<Problem>> {
    let mut sections = Table::new();
    let Addresses(given) = &arguments.addresses;
    if arguments.config.is_some() || given.is_empty() {
        let config = arguments.config.clone().unwrap_or_else(|| DEFAULT_FILE.into());
        super::run::load(&ConfigArgument { config: config.clone() })?;
        let unreadable = |what: String| Problem::new(Exit::Configuration, what, "").at(config.display().to_string());
        let text = std::fs::read_to_string(&config).map_err(|error| unreadable(error.to_string()))?;
        let mut file: Table = text.parse().map_err(|error: toml::de::Error| unreadable(error.to_string()))?;
        sections.extend(broker::ALL.into_iter().filter_map(|kind| file.remove_entry(kind.name)));
    }
    for (kind, value) in given {
        let section = sections.entry(kind.name).or_insert_with(|| Value::Table(Table::new()));
        if let Some(section) = section.as_table_mut() {
            section.insert(kind.verify.address.key.to_owned(), value.as_str().into());
        }
    }
    if delivery(arguments) == Delivery::ExactlyOnce {
        let (able, others): (Vec<_>, Vec<_>) = broker::ALL.into_iter().partition(|kind| kind.verify.transactions);
        for kind in others {
            sections.remove(kind.name);
        }
        if sections.is_empty() {
            let able = able.iter().map(|kind| kind.verify.title).collect::<Vec<_>>().join(" or ");
            let what = format!("delivery exactly_once works from {able} to {able} only");
            return Err(Problem::new(Exit::Usage, what, format!("name {able} brokers, or omit --delivery")).into());
        }
    }
    Ok(sections)
}
