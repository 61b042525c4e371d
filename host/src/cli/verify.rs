//! `cofferdam verify`.

use std::path::PathBuf;

use clap::Args;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use toml::{Table, Value};

use super::{Ended, OutputArguments, print_line};
use crate::exit::{Exit, Problem};
use crate::signal;
use crate::telemetry::log;
use crate::verify::{Plan, Progress, Run};

#[derive(Args)]
pub(super) struct Arguments {
    /// A configuration whose sections [kafka] and [sqs] say where the brokers are.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Addresses of Kafka brokers, `host:port`, in place of [kafka].
    #[arg(long, value_name = "BOOTSTRAP")]
    kafka: Option<String>,
    /// The address of an SQS server, in place of [sqs].
    #[arg(long, value_name = "ENDPOINT")]
    sqs: Option<String>,
    /// Messages to send through the hosts.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    messages: u64,
    /// Faults to strike the hosts with meanwhile.
    #[arg(long, value_name = "N", default_value_t = 20)]
    faults: u32,
    /// Decides over messages and faults.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    seed: u64,
    /// Hosts at work.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    hosts: u8,
    /// Keep topics, queues and journals.
    #[arg(long)]
    keep: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    log::init(log::Format::Text, Some("warn")).map_err(super::unlogged)?;
    let plan = Plan {
        sections: sections(arguments)?,
        messages: arguments.messages,
        faults: arguments.faults,
        seed: arguments.seed,
        hosts: arguments.hosts.into(),
    };
    super::run::runtime()?.block_on(async {
        let mut run = Run::prepare(plan).await?;
        eprintln!("{} in {}", run.name(), run.folder().display());
        let (progress, _watch) = watch::channel(Progress::default());
        let stop = CancellationToken::new();
        let interrupt = stop.clone();
        tokio::spawn(async move {
            signal::next().await;
            interrupt.cancel();
        });
        let watch2 = progress.subscribe();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_secs(2)).await;
                eprintln!("{:?}", *watch2.borrow());
            }
        });
        let report = run.run(&progress, &stop).await;
        if !arguments.keep {
            run.remove().await?;
        }
        let report = report?;
        print_line(&serde_json::to_string_pretty(&report).expect("json"));
        Ok(Exit::Success)
    })
}

fn sections(arguments: &Arguments) -> Result<Table, Vec<Problem>> {
    let mut sections = Table::new();
    if let Some(bootstrap) = &arguments.kafka {
        let section = Table::from_iter([("bootstrap_servers".to_owned(), Value::from(bootstrap.as_str()))]);
        sections.insert("kafka".into(), Value::Table(section));
    }
    if let Some(endpoint) = &arguments.sqs {
        let section = Table::from_iter([("endpoint".to_owned(), Value::from(endpoint.as_str()))]);
        sections.insert("sqs".into(), Value::Table(section));
    }
    Ok(sections)
}
