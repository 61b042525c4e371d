//! `cofferdam invoke`: one plugin, one message, no broker.

mod show;
mod watch;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use cofferdam_core::envelope::Opened;
use cofferdam_core::message::{Message, Position, Record};
use cofferdam_core::outcome::{Class, Failure, Outcome, Usage};
use cofferdam_core::route::Route;
use cofferdam_core::time::Time;
use rustix::fs::{Access, access};

use super::run::{load, runtime};
use super::{ConfigArgument, Ended, OutputArguments, compile};
use crate::clock::Clock;
use crate::config::{self, Config, DEFAULT_FILE};
use crate::exit::{Exit, Problem};
use crate::message_file::MessageFile;
use crate::plugin::{Attempt, CompileBounds, Engine, EngineConfig, LogLines, Plugin, Spec, http, keyvalue};
use crate::run::{plugin_spec, stages_of};
use crate::stage::{self, Stage};
use crate::telemetry::log;

#[derive(Args)]
pub(super) struct Arguments {
    /// Path of the plugin file.
    plugin: PathBuf,
    /// Read the message as JSON from this file, or from standard input with `-`; an empty message by default.
    #[arg(long, value_name = "FILE")]
    message: Option<PathBuf>,
    /// Set a limit as in the configuration: memory=64MiB, wall_time=5s, outputs=10; repeatable.
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    limits: Vec<String>,
    /// Set a value of the plugin's `config`: currency=EUR; repeatable.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    values: Vec<String>,
    /// Allow requests to a host: api.example.com, http://127.0.0.1:8080; repeatable.
    #[arg(long = "http", value_name = "HOST", conflicts_with = "route")]
    http: Vec<String>,
    /// Accept only these outputs; without this option, accept those of the route, or all without a route.
    #[arg(long, value_name = "A,B", value_delimiter = ',', conflicts_with = "route")]
    outputs: Option<Vec<String>>,
    /// Path of the configuration file that contains the route.
    #[arg(long, value_name = "FILE", default_value = DEFAULT_FILE, requires = "route")]
    config: PathBuf,
    /// Use the envelope, limits, configuration, grants and outputs of this route.
    #[arg(long, value_name = "NAME")]
    route: Option<String>,
    /// Re-run whenever the plugin, message or configuration changes.
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    pub(super) output: OutputArguments,
}

/// The settings to run a plugin with.
pub(super) struct Setting {
    spec: Spec,
    route: Option<Work>,
    compile: CompileBounds,
    /// The folder of the cache of compiled plugins; `None`: no cache.
    cache: Option<PathBuf>,
    /// Runs the attempt and the plugin's HTTP requests.
    runtime: tokio::runtime::Runtime,
}

/// The steps of a route beside the call of its handler.
struct Work {
    route: Route,
    stages: Vec<Arc<dyn Stage>>,
}

/// The record for the plugin, and the fields that override those of its envelope.
pub(super) struct Given {
    pub(super) record: Arc<Record>,
    pub(super) id: Option<String>,
    pub(super) attributes: Vec<(Box<str>, Box<str>)>,
    /// Number of the attempt, from 1.
    pub(super) attempt: u32,
}

pub(super) fn main(arguments: &Arguments) -> Ended {
    log::init(log::Format::Quiet, None).map_err(super::unlogged)?;
    if arguments.watch { watch::main(arguments) } else { once(arguments) }
}

fn once(arguments: &Arguments) -> Ended {
    let given = given(read_message(arguments.message.as_deref())?);
    let mut setting = match &arguments.route {
        Some(route) => {
            let config = load(&ConfigArgument { config: arguments.config.clone() })?;
            Setting::of_route(&config, route).map_err(|problem| problem.at(arguments.config.display().to_string()))?
        }
        None => Setting::plain(&arguments.plugin, &arguments.http, here().as_ref())?,
    };
    setting.spec.limits = config::set_limits(&setting.spec.limits, &arguments.limits).map_err(|errors| {
        let problems = super::run::problems(errors).into_iter();
        problems.map(|problem| Problem { exit: Exit::Usage, ..problem }).collect::<Vec<_>>()
    })?;
    for value in &arguments.values {
        let Some((name, value)) = value.split_once('=') else {
            return Err(vec![Problem::new(Exit::Usage, format!("--set {value:?} has no value"), "write NAME=VALUE")]);
        };
        setting.spec.config.insert(name.to_owned(), value.to_owned());
    }
    give(&arguments.plugin, setting, &given, arguments.outputs.as_deref(), arguments.output.json)
}

/// Calls the plugin with one message, shows the result, and returns the exit code.
pub(super) fn give(plugin: &Path, setting: Setting, given: &Given, outputs: Option<&[String]>, json: bool) -> Ended {
    let (compiler, compile, cache) = (Some(compile::program()), setting.compile.clone(), setting.cache.clone());
    let engine = Engine::new(EngineConfig { instances: 4, cache, compiler, compile, ..EngineConfig::default() })
        .map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))?;
    let plugin = Plugin::open(&engine, plugin, setting.spec).map_err(|error| {
        let file = error.path.as_ref().map_or_else(String::new, |path| path.display().to_string());
        Problem::new(Exit::Data, error.refusal.to_string(), error.remedy()).at(file)
    })?;
    let attempt = setting.runtime.block_on(invoke(&plugin, given, setting.route.as_ref(), outputs));
    show::show(&attempt, &plugin, json);
    Ok(exit(attempt.outcome.class()))
}

/// Returns the configuration of the current folder, if there is one, so that plugins that `dev` compiled there are not
/// compiled again.
fn here() -> Option<Config> {
    Config::load(Path::new(DEFAULT_FILE), &|name| std::env::var(name).ok()).ok()
}

/// Returns the cache of the configured storage folder, unless another user owns that folder; then the cache of the
/// user.
fn cache(config: Option<&Config>) -> Option<PathBuf> {
    config.map(|config| config.storage.compiled()).filter(|folder| may_write(folder)).or_else(users_cache)
}

/// Returns whether the folder is writable, or can be created.
fn may_write(folder: &Path) -> bool {
    let there = folder.ancestors().map(|path| if path == Path::new("") { Path::new(".") } else { path });
    there.into_iter().find(|path| path.exists()).is_some_and(|path| access(path, Access::WRITE_OK).is_ok())
}

/// Returns the cache folder of the user. It is used without a configuration, because compiling some plugins takes ten
/// seconds. `None` if neither `XDG_CACHE_HOME` nor `HOME` is set.
fn users_cache() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let user = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(user.join("cofferdam").join("compiled"))
}

fn exit(class: Class) -> Exit {
    match class {
        Class::Done => Exit::Success,
        Class::Retryable | Class::Deferred | Class::HostFault | Class::Revoked => Exit::TryAgain,
        Class::Permanent | Class::Malformed | Class::Unrouted => Exit::Data,
        Class::Trapped | Class::OutOfMemory | Class::TimedOut | Class::ContractBroken => Exit::Software,
    }
}

fn read_message(path: Option<&Path>) -> Result<MessageFile, Problem> {
    let Some(path) = path else { return Ok(MessageFile::default()) };
    let unreadable =
        |error: std::io::Error| Problem::new(Exit::Data, format!("failed to read the message: {error}"), "");
    let (name, text) = if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text).map(|_| text);
        ("standard input".to_owned(), read)
    } else {
        (path.display().to_string(), std::fs::read_to_string(path))
    };
    let text = text.map_err(|error| unreadable(error).at(&*name))?;
    MessageFile::parse(&text).map_err(|error| {
        let remedy = r#"expected JSON such as {"key": "o-1", "payload": {"id": 7}}; all fields are optional"#;
        Problem::new(Exit::Data, error.to_string(), remedy).at(error.place(&name, 1))
    })
}

impl Setting {
    /// Returns the settings without a route: default limits, HTTP grants for `hosts`, and a key-value store in memory,
    /// which is granted always because it is lost with the process. `config` gives the cache folder, if there is one.
    pub(super) fn plain(plugin: &Path, hosts: &[String], config: Option<&Config>) -> Result<Self, Problem> {
        let stem = plugin.file_stem().unwrap_or_default().to_string_lossy();
        let bucket = keyvalue::Store::in_memory().bucket("invoke");
        let runtime = runtime()?;
        let rule = |host: &String| {
            http::Rule::new(host)
                .map_err(|remedy| Problem::new(Exit::Usage, format!("invalid host --http {host:?}"), remedy))
        };
        let allow = hosts.iter().map(rule).collect::<Result<_, _>>()?;
        let client = http::Client::new(&stem, http::Config { allow, ..http::Config::default() }, runtime.handle());
        let client = client.map_err(|error| Problem::new(Exit::Unavailable, error, ""))?;
        let spec = Spec { keyvalue: Some(bucket), http: Some(client), exact_cpu_time: true, ..Spec::new(&*stem) };
        Ok(Self { spec, route: None, compile: CompileBounds::default(), cache: cache(config), runtime })
    }

    /// Returns the settings with which the route `name` runs its handler.
    pub(super) fn of_route(config: &Config, name: &str) -> Result<Self, Problem> {
        let route = super::route(config, name)?;
        let plugin: &config::Plugin = &config.plugins[&route.handler];
        let runtime = runtime()?;
        let store = keyvalue::Store::in_memory();
        let spec = plugin_spec(&route.handler, plugin, Some(&store), runtime.handle())?;
        let (spec, compile) = (Spec { exact_cpu_time: true, ..spec }, config.sandbox.compile.clone());
        let work = Work { route: route.route(None), stages: stages_of(route) };
        Ok(Self { spec, route: Some(work), compile, cache: cache(Some(config)), runtime })
    }
}

fn given(file: MessageFile) -> Given {
    let record = Record {
        source: file.source.as_deref().unwrap_or("invoke").into(),
        position: Position::Offset { partition: 0, offset: 0 },
        key: file.key,
        headers: file.headers,
        payload: file.payload,
        timestamp_ms: Some(file.timestamp_ms.unwrap_or_else(|| Clock::set().now().as_millis())),
    };
    Given { record: Arc::new(record), id: file.id, attributes: file.attributes, attempt: file.attempt.unwrap_or(1) }
}

/// Returns the message for the handler.
async fn message(given: &Given, work: Option<&Work>) -> Result<Message, Failure> {
    let record = Arc::clone(&given.record);
    let mut message = match work {
        Some(work) => stage::prepare(&work.stages, &work.route, &Opened::new(record)).await?.into_owned(),
        None => record.into(),
    };
    if let Some(id) = given.id.as_ref().filter(|id| !id.is_empty()) {
        message.id = id.as_str().into();
    }
    for (name, value) in &given.attributes {
        message.attributes.retain(|(known, _)| known != name);
        message.attributes.push((name.clone(), value.clone()));
    }
    Ok(message)
}

async fn invoke(plugin: &Plugin, given: &Given, work: Option<&Work>, outputs: Option<&[String]>) -> Attempt {
    let message = match message(given, work).await {
        Ok(message) => message,
        Err(failure) => return before_the_handler(failure),
    };
    let mut attempt = plugin.handle(&message, given.attempt).await;
    if let Outcome::Done(asked) = &attempt.outcome {
        let refused = match (work, outputs) {
            (Some(Work { route, .. }), _) => {
                let now: Time = Clock::set().now();
                route.resolve(&message, &route.trace(&message), asked.clone(), now).err()
            }
            (None, Some(known)) => {
                asked.iter().find(|output| !known.iter().any(|name| **name == *output.to)).map(|output| {
                    let text = format!("unknown output `{}`; expected one of: {}", output.to, known.join(", "));
                    Failure::contract(cofferdam_core::outcome::Code::UNKNOWN_OUTPUT, text)
                })
            }
            (None, None) => None,
        };
        if let Some(failure) = refused {
            attempt.outcome = plugin.redacted(failure).into();
        }
    }
    attempt
}

fn before_the_handler(failure: Failure) -> Attempt {
    Attempt { outcome: failure.into(), usage: Usage::default(), refused_growths: 0, logs: LogLines::default() }
}

#[cfg(test)]
mod tests {
    use cofferdam_core::outcome::Code;
    use cofferdam_guarantees::simulation;

    use super::*;
    use crate::stage::Passed;

    /// Refuses records with the key `wrong`, and marks all other messages.
    struct Picky;

    impl Stage for Picky {
        fn received<'a>(&'a self, record: &'a Arc<Record>) -> Passed<'a> {
            Passed::Now(match record.key.as_deref() {
                Some(b"wrong") => Err(Failure::new(Class::Unrouted, Code::NO_ROUTE, "the wrong key")),
                _ => Ok(()),
            })
        }

        fn opened<'a>(&'a self, message: &'a mut Message) -> Passed<'a> {
            message.attributes.push(("seen".into(), "yes".into()));
            Passed::Now(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_message_that_is_tried_passes_the_stages_of_its_route() {
        let work = Work { route: simulation::route(), stages: vec![Arc::new(Picky)] };
        let given = |key: &'static str| {
            let record = Record { key: Some(key.into()), ..simulation::record(0, 1) };
            Given { record: Arc::new(record), id: None, attributes: Vec::new(), attempt: 1 }
        };
        assert_eq!(message(&given("right"), Some(&work)).await.unwrap().attribute("seen"), Some("yes"));
        assert_eq!(message(&given("wrong"), Some(&work)).await.unwrap_err().class, Class::Unrouted);
        message(&given("wrong"), None).await.expect("without a route there are no stages");
    }
}
