//! The command line.

/// Prints a line on standard error. Nobody can be told where that fails, so it is not an error; `eprintln!` would panic.
macro_rules! tell {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($text)*);
    }};
}

mod bytes;
mod check;
mod compile;
#[cfg(feature = "embedded")]
mod dev;
mod dlq;
mod invoke;
mod new;
mod open_files;
mod run;
mod verify;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::OnceLock;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::config::{Config, RouteConfig};
use crate::escape;
use crate::exit::{Exit, Problem};

/// Run untrusted message handlers between Kafka and SQS, each message in a WebAssembly sandbox.
#[derive(Parser)]
#[command(name = "cofferdam", version, about, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a folder with embedded brokers: build its plugins, feed its input, show each message.
    #[cfg(feature = "embedded")]
    #[command(after_help = "Example:\n  cofferdam dev examples/order-pipeline --exit-when-idle")]
    Dev(dev::Arguments),
    /// Run the host in production.
    #[command(after_help = "Example:\n  cofferdam run --config orders.toml\n\n\
        SIGTERM or Ctrl-C starts a drain: intake stops, running attempts may finish, the host prints its totals.")]
    Run(run::Arguments),
    /// Create a folder with a handler that builds, runs in `cofferdam dev`, and passes its own test.
    #[command(after_help = "Example:\n  cofferdam new rust pricing && cd pricing && cofferdam dev")]
    New(new::Arguments),
    /// Check the configuration and load every plugin; contact the brokers only with --brokers.
    #[command(after_help = "Example:\n  cofferdam check --config orders.toml --brokers")]
    Check(check::Arguments),
    /// Call one plugin with one message, without a broker, and show the result.
    #[command(
        after_help = "Example:\n  echo '{\"payload\": {\"id\": 7}}' | cofferdam invoke price.wasm --limit cpu_time=100ms\n\n\
        Exit codes: 0 done, 65 permanent or malformed, 70 the plugin exceeded a limit or broke the contract, 75 retryable or deferred."
    )]
    Invoke(invoke::Arguments),
    /// Verify the delivery guarantees on your brokers under injected faults.
    #[command(after_help = "Example:\n  cofferdam verify --kafka 127.0.0.1:9092 --messages 100000 --faults 100\n\n\
        The run creates its own topics, queues and consumer group, with names that begin with cofferdam-verify-, and \
        removes them at the end. Each message takes about 600 bytes in TMPDIR during the run.\n\n\
        Exit codes: 0 every checked guarantee held, 70 a guarantee was violated and the history is kept, \
        69 the brokers are unreachable.")]
    Verify(verify::Arguments),
    /// Compiles a component: what the other commands have a process of its own do.
    #[command(hide = true, name = crate::plugin::compiler::COMMAND)]
    Compile(compile::Arguments),
    /// List, show, replay and delete dead letters on Kafka and SQS.
    Dlq {
        #[command(subcommand)]
        command: dlq::Command,
    },
}

#[derive(Args)]
struct ConfigArgument {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "cofferdam.toml")]
    config: PathBuf,
}

#[derive(Args)]
struct OutputArguments {
    /// Print JSON lines on standard output; other messages go to standard error.
    #[arg(long)]
    json: bool,
}

/// Parses the command line, runs the command, and returns the exit code. Calls `begin` first, unless the command is
/// `compile`: that process must not have other threads before it has confined itself.
pub fn main(begin: fn()) -> Exit {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
            written(error.print());
            return if asked { all_written(Exit::Success) } else { Exit::Usage };
        }
    };
    if !matches!(cli.command, Command::Compile(_)) {
        begin();
    }
    // A host is not restarted because nobody reads its report.
    #[cfg(feature = "embedded")]
    let is_host = matches!(cli.command, Command::Run(_) | Command::Dev(_));
    #[cfg(not(feature = "embedded"))]
    let is_host = matches!(cli.command, Command::Run(_));
    let (json, ended) = match cli.command {
        #[cfg(feature = "embedded")]
        Command::Dev(arguments) => (arguments.output.json, dev::main(arguments)),
        Command::Run(arguments) => (arguments.output.json, run::main(&arguments)),
        Command::New(arguments) => (false, new::main(&arguments)),
        Command::Check(arguments) => (arguments.output.json, check::main(&arguments)),
        Command::Verify(arguments) => (arguments.output.json, verify::main(&arguments)),
        Command::Invoke(arguments) => (arguments.output.json, invoke::main(&arguments)),
        Command::Compile(arguments) => compile::main(&arguments),
        Command::Dlq { command } => (command.json(), dlq::main(&command)),
    };
    match ended {
        Ok(exit) if !is_host => all_written(exit),
        Ok(exit) => exit,
        Err(problems) => say(&problems, json),
    }
}

/// The first error of a write to standard output.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Remembers the error of a write to standard output. A reader that has seen enough, such as `head`, is none.
fn written(result: io::Result<()>) {
    if let Err(error) = result
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = UNWRITTEN.set(error); // the first one counts
    }
}

/// Says if results could not be written to standard output, and returns the code for that instead of success.
fn all_written(exit: Exit) -> Exit {
    let Some(error) = UNWRITTEN.get() else { return exit };
    tell!("cofferdam: failed to write to standard output: {error}");
    if exit == Exit::Success { Exit::Output } else { exit }
}

/// Prints the problems and returns the exit code of the first.
fn say(problems: &[Problem], json: bool) -> Exit {
    for problem in problems {
        if json {
            print_json(&serde_json::to_string(problem).expect("three texts are JSON"));
        }
        tell!("cofferdam: {problem}");
    }
    problems.first().map_or(Exit::Success, |problem| problem.exit)
}

/// Prints text on standard output with its control characters escaped.
fn print_line(line: &str) {
    print(&escape::lines(line));
}

/// Prints JSON on standard output, on one line.
fn print_json(line: &str) {
    print(&escape::json(line));
}

/// Prints text that is already escaped and may have colours.
#[cfg(feature = "embedded")]
fn print_coloured(text: &str) {
    print(&escape::coloured(text));
}

fn print(line: &str) {
    written(writeln!(io::stdout(), "{line}"));
}

/// Returns the route `name`.
fn route<'a>(config: &'a Config, name: &str) -> Result<&'a RouteConfig, Problem> {
    config.routes.iter().find(|route| route.name() == name).ok_or_else(|| {
        let known: Vec<&str> = config.routes.iter().map(RouteConfig::name).collect();
        let remedy = match known.as_slice() {
            [one] => format!("expected {one}"),
            _ => format!("expected one of {}", known.join(", ")),
        };
        Problem::new(Exit::Usage, format!("unknown route `{name}`"), remedy)
    })
}

fn unlogged(error: crate::telemetry::log::Error) -> Problem {
    Problem::new(Exit::Usage, error.to_string(), "").at(crate::telemetry::log::VARIABLE)
}

type Ended = Result<Exit, Vec<Problem>>;

impl From<Problem> for Vec<Problem> {
    fn from(problem: Problem) -> Self {
        vec![problem]
    }
}
