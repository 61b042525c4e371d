//! New versions of plugins, and new tables for them, while the host runs.
//!
//! A file that has changed is loaded, checked and started beside the version at work. When all of that went well, messages
//! go to it from the next one on, and the version before finishes what it holds: nothing is lost, repeated or out of order.
//! Whatever goes wrong leaves things as they were, and is told in the words of whoever refused it.

mod build;
pub(crate) mod files;
mod news;
mod restart;
mod sources;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;

pub use build::build;
pub use news::News;

use super::{Handlers, Loader};
use crate::config::{self, Config};
use crate::exit::{Exit, Problem};
use crate::plugin::{self, Plugin};
use crate::signal::Hangups;
use files::Files;
use sources::Sources;

/// Where configuration and its variables come from.
pub type Read = Box<dyn Fn() -> Result<Config, Vec<Problem>> + Send + Sync>;

/// Who hears of it.
pub type Tell = Box<dyn Fn(News) + Send + Sync>;

/// What a reloader works with.
pub struct Parts {
    /// Loads plugins into the host's engine.
    pub loader: Arc<Loader>,
    /// The plugins at work.
    pub handlers: Handlers,
    /// The configuration as it was read at the start, and its file.
    pub config: Config,
    /// Its file.
    pub file: PathBuf,
    /// Reads it anew.
    pub read: Read,
    /// Where plugins are started for the first time.
    pub guests: Handle,
    /// Who hears of it.
    pub tell: Tell,
}

/// Which plugins are looked after without being asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// The files of those whose table says `watch = true`.
    Chosen,
    /// All, with their sources and the configuration: for whoever develops them.
    Everything,
}

/// Replaces the plugins of a running host.
pub struct Reloader {
    parts: Parts,
    /// Files that were refused, by plugin and digest: each is explained once, and not tried again at every event.
    refused: BTreeMap<String, Box<str>>,
    /// What was wrong with the configuration at the last look; told once, too.
    misread: Vec<Problem>,
}

impl Reloader {
    /// For these.
    pub fn new(parts: Parts) -> Self {
        Self { parts, refused: BTreeMap::new(), misread: Vec::new() }
    }

    /// Reads the configuration anew, and loads each plugin whose table or file has changed.
    pub async fn reload(&mut self) {
        let seen = Instant::now();
        match (self.parts.read)() {
            Err(problems) => self.tell(News::Misconfigured(problems)),
            Ok(new) => self.take_over(new, seen).await,
        }
    }

    async fn take_over(&mut self, new: Config, seen: Instant) {
        let of = restart::needed(&self.parts.config, &new);
        if !of.is_empty() {
            self.tell(News::Restart { of });
        }
        let old = std::mem::replace(&mut self.parts.config, new);
        self.replace(&old.plugins, seen).await;
    }

    /// Reloads at each SIGHUP, and when something has changed that is watched. Never ends.
    pub async fn run(mut self, watch: Watch, mut hangups: Hangups) {
        let mut files = match Files::new() {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(%error, "changes of files cannot be heard of: plugins are not reloaded by themselves");
                loop {
                    hangups.next().await;
                    self.reload().await;
                }
            }
        };
        let mut sources = self.sources(watch, BTreeMap::new());
        loop {
            files.watch(self.folders(watch, &sources));
            tokio::select! {
                () = hangups.next() => self.reload().await,
                () = files.changed() => self.look(watch, &mut sources).await,
            }
        }
    }

    /// Something has changed somewhere.
    async fn look(&mut self, watch: Watch, sources: &mut BTreeMap<String, Sources>) {
        let seen = Instant::now();
        if watch == Watch::Everything {
            self.build(sources).await;
            match (self.parts.read)() {
                Ok(new) => {
                    self.misread.clear();
                    if new != self.parts.config {
                        self.take_over(new, seen).await;
                        *sources = self.sources(watch, std::mem::take(sources));
                        return;
                    }
                }
                Err(problems) if problems != self.misread => {
                    self.misread.clone_from(&problems);
                    self.tell(News::Misconfigured(problems));
                }
                Err(_) => {}
            }
        }
        let same = self.parts.config.plugins.clone();
        self.replace(&same, seen).await;
    }

    /// Builds what has new sources, each command once.
    async fn build(&self, sources: &mut BTreeMap<String, Sources>) {
        let changed = sources.iter_mut().filter_map(|(command, sources)| sources.have_changed().then_some(command));
        let commands: Vec<String> = changed.cloned().collect();
        for command in commands {
            self.tell(News::Building { command: command.clone() });
            if let Err(problem) = build(&command, &files::folder(&self.parts.file)).await {
                self.tell(News::Refused(problem));
            }
        }
    }

    /// Loads each plugin whose table is another than in `tables`, or whose file has changed.
    async fn replace(&mut self, tables: &BTreeMap<String, config::Plugin>, seen: Instant) {
        for (name, table) in &self.parts.config.plugins.clone() {
            let Some(handler) = self.parts.handlers.get(name).cloned() else { continue };
            // One that cannot be read has no digest.
            let digest = plugin::digest_of(&table.path).unwrap_or_default();
            let known = digest == handler.current().id().digest || self.refused.get(name) == Some(&digest);
            if known && tables.get(name) == Some(table) {
                continue;
            }
            self.refused.remove(name);
            match self.open(name, table).await {
                Ok(plugin) => {
                    let digest = plugin.id().digest.clone();
                    handler.replace(plugin);
                    self.tell(News::Replaced { plugin: name.clone(), digest, took: seen.elapsed() });
                }
                Err(problem) => {
                    self.refused.insert(name.clone(), digest);
                    self.tell(News::Refused(problem));
                }
            }
        }
    }

    /// Loads a plugin and starts it once, away from where messages are handled.
    async fn open(&self, name: &str, table: &config::Plugin) -> Result<Plugin, Problem> {
        let (loader, file) = (Arc::clone(&self.parts.loader), table.path.display().to_string());
        let died = |error: tokio::task::JoinError| Problem::new(Exit::Configuration, error.to_string(), "").at(name);
        let (own_name, table) = (name.to_owned(), table.clone());
        let opened = tokio::task::spawn_blocking(move || loader.open(&own_name, &table));
        let plugin = opened.await.map_err(died)??;
        let started = self.parts.guests.spawn(async move { plugin.try_start().await.map(|()| plugin) });
        started.await.map_err(died)?.map_err(|failure| {
            let what =
                format!("it does not start: {} {}: {}", failure.class, failure.code, failure.text.escape_debug());
            let remedy = "what it does before its first message has to end well within its limits";
            Problem::new(Exit::Configuration, what, remedy).at(format!("plugin `{name}`, {file}"))
        })
    }

    /// The sources of what can be built, by build command; `known` ones as they were at their last look.
    fn sources(&self, watch: Watch, mut known: BTreeMap<String, Sources>) -> BTreeMap<String, Sources> {
        if watch == Watch::Chosen {
            return BTreeMap::new();
        }
        let mut roots: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for plugin in self.parts.config.plugins.values() {
            if let Some(command) = &plugin.build {
                roots.entry(command.clone()).or_default().extend(plugin.sources.iter().cloned());
            }
        }
        let each = roots.into_iter().map(|(command, roots)| {
            let same = known.remove(&command).filter(|sources| sources.are_of(&roots));
            (command, same.unwrap_or_else(|| Sources::new(roots)))
        });
        each.collect()
    }

    fn folders(&self, watch: Watch, sources: &BTreeMap<String, Sources>) -> Vec<PathBuf> {
        let plugins = self.parts.config.plugins.values();
        let chosen = plugins.filter(|plugin| plugin.watch || watch == Watch::Everything);
        let mut folders: Vec<PathBuf> = chosen.map(|plugin| files::folder(&plugin.path)).collect();
        if watch == Watch::Everything {
            folders.push(files::folder(&self.parts.file));
            folders.extend(sources.values().flat_map(Sources::folders));
        }
        folders
    }

    fn tell(&self, news: News) {
        (self.parts.tell)(news);
    }
}
