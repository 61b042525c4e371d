//! Reloads plugins and their configuration while the host runs.
//!
//! A changed file is loaded, checked and started beside the running version. If that succeeds, the next messages go to the
//! new version, and the previous one finishes its own: nothing is lost, repeated or reordered. If it fails, the previous
//! version stays, and the log has the reason.

mod build;
mod builds;
mod doubts;
pub(crate) mod files;
mod habits;
mod news;
mod restart;
mod sources;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;

pub use builds::Builds;
pub use doubts::missing_sources;
pub use news::News;

use super::{Handlers, Loader};
use crate::config::{self, Config};
use crate::exit::{Exit, Problem};
use crate::plugin::{self, Plugin};
use crate::signal::Hangups;
use builds::Mended;
use files::Files;

/// The folder beside the configuration whose messages `dev` sends to the routes.
pub const INPUT: &str = "input";

/// Reads the configuration and its variables again.
pub type Read = Box<dyn Fn() -> Result<Config, Vec<Problem>> + Send + Sync>;

/// Receives the results of reloads.
pub type Tell = Box<dyn Fn(News) + Send + Sync>;

/// The parts of a reloader.
pub struct Parts {
    /// Loads plugins into the host's engine.
    pub loader: Arc<Loader>,
    /// The running plugins.
    pub handlers: Handlers,
    /// The configuration as read at the start.
    pub config: Config,
    /// The file of the configuration.
    pub file: PathBuf,
    /// Reads the configuration again.
    pub read: Read,
    /// The runtime on which new plugins are started for the first time.
    pub guests: Handle,
    /// Receives the results.
    pub tell: Tell,
}

/// Which plugins are reloaded automatically, without SIGHUP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Plugins with `watch = true`: only their files are watched.
    Chosen,
    /// All plugins, their sources and the configuration, for development.
    Everything,
}

/// Reloads the plugins of a running host.
pub struct Reloader {
    parts: Parts,
    /// The configuration that the routes and the other sections run with.
    started: Config,
    /// The changes that need a restart, as reported last.
    waiting: Vec<String>,
    /// The settings of the running version of each plugin.
    at_work: BTreeMap<String, config::Plugin>,
    /// For each plugin the refused version: the digest of the file, and the settings. A refused version is reported once and
    /// not tried again until one of the two changes or a failed build succeeds.
    refused: BTreeMap<String, (Box<str>, config::Plugin)>,
    /// The problems of the configuration at the last check, so that they are reported once.
    misread: Vec<Problem>,
    /// The build commands of the plugins, in development.
    builds: Option<Builds>,
    /// Plugins whose build succeeded and whose file is not checked yet, and whether the build had failed before.
    built: BTreeMap<String, Mended>,
}

impl Reloader {
    /// Makes a reloader without build commands.
    pub fn new(parts: Parts) -> Self {
        let (started, at_work) = (parts.config.clone(), parts.config.plugins.clone());
        let (refused, built) = (BTreeMap::new(), BTreeMap::new());
        Self { parts, started, waiting: Vec::new(), at_work, refused, misread: Vec::new(), builds: None, built }
    }

    /// Adds build commands.
    #[must_use]
    pub fn with(self, builds: Builds) -> Self {
        Self { builds: Some(builds), ..self }
    }

    /// Reads the configuration again, and loads each plugin whose settings or file have changed.
    pub async fn reload(&mut self) {
        let seen = Instant::now();
        match (self.parts.read)() {
            Err(problems) => self.tell(News::Misconfigured(problems)),
            Ok(new) => self.take_over(new, seen).await,
        }
    }

    async fn take_over(&mut self, new: Config, seen: Instant) {
        let doubts = new.warnings.iter().filter(|warning| !self.parts.config.warnings.contains(warning));
        let mut doubts: Vec<Problem> = doubts
            .map(|warning| Problem::new(Exit::Configuration, &*warning.what, &*warning.remedy).at(warning.place()))
            .collect();
        if let Some(builds) = &mut self.builds {
            doubts.extend(missing_sources(&new, &self.parts.file));
            builds.update(&new);
        }
        if !doubts.is_empty() {
            self.tell(News::Doubtful(doubts));
        }
        let of = restart::needed(&self.started, &new);
        if of != self.waiting {
            self.waiting.clone_from(&of);
            self.tell(News::Restart { of });
        }
        self.parts.config = new;
        self.replace(seen).await;
    }

    /// Reloads at each SIGHUP and after each change of a watched file. Never ends.
    pub async fn run(mut self, watch: Watch, mut hangups: Hangups) {
        let mut files = match Files::new() {
            Ok(files) => files,
            Err(error) => {
                tracing::warn!(%error, "failed to watch files: plugins are not reloaded automatically");
                loop {
                    hangups.next().await;
                    self.reload().await;
                }
            }
        };
        files.watch(self.folders(watch));
        if watch == Watch::Everything {
            // Files may have been saved while the host started.
            self.look(watch).await;
        }
        loop {
            files.watch(self.folders(watch));
            let due = self.builds.as_ref().and_then(Builds::due);
            tokio::select! {
                () = hangups.next() => self.reload().await,
                () = files.changed() => self.look(watch).await,
                () = at(due) => self.look(watch).await,
            }
        }
    }

    /// Checks what has changed, and reloads it.
    async fn look(&mut self, watch: Watch) {
        let seen = Instant::now();
        if watch == Watch::Everything {
            let built = match &mut self.builds {
                Some(builds) => builds.run(&*self.parts.tell).await,
                None => BTreeMap::new(),
            };
            let plugins = self.parts.config.plugins.iter();
            let of_built =
                plugins.filter_map(|(name, plugin)| Some((name.clone(), *built.get(plugin.build.as_ref()?)?)));
            self.built.extend(of_built);
            match (self.parts.read)() {
                Ok(new) => {
                    let misread = !std::mem::take(&mut self.misread).is_empty();
                    if new != self.parts.config {
                        self.take_over(new, seen).await;
                        return;
                    }
                    if misread {
                        self.tell(News::Configured);
                    }
                }
                Err(problems) if problems != self.misread => {
                    self.misread.clone_from(&problems);
                    self.tell(News::Misconfigured(problems));
                }
                Err(_) => {}
            }
        }
        self.replace(seen).await;
    }

    /// Loads each plugin whose settings or file differ from those of the running version.
    async fn replace(&mut self, seen: Instant) {
        for (name, table) in &self.parts.config.plugins.clone() {
            let Some(handler) = self.parts.handlers.get(name).cloned() else { continue };
            // The digest of an unreadable file is empty.
            let digest = plugin::digest_of(&table.path).unwrap_or_default();
            let is_current = digest == handler.current().id().digest && self.at_work.get(name) == Some(table);
            let built = self.built.remove(name);
            if is_current {
                let was_refused = self.refused.remove(name).is_some();
                let plugin = name.clone();
                match built {
                    Some(Mended(true)) => self.tell(News::Well { plugin, digest }),
                    _ if was_refused => self.tell(News::Well { plugin, digest }),
                    Some(Mended(false)) => self.tell(News::Same { plugin, digest }),
                    None => {}
                }
                continue;
            }
            let is_refused = self.refused.get(name).is_some_and(|(file, with)| (file, with) == (&digest, table));
            if is_refused && built != Some(Mended(true)) {
                continue;
            }
            self.refused.remove(name);
            if !digest.is_empty() {
                self.tell(News::Loading { plugin: name.clone(), digest: digest.clone() });
            }
            match self.open(name, table).await {
                Ok(plugin) => {
                    let digest = plugin.id().digest.clone();
                    handler.replace(plugin);
                    self.at_work.insert(name.clone(), table.clone());
                    self.tell(News::Replaced { plugin: name.clone(), digest, took: seen.elapsed() });
                }
                Err(problem) => {
                    self.refused.insert(name.clone(), (digest, table.clone()));
                    self.tell(News::Refused(problem));
                }
            }
        }
    }

    /// Loads a plugin on a blocking thread and starts it once on the threads of long attempts, so that quick attempts are
    /// not delayed.
    async fn open(&self, name: &str, table: &config::Plugin) -> Result<Plugin, Problem> {
        let (loader, file) = (Arc::clone(&self.parts.loader), table.path.display().to_string());
        let died = |error: tokio::task::JoinError| Problem::new(Exit::Configuration, error.to_string(), "").at(name);
        let (own_name, table) = (name.to_owned(), table.clone());
        let opened = tokio::task::spawn_blocking(move || loader.open(&own_name, &table));
        let plugin = opened.await.map_err(died)??;
        let started = self.parts.guests.spawn(async move { plugin.try_start().await.map(|()| plugin) });
        started.await.map_err(died)?.map_err(|failure| {
            let what = format!("failed to start: {} {}: {}", failure.class, failure.code, failure.text.escape_debug());
            let remedy = "initialisation must succeed within the limits of the plugin";
            Problem::new(Exit::Configuration, what, remedy).at(format!("plugin `{name}`, {file}"))
        })
    }

    fn folders(&self, watch: Watch) -> Vec<PathBuf> {
        let plugins = self.parts.config.plugins.values();
        let chosen = plugins.filter(|plugin| plugin.watch || watch == Watch::Everything);
        let mut folders: Vec<PathBuf> = chosen.map(|plugin| files::folder(&plugin.path)).collect();
        if watch == Watch::Everything {
            folders.push(files::folder(&self.parts.file));
            folders.extend(self.builds.iter().flat_map(Builds::folders));
        }
        folders
    }

    fn tell(&self, news: News) {
        (self.parts.tell)(news);
    }
}

/// Waits until this time, or for ever.
async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
