//! Loads the configured plugins.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime;

use crate::config::{self, Config, Limits, RouteConfig, Sandbox, Store};
use crate::exit::{Exit, Problem};
use crate::handler::Slot;
use crate::plugin::{Engine, EngineConfig, LoadError, Plugin, Refusal, Spec, http, keyvalue};
use crate::server;

/// Plugins by name.
pub type Handlers = BTreeMap<String, Arc<Slot<Plugin>>>;

/// Loads plugins into the engine of a host, at the start and at each reload.
pub struct Loader {
    engine: Engine,
    store: Option<keyvalue::Store>,
    io: runtime::Handle,
}

/// Loads all plugins. Compiled plugins come from the cache in the storage folder; the program `compiler` compiles the
/// others, see [`EngineConfig::compiler`].
///
/// # Errors
/// The plugins that cannot be loaded, each with the reason and a remedy.
pub async fn load(config: &Config, compiler: Option<PathBuf>) -> Result<(Loader, Handlers), Vec<Problem>> {
    let config = config.clone();
    // Compilation takes seconds, so it must not block a thread of the runtime.
    let loaded = tokio::task::spawn_blocking(move || load_now(&config, compiler)).await;
    loaded.map_err(|error| Problem::new(Exit::Configuration, format!("failed to load the plugins: {error}"), ""))?
}

fn load_now(config: &Config, compiler: Option<PathBuf>) -> Result<(Loader, Handlers), Vec<Problem>> {
    let loader = Loader::start(config, compiler)?;
    let mut handlers = Handlers::new();
    let mut problems = Vec::new();
    for (name, plugin) in &config.plugins {
        match loader.open(name, plugin) {
            Ok(loaded) => drop(handlers.insert(name.clone(), Arc::new(Slot::new(loaded)))),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok((loader, handlers)) } else { Err(problems) }
}

impl Loader {
    /// Must be called within a runtime, on a thread that may block.
    fn start(config: &Config, compiler: Option<PathBuf>) -> Result<Self, Problem> {
        let cache = Some(config.storage.compiled());
        let defaults = EngineConfig::default();
        let stacks: BTreeSet<usize> = config.plugins.values().map(|plugin| plugin.limits.stack).collect();
        let concurrency = config.routes.iter().map(RouteConfig::concurrency);
        let instances = instances(concurrency, defaults.instances, stacks.len());
        let Sandbox { limits: Limits { memory, table_elements, .. }, compile } = config.sandbox.clone();
        let engine = Engine::new(EngineConfig { instances, memory, table_elements, cache, compiler, compile })
            .map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))?;
        Ok(Self { engine, store: store(config)?, io: runtime::Handle::current() })
    }

    /// Loads the plugin `name` with these settings. Blocks as [`Plugin::open`] does.
    ///
    /// # Errors
    /// The reason why it cannot be loaded, with a remedy.
    pub fn open(&self, name: &str, plugin: &config::Plugin) -> Result<Plugin, Problem> {
        let spec = spec(name, plugin, self.store.as_ref(), &self.io)?;
        Plugin::open(&self.engine, &plugin.path, spec).map_err(|error| refused(&error, plugin.build.as_deref()))
    }
}

/// The number of instances that is enough for all attempts that all routes can run at once, so that a route with long
/// attempts takes no instance from another. Each size of stack has this number, and all must fit into the address space of a
/// process.
fn instances(concurrency: impl Iterator<Item = u32>, least: u32, stacks: usize) -> u32 {
    let most = EngineConfig::MOST_INSTANCES / u32::try_from(stacks.max(1)).unwrap_or(u32::MAX);
    let wanted = concurrency.fold(0_u32, u32::saturating_add).max(least);
    if wanted > most {
        tracing::warn!(
            wanted,
            most,
            "total concurrency exceeds the possible number of instances: slow routes may delay others, lower their concurrency"
        );
    }
    wanted.min(most)
}

/// Opens the key-value store, if a plugin has the capability.
///
/// Must be called within a runtime, on a thread that may block.
fn store(config: &Config) -> Result<Option<keyvalue::Store>, Problem> {
    if config.plugins.values().all(|plugin| plugin.capabilities.keyvalue.is_none()) {
        return Ok(None);
    }
    let store = match &config.keyvalue.store {
        Store::Memory => keyvalue::Store::in_memory(),
        Store::Disk => {
            let path = config.storage.path.join("keyvalue.redb");
            keyvalue::Store::open(&path, config.keyvalue.quota).map_err(|error| {
                let exit = match error {
                    keyvalue::OpenError::Damaged { .. } => Exit::Data,
                    keyvalue::OpenError::InUse(_) | keyvalue::OpenError::Failed { .. } => Exit::Unavailable,
                };
                Problem::new(exit, error.to_string(), error.remedy()).at("keyvalue")
            })?
        }
        Store::Redis(address) => {
            // Services that share a Redis server don't share buckets; the hosts of one service do.
            let prefix = format!("cofferdam:keyvalue:{}", config.service.name);
            let opening = keyvalue::Store::redis(address, config.keyvalue.timeout, &prefix);
            runtime::Handle::current().block_on(opening).map_err(|error| {
                let (exit, remedy) = match &error {
                    server::Error::Unavailable { .. } => {
                        (Exit::Unavailable, "check that it is running and reachable; see [keyvalue]")
                    }
                    server::Error::Refused { .. } | server::Error::Damaged { .. } => {
                        (Exit::Configuration, "check user, password and permissions of [keyvalue] url")
                    }
                };
                Problem::new(exit, error.to_string(), remedy).at("keyvalue")
            })?
        }
    };
    Ok(Some(store))
}

/// Returns the settings of a plugin from the configuration. The plugin's HTTP requests run on the runtime `io`.
///
/// # Errors
/// TLS cannot be set up.
pub fn spec(
    name: &str,
    plugin: &config::Plugin,
    store: Option<&keyvalue::Store>,
    io: &runtime::Handle,
) -> Result<Spec, Problem> {
    let granted = &plugin.capabilities;
    let most = granted.keyvalue_max_bytes.unwrap_or(u64::MAX);
    let bucket = granted.keyvalue.as_ref().zip(store).map(|(name, store)| store.bucket(name).at_most(most));
    let http = granted.http.clone().map(|http| http::Client::new(name, http, io)).transpose();
    let http = http.map_err(|error| Problem::new(Exit::Unavailable, error, "").at(format!("plugins.{name}")))?;
    Ok(Spec {
        limits: plugin.limits.clone(),
        config: plugin.config.0.clone(),
        secrets: plugin.secrets.clone(),
        reuse: plugin.reuse,
        max_age: plugin.max_age.unwrap_or(std::time::Duration::MAX),
        batch: plugin.batch,
        keyvalue: bucket,
        http,
        denied: granted.denied,
        ..Spec::new(name)
    })
}

/// Converts the failure to load a plugin into a problem with a remedy.
fn refused(error: &LoadError, build: Option<&str>) -> Problem {
    let remedy = match (&error.refusal, build) {
        (Refusal::Unreadable(_), Some(build)) => format!("build it: {build}"),
        _ => error.remedy(),
    };
    Problem::new(Exit::Configuration, error.refusal.to_string(), remedy).at(error.place())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_has_instances_for_all_that_it_may_run_at_once() {
        assert_eq!(instances([64, 64].into_iter(), 1_000, 1), 1_000);
        assert_eq!(instances(std::iter::repeat_n(64, 50), 1_000, 1), 3_200);
        assert_eq!(instances(std::iter::repeat_n(64, 50), 1_000, 2), EngineConfig::MOST_INSTANCES / 2);
        assert_eq!(instances([u32::MAX, 1].into_iter(), 1_000, 0), EngineConfig::MOST_INSTANCES);
    }
}
