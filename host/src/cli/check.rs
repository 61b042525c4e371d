//! `cofferdam check`.

use std::collections::HashMap;

use clap::Args;
use cofferdam_core::output::Destination;
use cofferdam_core::route::DeadLetterRule;
use serde_json::json;

use super::run::{load, runtime};
use super::{ConfigArgument, Ended, OutputArguments, compile, print_json, print_line};
use crate::config::{Config, Source};
use crate::exit::{Exit, Problem};
use crate::run::redrive::{self, Limits};
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
        let limits = if arguments.brokers { ask_brokers(&config).await? } else { Vec::new() };
        if arguments.output.json {
            let plugins: Vec<_> = plugins
                .iter()
                .map(|plugin| json!({ "name": plugin.id().name, "digest": plugin.id().digest, "contract": plugin.contract().name() }))
                .collect();
            let routes: Vec<_> = config.routes.iter().map(|route| route.name()).collect();
            print_json(&json!({ "service": config.service.name, "plugins": plugins, "routes": routes, "redrive": limits }).to_string());
            return Ok(Exit::Success);
        }
        for plugin in &plugins {
            print_line(&format!("plugin {}: {}, {}", plugin.id().name, plugin.contract().name(), plugin.id().digest));
        }
        for route in &config.routes {
            print_line(&format!("route {}: {} -> {}", route.name(), from(&route.source), route.handler));
        }
        for limits in &limits {
            print_line(&format!("{}{limits}", if limits.are_tight() { "warning: " } else { "" }));
        }
        let asked = if arguments.brokers { ", topics and queues are there" } else { "" };
        print_line(&format!("{}: all is well{asked}", arguments.config.config.display()));
        Ok(Exit::Success)
    })
}

/// Asks for all topics and queues. Returns both limits of each route whose queue has a redrive policy.
async fn ask_brokers(config: &Config) -> Result<Vec<Limits>, Vec<Problem>> {
    let brokers = Brokers::connect(config).await?;
    let mut problems = Vec::new();
    let missing = brokers.missing_topics(config).await?;
    if !missing.is_empty() && !config.topics.create {
        let remedy = "make them, or set [topics] create = true";
        problems.push(Problem::new(Exit::Configuration, format!("topics are missing: {}", missing.join(", ")), remedy));
    } else if !missing.is_empty() {
        eprintln!("cofferdam: topics that `run` will make: {}", missing.join(", "));
    }
    let mut queues = HashMap::new();
    for name in config.sqs_queues() {
        match brokers.queue(&name).await {
            Ok(queue) => drop(queues.insert(name, queue)),
            Err(problem) => problems.push(problem),
        }
    }
    for Unfit { route, what, remedy, is_grave } in brokers.unfit(config).await {
        if is_grave {
            problems.push(Problem::new(Exit::Configuration, what, remedy).at(format!("route {route}")));
        } else {
            eprintln!("cofferdam: route {route}: {what}; {remedy}");
        }
    }
    for route in &config.routes {
        let Source::Sqs { queue, .. } = &route.source else { continue };
        let Some(queue) = queues.get(queue) else { continue };
        // Where nobody has named one, nobody has looked for it.
        let dead_letter = route.route(redrive::of(queue)).dead_letter;
        if let DeadLetterRule::To(Destination::Sqs(name)) = dead_letter
            && !queues.contains_key(&*name)
            && route.dead_letter.is_none()
        {
            problems.extend(brokers.queue(&name).await.err());
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let limits = config.routes.iter().filter_map(|route| {
        let Source::Sqs { queue, .. } = &route.source else { return None };
        let queue = queues.get(queue.as_str())?;
        Limits::of(&route.route(redrive::of(queue)), queue)
    });
    Ok(limits.collect())
}

fn from(source: &Source) -> String {
    match source {
        Source::Kafka { topics, group } => format!("kafka {} (group {group})", topics.join(", ")),
        Source::Sqs { queue, .. } => format!("sqs {queue}"),
    }
}
