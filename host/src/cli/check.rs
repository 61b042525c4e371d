//! `cofferdam check`.

use clap::Args;
use serde_json::json;

use super::run::{load, runtime, warn};
use super::{ConfigArgument, Ended, OutputArguments, compile, print_json, print_line};
use crate::config::Source;
use crate::exit::{Exit, Problem};
use crate::run::{Brokers, Findings, Unfit, load_plugins, reload};
use crate::telemetry::log;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Check the topics and queues on the brokers, too.
    #[arg(long)]
    brokers: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    log::init(log::Format::Quiet, None).map_err(super::unlogged)?;
    let mut config = load(&arguments.config)?;
    reload::missing_sources(&config, &arguments.config.config).iter().for_each(warn);
    // A check stores nothing, and a running host may have locked the store.
    config.keyvalue.store = crate::config::Store::Memory;
    runtime()?.block_on(async {
        let loaded = load_plugins(&config, Some(compile::program())).await;
        let connected = Brokers::connect(&config).await.map_err(Into::into);
        // The problems of both are reported at once.
        let ((_, handlers), brokers) = match (loaded, connected.and_then(|it| it.check().map(|()| it))) {
            (Ok(loaded), Ok(brokers)) => (loaded, brokers),
            (loaded, brokers) => {
                return Err(loaded.err().into_iter().chain(brokers.err()).flatten().collect());
            }
        };
        let plugins: Vec<_> = handlers.values().map(|handler| handler.current()).collect();
        let findings = if arguments.brokers { ask_brokers(&brokers).await? } else { Findings::default() };
        let Findings { limits, creates, .. } = &findings;
        if arguments.output.json {
            let plugins: Vec<_> = plugins
                .iter()
                .map(|plugin| json!({ "name": plugin.id().name, "digest": plugin.id().digest, "contract": plugin.contract().name() }))
                .collect();
            let routes: Vec<_> = config.routes.iter().map(|route| route.name()).collect();
            print_json(&json!({ "service": config.service.name, "plugins": plugins, "routes": routes, "redrive": limits, "creates": creates }).to_string());
            return Ok(Exit::Success);
        }
        for plugin in &plugins {
            print_line(&format!("plugin {}: {}, {}", plugin.id().name, plugin.contract().name(), plugin.id().digest));
        }
        for route in &config.routes {
            print_line(&format!("route {}: {} -> {}", route.name(), from(&route.source), route.handler));
        }
        for limits in limits {
            print_line(&format!("{}{limits}", if limits.are_tight() { "warning: " } else { "" }));
        }
        let asked = match (arguments.brokers, creates.is_empty()) {
            (false, _) => String::new(),
            (true, true) => ", topics and queues exist".to_owned(),
            (true, false) => format!(", `run` will create {}", creates.join(", ")),
        };
        print_line(&format!("{}: configuration is valid{asked}", arguments.config.config.display()));
        Ok(Exit::Success)
    })
}

/// Asks the brokers, and reports how `run` will handle the findings.
async fn ask_brokers(brokers: &Brokers) -> Result<Findings, Vec<Problem>> {
    let mut findings = brokers.examine().await;
    let failures = findings.failures();
    for Unfit { route, what, remedy, .. } in &findings.unfit {
        tell!("cofferdam: route {route}: {what}; {remedy}");
    }
    if failures.is_empty() { Ok(findings) } else { Err(failures) }
}

fn from(source: &Source) -> String {
    let names: Vec<&str> = source.texts().collect();
    let group = source.group.as_ref().map(|group| format!(" (group {group})")).unwrap_or_default();
    format!("{} {}{group}", source.broker, names.join(", "))
}
