//! `cofferdam run`.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{ConfigArgument, Ended, OutputArguments, compile, open_files, print_json, print_line};
use crate::config::Config;
use crate::exit::{Exit, Problem};
use crate::journal::Journal;
use crate::run::reload::{News, Reloader, Watch};
use crate::run::{Host, Options, Report};
use crate::signal::{Hangups, Signal, Signals};
use crate::telemetry::log;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    config: ConfigArgument,
    /// Write every step of every message to this new file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    log::init(if arguments.output.json { log::Format::Json } else { log::Format::Text }, None)
        .map_err(super::unlogged)?;
    let config = load(&arguments.config)?;
    let journal = match &arguments.journal {
        Some(file) => Journal::create(file).map_err(|error| unwritable(file, &error))?,
        None => Journal::default(),
    };
    open_files::raise_limit();
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let (mut signals, hangups) = (Signals::listen(), Hangups::listen());
        let options = Options { journal, compiler: Some(compile::program()), ..Options::default() };
        let host = tokio::select! {
            host = Host::start(&config, options) => host?,
            // Nothing was received, so nothing must be drained.
            signal = signals.next() => {
                tracing::info!(%signal, "stopping: signal received during the start");
                return Ok(finish(&Run { report: Report::default(), signal: Some(signal) }, arguments.output.json));
            }
        };
        if let Some(address) = host.admin() {
            tracing::info!(%address, "admin server is listening");
        }
        tracing::info!(service = %config.service.name, routes = config.routes.len(), "running");
        let reloader = reloader(&host, &config, &arguments.config, |news| news.log());
        let reloads = tokio::spawn(reloader.run(Watch::Chosen, hangups));
        let ended = until_signal(host, signals).await;
        reloads.abort();
        Ok(finish(&ended, arguments.output.json))
    });
    // An interrupted start may have left a thread that waits for a broker.
    runtime.shutdown_background();
    ended
}

fn unwritable(file: &Path, error: &std::io::Error) -> Problem {
    let remedy = match error.kind() {
        ErrorKind::AlreadyExists => "name a new file: each process writes its own",
        _ => "",
    };
    Problem::new(Exit::Usage, format!("failed to create the journal: {error}"), remedy).at(file.display().to_string())
}

/// Returns the reloader of the host, which was started with this configuration.
pub(super) fn reloader(
    host: &Host,
    config: &Config,
    argument: &ConfigArgument,
    tell: impl Fn(&News) + Send + Sync + 'static,
) -> Reloader {
    let file = argument.config.clone();
    let reading = file.clone();
    host.reloader(config.clone(), file, Box::new(move || read(&reading)), Box::new(move |news| tell(&news)))
}

fn read(file: &Path) -> Result<Config, Vec<Problem>> {
    Config::load(file, &|name| std::env::var(name).ok()).map_err(problems)
}

/// Reads the configuration with the environment of the process.
pub(super) fn load(argument: &ConfigArgument) -> Result<Config, Vec<Problem>> {
    let config = read(&argument.config)?;
    config.warnings.iter().for_each(warn);
    Ok(config)
}

/// Prints a warning about a valid but probably unintended configuration on standard error.
pub(super) fn warn(warning: &impl std::fmt::Display) {
    tell!("cofferdam: warning: {warning}");
}

pub(super) fn problems(errors: crate::config::Errors) -> Vec<Problem> {
    let problems = errors.problems().iter();
    problems.map(|error| Problem::new(Exit::Configuration, &*error.what, &*error.remedy).at(error.place())).collect()
}

/// Creates the runtime for everything but routes and guests.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Problem> {
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    built.map_err(|error| Problem::new(Exit::Unavailable, format!("failed to start threads: {error}"), ""))
}

/// The end of a host, and the signal that caused it.
pub(super) struct Run {
    pub(super) report: Report,
    pub(super) signal: Option<Signal>,
}

/// Runs the host until a signal has drained it or it ends by itself.
pub(super) async fn until_signal(host: Host, mut signals: Signals) -> Run {
    let stop = host.stopper();
    let ended = host.ended();
    tokio::pin!(ended);
    let signal = tokio::select! {
        signal = signals.next() => {
            tracing::info!(%signal, "draining: intake has stopped, running attempts may finish");
            stop.cancel();
            signal
        }
        report = &mut ended => return Run { report, signal: None },
    };
    tokio::select! {
        report = &mut ended => Run { report, signal: Some(signal) },
        // A second signal ends the process at once; unfinished messages are redelivered after the next start.
        _ = signals.next() => std::process::exit(Exit::Interrupted as i32),
    }
}

/// Prints the totals and determines the exit code.
pub(super) fn finish(run: &Run, json: bool) -> Exit {
    let account = run.report.account;
    for (route, reason) in &run.report.stopped {
        let what = route.as_ref().map_or_else(|| "the host".to_owned(), |route| format!("route `{route}`"));
        tell!("cofferdam: {what} has stopped: {}", reason.escape_debug());
    }
    for stuck in &run.report.stuck {
        tell!("cofferdam: {stuck}: its messages are abandoned and will be redelivered");
    }
    if run.report.unflushed > 0 {
        tell!("cofferdam: {} publications were not acknowledged before the end", run.report.unflushed);
    }
    let text = serde_json::to_string(&account).expect("numbers are JSON");
    if json {
        print_json(&text);
    } else {
        print_line(&format!("totals: {text}"));
    }
    match run.signal {
        _ if !run.report.stuck.is_empty() => Exit::Software,
        _ if run.report.client_failed => Exit::Unavailable,
        _ if run.report.failed => Exit::Software,
        _ if !run.report.stopped.is_empty() => Exit::Data,
        _ if account.abandoned > 0 || run.report.cut_short => Exit::TryAgain,
        Some(Signal::Interrupt) => Exit::Interrupted,
        Some(Signal::Terminate) | None => Exit::Success,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_says_whether_a_restart_helps() {
        let code = |report: Report, signal| finish(&Run { report, signal }, false);
        let stopped = || vec![(Some("orders".into()), "no type is accepted".into())];
        let terminate = Some(Signal::Terminate);
        assert_eq!(code(Report::default(), terminate), Exit::Success);
        assert_eq!(code(Report::default(), Some(Signal::Interrupt)), Exit::Interrupted);
        assert_eq!(code(Report { cut_short: true, ..Report::default() }, terminate), Exit::TryAgain);
        assert_eq!(code(Report { stopped: stopped(), ..Report::default() }, None), Exit::Data);
        assert_eq!(code(Report { stopped: stopped(), failed: true, ..Report::default() }, None), Exit::Software);
        let client = Report { stopped: stopped(), client_failed: true, failed: true, ..Report::default() };
        assert_eq!(code(client, None), Exit::Unavailable);
    }
}
