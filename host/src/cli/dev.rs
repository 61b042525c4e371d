//! `cofferdam dev`: a folder with a configuration, on brokers inside this process.

mod brokers;
mod console;
mod idle;
mod input;
mod lines;
mod page;
mod recent;
mod seen;
mod status;

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::run::{finish, load, reloader, runtime, until_signal};
use super::{ConfigArgument, Ended, OutputArguments, compile, open_files};
use crate::config::{Config, DEFAULT_FILE};
use crate::exit::Problem;
use crate::flow::{Gate, Observer};
use crate::run::reload::{self, News, Watch};
use crate::run::{Host, Options};
use crate::signal::{Hangups, Signals};
use crate::telemetry::log;
use console::Console;
use lines::Look;
use recent::{Recent, Watcher};

/// What is logged beside the lines, which say for each message what a warning would.
const LOGGED: &str = "warn,plugin=info,cofferdam::delivery=error";

#[derive(Args)]
pub(super) struct Arguments {
    /// The folder: `cofferdam.toml`, and `input/TOPIC.jsonl` to be fed in.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Stop when all input is settled, print the account, exit.
    #[arg(long)]
    exit_when_idle: bool,
    /// Handle no message before it is asked for: each line on standard input lets one through, `c` all.
    #[arg(long)]
    pause: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) fn main(arguments: Arguments) -> Ended {
    let json = arguments.output.json;
    let (format, filter) = if json { (log::Format::Json, None) } else { (log::Format::Text, Some(LOGGED)) };
    log::init(format, filter).map_err(super::unlogged)?;
    let file = ConfigArgument { config: arguments.dir.join(DEFAULT_FILE) };
    let loaded = load(&file)?;
    let mut config = loaded.clone();
    let input = input::read(&arguments.dir.join("input"), &config)?;
    open_files::raise_limit();
    runtime()?.block_on(async {
        build(&config, &arguments.dir).await?;
        // They live until the host has ended.
        let _brokers = brokers::start(&mut config, &input).await?;
        config.admin.listen = Some(free_address(config.admin.listen));
        let (gate, recent, look) = (Arc::new(Gate::default()), Arc::new(Recent::new()), Look::of_stdout());
        if arguments.pause {
            gate.pause();
        }
        let host = Host::start(&config, options(&gate, &recent, look, json)).await?;
        if let Some(address) = host.admin() {
            eprintln!("what happens, in a browser: http://{address}/");
        }
        // What goes on beside the routes ends with them.
        let mut beside = JoinSet::new();
        beside.spawn(close_at_the_end(host.stopper(), Arc::clone(&gate)));
        input::feed(input, host.sinks()).await?;
        if !json {
            beside.spawn(status::tell(host.routes().to_vec(), Arc::clone(&gate), look));
        }
        if arguments.pause || !arguments.exit_when_idle {
            eprintln!("{}", if arguments.pause { console::PAUSED } else { console::HINT });
            let (config, sinks, stop) = (config.clone(), host.sinks().clone(), host.stopper());
            beside.spawn(Console { gate, recent, config, sinks, stop }.run());
        }
        if arguments.exit_when_idle {
            let (routes, brokers, stop) = (host.routes().to_vec(), Arc::clone(host.brokers()), host.stopper());
            beside.spawn(async move {
                idle::until_idle(&config, &routes, &brokers).await;
                stop.cancel();
            });
        } else {
            let reloader = reloader(&host, &loaded, &file, |news| eprintln!("{news}"));
            beside.spawn(reloader.run(Watch::Everything, Hangups::listen()));
        }
        let ended = until_signal(host, Signals::listen()).await;
        Ok(finish(&ended, json))
    })
}

/// What the host is given beside its configuration.
fn options(gate: &Arc<Gate>, recent: &Arc<Recent>, look: Look, json: bool) -> Options {
    let watched = Arc::clone(recent);
    let observe = move |route: &str| -> Box<dyn Observer> {
        Box::new(Watcher { route: route.into(), look, json, recent: Arc::clone(&watched) })
    };
    Options {
        observe: Some(Box::new(observe)),
        gate: Some(Arc::clone(gate)),
        pages: Some(page::router(Arc::clone(recent))),
        compiler: Some(compile::program()),
        ..Options::default()
    }
}

/// Where the page is: as configured, or elsewhere where that address is taken, for instance by another `dev`.
fn free_address(configured: Option<SocketAddr>) -> SocketAddr {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let asked = configured.unwrap_or(anywhere);
    match TcpListener::bind(asked) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => anywhere,
        _ => asked,
    }
}

/// Messages that wait to be let through are handed back when it ends.
async fn close_at_the_end(stop: CancellationToken, gate: Arc<Gate>) {
    stop.cancelled().await;
    gate.close();
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
