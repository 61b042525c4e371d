//! Loads the plugins that a configuration names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{self, Config, Store};
use crate::exit::{Exit, Problem};
use crate::plugin::{Engine, EngineConfig, LoadError, Plugin, Refusal, Spec, keyvalue};

/// Plugins by name.
pub(crate) type Plugins = BTreeMap<String, Arc<Plugin>>;

/// Loads all plugins, compiled ones from the cache in the storage folder.
///
/// # Errors
/// All plugins that cannot be loaded, each with the reason and a remedy.
pub async fn load(config: &Config) -> Result<Plugins, Vec<Problem>> {
    let config = config.clone();
    // Compiling takes seconds and all cores; it must not keep the runtime's threads.
    let loaded = tokio::task::spawn_blocking(move || load_now(&config)).await;
    loaded.map_err(|error| Problem::new(Exit::Configuration, format!("loading the plugins failed: {error}"), ""))?
}

fn load_now(config: &Config) -> Result<Plugins, Vec<Problem>> {
    let cache = Some(config.storage.path.join("compiled"));
    let largest = config.plugins.values().map(|plugin| plugin.limits.memory).max();
    let defaults = EngineConfig::default();
    let memory = largest.unwrap_or_default().max(defaults.memory);
    let engine = Engine::new(EngineConfig { cache, memory, ..defaults })
        .map_err(|error| Problem::new(Exit::Unavailable, error.to_string(), ""))?;
    let store = store(config)?;
    let mut plugins = Plugins::new();
    let mut problems = Vec::new();
    for (name, plugin) in &config.plugins {
        match Plugin::open(&engine, &plugin.path, spec(name, plugin, store.as_ref())) {
            Ok(loaded) => drop(plugins.insert(name.clone(), Arc::new(loaded))),
            Err(error) => problems.push(refused(&error, plugin.build.as_deref())),
        }
    }
    if problems.is_empty() { Ok(plugins) } else { Err(problems) }
}

/// The key-value store, if a plugin was granted it.
fn store(config: &Config) -> Result<Option<keyvalue::Store>, Problem> {
    if config.plugins.values().all(|plugin| plugin.keyvalue.is_none()) {
        return Ok(None);
    }
    let store = match config.keyvalue.store {
        Store::Memory => keyvalue::Store::in_memory(),
        Store::Disk => {
            let path = config.storage.path.join("keyvalue.redb");
            let opened = std::fs::create_dir_all(&config.storage.path)
                .map_err(|error| error.to_string())
                .and_then(|()| keyvalue::Store::open(&path).map_err(|error| error.to_string()));
            opened.map_err(|what| {
                let remedy = "is another host using it, or is the folder not writable? see [storage] path";
                Problem::new(Exit::Unavailable, what, remedy).at(path.display().to_string())
            })?
        }
    };
    Ok(Some(store))
}

/// How a plugin of the configuration is to be run.
pub fn spec(name: &str, plugin: &config::Plugin, store: Option<&keyvalue::Store>) -> Spec {
    let bucket = plugin.keyvalue.as_ref().zip(store).map(|(namespace, store)| store.bucket(namespace));
    Spec {
        limits: plugin.limits.clone(),
        config: plugin.config.0.clone(),
        reuse: plugin.reuse,
        max_age: plugin.max_age.unwrap_or(std::time::Duration::MAX),
        keyvalue: bucket,
        ..Spec::new(name)
    }
}

/// A plugin that cannot be loaded, as a problem of the configuration.
fn refused(error: &LoadError, build: Option<&str>) -> Problem {
    let remedy = match (&error.refusal, build) {
        (Refusal::Unreadable(_), Some(build)) => format!("build it: {build}"),
        _ => error.remedy(),
    };
    Problem::new(Exit::Configuration, error.refusal.to_string(), remedy).at(error.place())
}
