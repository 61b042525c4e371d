//! `cofferdam dev`: a folder with a configuration, on brokers inside this process.

mod input;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use cofferdam_core::route::Guarantee;

use super::lines::Lines;
use super::run::{finish, load, reloader, runtime, until_signal};
use super::{ConfigArgument, Ended, OutputArguments, compile};
use crate::admin::RouteHealth;
use crate::config::{Config, DEFAULT_FILE, Kind, Source, Store};
use crate::dedupe;
use crate::embedded::{self, QueueSpec};
use crate::exit::{Exit, Problem};
use crate::flow::Observer;
use crate::run::reload::{self, News, Watch};
use crate::run::{Brokers, Host, Options};
use crate::signal::{Hangups, Signals};
use crate::telemetry::log;

/// How often it is looked whether all is settled.
const LOOK: Duration = Duration::from_millis(100);

#[derive(Args)]
pub(super) struct Arguments {
    /// The folder: `cofferdam.toml`, and `input/TOPIC.jsonl` to be fed in.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Stop when all input is settled, print the account, exit.
    #[arg(long)]
    exit_when_idle: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) fn main(arguments: Arguments) -> Ended {
    let json = arguments.output.json;
    log::init(if json { log::Format::Json } else { log::Format::Text }, None).map_err(super::unlogged)?;
    let file = ConfigArgument { config: arguments.dir.join(DEFAULT_FILE) };
    let loaded = load(&file)?;
    let mut config = loaded.clone();
    let input = input::read(&arguments.dir.join("input"), &config)?;
    runtime()?.block_on(async {
        build(&config, &arguments.dir).await?;
        // They live until the host has ended.
        let _brokers = start_brokers(&mut config, &input).await?;
        let observe = move |route: &str| Box::new(Lines { route: route.into(), json }) as Box<dyn Observer>;
        let compiler = Some(compile::program());
        let options = Options { observe: Some(Box::new(observe)), compiler, ..Options::default() };
        let host = Host::start(&config, options).await?;
        if let Some(address) = host.admin() {
            eprintln!("status: http://{address}/");
        }
        input::feed(input, host.sinks()).await?;
        if arguments.exit_when_idle {
            let (routes, brokers, stop) = (host.routes().to_vec(), Arc::clone(host.brokers()), host.stopper());
            let config = config.clone();
            tokio::spawn(async move {
                stop.run_until_cancelled(until_idle(&config, &routes, &brokers)).await;
                stop.cancel();
            });
        }
        let reloads = (!arguments.exit_when_idle).then(|| {
            let reloader = reloader(&host, &loaded, &file, |news| eprintln!("{news}"));
            tokio::spawn(reloader.run(Watch::Everything, Hangups::listen()))
        });
        let ended = until_signal(host, Signals::listen()).await;
        reloads.inspect(tokio::task::JoinHandle::abort);
        Ok(finish(&ended, json))
    })
}

/// Runs each build command of the configuration once, in its folder.
async fn build(config: &Config, folder: &Path) -> Result<(), Vec<Problem>> {
    let commands: BTreeSet<&str> = config.plugins.values().filter_map(|plugin| plugin.build.as_deref()).collect();
    let mut problems = Vec::new();
    for command in commands {
        eprintln!("{}", News::Building { command: command.to_owned() });
        problems.extend(reload::build(command, folder).await.err());
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Brokers inside the process, and the configuration pointed at them.
async fn start_brokers(config: &mut Config, input: &input::Input) -> Result<(embedded::Kafka, embedded::Sqs), Problem> {
    if let Some(route) = config.routes.iter().find(|route| route.delivery() == Guarantee::ExactlyOnce) {
        let what = "the brokers inside this process have no transactions, and the route asks for exactly_once";
        let remedy = "use `cofferdam run` on Apache Kafka, or write delivery = \"at_least_once\" for dev";
        return Err(Problem::new(Exit::Configuration, what, remedy).at(route.name()));
    }
    let broken = |error: embedded::Error| Problem::new(Exit::Unavailable, error.to_string(), "");
    let mut topics: Vec<(String, i32)> = Vec::new();
    for (name, kind) in config.kafka_topics().into_iter().chain(input.topics()) {
        if topics.iter().all(|(known, _)| *known != name) {
            topics.push((name, if kind == Kind::Standard { 3 } else { 1 }));
        }
    }
    let kafka = embedded::Kafka::start(&topics).map_err(broken)?;
    let mut queues: Vec<QueueSpec> = config.sqs_queues().into_iter().map(QueueSpec::new).collect();
    // Where a route without a dead-letter queue of its own sends its dead letters.
    for suffix in ["-dlq", "-dlq.fifo"] {
        let name = format!("{}{suffix}", config.service.name.replace('.', "-"));
        if queues.iter().all(|queue| queue.name != name) {
            queues.push(QueueSpec::new(name));
        }
    }
    let sqs = embedded::Sqs::start(&queues).await.map_err(broken)?;
    eprintln!(
        "brokers inside this process, in memory only: Kafka {} (mock cluster of librdkafka: 5 MiB a partition, no \
         transactions), SQS {} (rustack); what `run` promises is shown on real ones",
        kafka.bootstrap(),
        sqs.endpoint(),
    );
    if let Some(section) = &mut config.kafka {
        section.bootstrap_servers = kafka.bootstrap().to_owned();
        for (name, value) in embedded::Kafka::CLIENT_PROPERTIES {
            section.properties.0.insert(name.to_owned(), value.to_owned());
        }
    }
    if let Some(section) = &mut config.sqs {
        section.endpoint = Some(sqs.endpoint().to_owned());
        section.region = Some(embedded::Sqs::REGION.to_owned());
    }
    // The mock cluster has no administration; its topics are there already.
    config.topics.create = false;
    config.keyvalue.store = Store::Memory;
    config.dedupe.place = dedupe::Place::Memory { capacity: dedupe::CAPACITY };
    Ok((kafka, sqs))
}

/// Until everything that stands in topics and queues was received and has come to its end, twice in a row.
async fn until_idle(config: &Config, routes: &[Arc<RouteHealth>], brokers: &Brokers) {
    let mut before = None;
    loop {
        tokio::time::sleep(LOOK).await;
        let ended: u64 = routes.iter().map(|route| route.account().ended()).sum();
        let idle = is_idle(config, routes, brokers).await;
        if idle && before == Some(ended) {
            return;
        }
        before = idle.then_some(ended);
    }
}

async fn is_idle(config: &Config, routes: &[Arc<RouteHealth>], brokers: &Brokers) -> bool {
    for (route, health) in config.routes.iter().zip(routes) {
        if health.in_flight() > 0 {
            return false;
        }
        let settled = match &route.source {
            Source::Kafka { topics, .. } => {
                let topics: Vec<Arc<str>> = topics.iter().map(|topic| topic.as_str().into()).collect();
                brokers.records(&topics).await.is_ok_and(|records| health.account().received >= records)
            }
            Source::Sqs { queue, .. } => brokers.depth(queue).await.is_ok_and(|depth| depth.total() == 0),
        };
        if !settled {
            return false;
        }
    }
    true
}
