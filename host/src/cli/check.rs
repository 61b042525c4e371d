//! `cofferdam check`.

use clap::Args;
use serde_json::json;

use super::run::{load, runtime};
use super::{ConfigArgument, Ended, OutputArguments, compile, print_line};
use crate::config::{Config, Source};
use crate::exit::{Exit, Problem};
use crate::run::{Brokers, Unfit, load_plugins};
use crate::telemetry::log;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Ask the brokers too, for the topics and queues.
    #[arg(long)]
    brokers: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    log::init(log::Format::Quiet, None).map_err(super::unlogged)?;
    let mut config = load(&arguments.config)?;
    // Nothing is stored by a check, and a running host may hold the store.
    config.keyvalue.store = crate::config::Store::Memory;
    runtime()?.block_on(async {
        let (_, handlers) = load_plugins(&config, Some(compile::program())).await?;
        let plugins: Vec<_> = handlers.values().map(|handler| handler.current()).collect();
        if arguments.brokers {
            ask_brokers(&config).await?;
        }
        if arguments.output.json {
            let plugins: Vec<_> = plugins
                .iter()
                .map(|plugin| json!({ "name": plugin.id().name, "digest": plugin.id().digest, "contract": plugin.contract().name() }))
                .collect();
            let routes: Vec<_> = config.routes.iter().map(|route| route.name()).collect();
            print_line(&json!({ "service": config.service.name, "plugins": plugins, "routes": routes }).to_string());
            return Ok(Exit::Success);
        }
        for plugin in &plugins {
            print_line(&format!("plugin {}: {}, {}", plugin.id().name, plugin.contract().name(), plugin.id().digest));
        }
        for route in &config.routes {
            print_line(&format!("route {}: {} -> {}", route.name(), from(&route.source), route.handler));
        }
        let asked = if arguments.brokers { ", topics and queues are there" } else { "" };
        print_line(&format!("{}: all is well{asked}", arguments.config.config.display()));
        Ok(Exit::Success)
    })
}

async fn ask_brokers(config: &Config) -> Result<(), Vec<Problem>> {
    let brokers = Brokers::connect(config).await?;
    let mut problems = Vec::new();
    let missing = brokers.missing_topics(config).await?;
    if !missing.is_empty() && !config.topics.create {
        let remedy = "make them, or set [topics] create = true";
        problems.push(Problem::new(Exit::Configuration, format!("topics are missing: {}", missing.join(", ")), remedy));
    } else if !missing.is_empty() {
        eprintln!("cofferdam: topics that `run` will make: {}", missing.join(", "));
    }
    for queue in config.sqs_queues() {
        problems.extend(brokers.queue(&queue).await.err());
    }
    for Unfit { route, what, remedy, is_grave } in brokers.unfit(config).await {
        if is_grave {
            problems.push(Problem::new(Exit::Configuration, what, remedy).at(format!("route {route}")));
        } else {
            eprintln!("cofferdam: route {route}: {what}; {remedy}");
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn from(source: &Source) -> String {
    match source {
        Source::Kafka { topics, group } => format!("kafka {} (group {group})", topics.join(", ")),
        Source::Sqs { queue, .. } => format!("sqs {queue}"),
    }
}
