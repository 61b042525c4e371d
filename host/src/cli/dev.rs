//! `cofferdam dev`: runs a folder with a configuration on brokers inside this process.

mod brokers;
mod console;
mod idle;
mod input;
mod lines;
mod page;
mod recent;
mod seen;
mod status;
mod waiting;

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::task::JoinSet;

use super::run::{Run, finish, load, reloader, runtime, until_signal, warn};
use super::{ConfigArgument, Ended, OutputArguments, compile, open_files};
use crate::config::{Config, DEFAULT_FILE};
use crate::exit::{Exit, Problem};
use crate::listener::Listener;
use crate::run::reload::{self, Builds, Watch};
use crate::run::{Host, Options, Report, Watch as WatchRoute};
use crate::signal::{Hangups, Signals};
use crate::telemetry::log;
use console::Console;
use input::Input;
use lines::Look;
use recent::{Recent, Watcher};
use waiting::Waiting;

/// The default log filter. The line of each message already contains what a warning would say.
const LOGGED: &str = "warn,plugin=info,cofferdam::delivery=error";

#[derive(Args)]
pub(super) struct Arguments {
    /// Folder with `cofferdam.toml` and the input files `input/TOPIC.jsonl`.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Exit when all input is settled, and print the totals.
    #[arg(long)]
    exit_when_idle: bool,
    /// Start paused: Enter handles the next message, `c` continues, `h` lists the commands.
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
    let folder = arguments.dir.join(reload::INPUT);
    reload::missing_sources(&loaded, &file.config).iter().chain(&input::unread(&folder, &loaded)).for_each(warn);
    let input = input::read(&folder, &loaded)?;
    open_files::raise_limit();
    let runtime = runtime()?;
    let ended = runtime.block_on(dev(arguments, &file, loaded, input));
    // An interrupted start may have left a thread that compiles.
    runtime.shutdown_background();
    ended
}

async fn dev(arguments: Arguments, file: &ConfigArgument, loaded: Config, input: Input) -> Ended {
    let json = arguments.output.json;
    let mut signals = Signals::listen();
    let mut config = loaded.clone();
    // Before the builds, so that the address of the page is known at once and stays reserved.
    let listener = listener(config.admin.listen)?;
    let (waiting, recent, look) = (Arc::new(Waiting::default()), Arc::new(Recent::new()), Look::of_stdout());
    let mut builds = Builds::new(&loaded, &file.config);
    let start = async {
        builds.first(&|news| tell!("{news}")).await?;
        // The brokers live until the host has ended.
        let brokers = brokers::start(&mut config, &input).await?;
        let watch = watch(&waiting, &recent, look, json);
        let options = Options { watch: Some(watch), paused: arguments.pause, ..options(&recent, listener) };
        let host = Host::start(&config, options).await?;
        Ok::<_, Vec<Problem>>((brokers, host))
    };
    let (_brokers, host) = tokio::select! {
        started = start => started?,
        // Nothing was received, so nothing must be drained. A build ends when its future is dropped.
        signal = signals.next() => {
            return Ok(finish(&Run { report: Report::default(), signal: Some(signal) }, json));
        }
    };
    if let Some(address) = host.admin() {
        tell!("live view of messages: http://{address}/");
    }
    // Tasks beside the routes; they end with the routes.
    let mut beside = JoinSet::new();
    tokio::select! {
        fed = input::feed(input, host.sinks()) => fed?,
        signal = signals.next() => {
            host.stopper().cancel();
            return Ok(finish(&Run { report: host.ended().await, signal: Some(signal) }, json));
        }
    }
    if !json {
        beside.spawn(status::tell(host.routes().to_vec(), Arc::clone(&waiting), look));
    }
    if arguments.pause || !arguments.exit_when_idle {
        tell!("{}", if arguments.pause { console::PAUSED } else { console::HINT });
        let (config, sinks, stop) = (config.clone(), host.sinks().clone(), host.stopper());
        let (routes, paused) = (host.handles().to_vec(), arguments.pause);
        beside.spawn(Console { routes, paused, waiting, recent, config, sinks, stop }.run());
    }
    if arguments.exit_when_idle {
        let (routes, brokers, stop) = (host.routes().to_vec(), Arc::clone(host.brokers()), host.stopper());
        beside.spawn(async move {
            idle::until_idle(&config, &routes, &brokers).await;
            stop.cancel();
        });
    } else {
        let reloader = reloader(&host, &loaded, file, |news| tell!("{news}")).with(builds);
        let reloads = reloader.run(Watch::Everything, Hangups::listen());
        let stop = host.stopper();
        // A running build ends when the drain begins.
        beside.spawn(async move {
            stop.run_until_cancelled(reloads).await;
        });
    }
    let ended = until_signal(host, signals).await;
    Ok(finish(&ended, json))
}

/// Returns the listener that prints the messages of each route.
fn watch(waiting: &Arc<Waiting>, recent: &Arc<Recent>, look: Look, json: bool) -> WatchRoute {
    let (waiting, recent) = (Arc::clone(waiting), Arc::clone(recent));
    Box::new(move |route: &str| -> Box<dyn Listener> {
        Box::new(Watcher::new(route, look, json, Arc::clone(&recent), Arc::clone(&waiting)))
    })
}

/// Returns the options of the host beside its configuration.
fn options(recent: &Arc<Recent>, listener: TcpListener) -> Options {
    Options {
        pages: Some(page::router(Arc::clone(recent))),
        compiler: Some(compile::program()),
        listener: Some(listener),
        feeds: true,
        ..Options::default()
    }
}

/// Binds the address of the page: the configured one, or a free port if it is in use, for example by another `dev`.
fn listener(configured: Option<SocketAddr>) -> Result<TcpListener, Problem> {
    let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let asked = configured.unwrap_or(anywhere);
    let bound = TcpListener::bind(asked).or_else(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            warn(&format!("[admin] listen: {asked} is in use; using a free port"));
            TcpListener::bind(anywhere)
        }
        _ => Err(error),
    });
    bound.map_err(|error| {
        let remedy = "choose another address in [admin] listen, or \"\" for any";
        Problem::new(Exit::Unavailable, format!("cannot listen on {asked}: {error}"), remedy).at("admin.listen")
    })
}
