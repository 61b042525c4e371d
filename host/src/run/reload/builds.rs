//! The configured build commands, each with its sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::INPUT;
use super::build::build;
use super::files;
use super::habits::Habits;
use super::news::News;
use super::sources::Sources;
use crate::config::Config;
use crate::exit::Problem;

/// Runs build commands when their sources change.
pub struct Builds {
    /// The folder of the configuration, in which the commands run.
    folder: PathBuf,
    /// The configuration and the folder of test messages. They are no sources of plugins: `dev` reads them itself.
    apart: [PathBuf; 2],
    commands: BTreeMap<String, Watched>,
}

/// A successful build, and whether the build before it had failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mended(pub(super) bool);

struct Watched {
    sources: Sources,
    habits: Habits,
    /// Whether the last build failed.
    failed: bool,
}

impl Builds {
    /// The build commands of `config`, which was read from `file`. The current sources count as unchanged.
    pub fn new(config: &Config, file: &Path) -> Self {
        let folder = files::folder(file);
        let apart = [folder.join(file.file_name().unwrap_or_default()), folder.join(INPUT)];
        let mut builds = Self { folder, apart, commands: BTreeMap::new() };
        builds.update(config);
        builds
    }

    /// Takes the build commands of a changed configuration. A command with the same sources keeps its history.
    pub(super) fn update(&mut self, config: &Config) {
        let mut roots: BTreeMap<&String, Vec<PathBuf>> = BTreeMap::new();
        for plugin in config.plugins.values() {
            if let Some(command) = &plugin.build {
                roots.entry(command).or_default().extend(plugin.sources.iter().cloned());
            }
        }
        let mut known = std::mem::take(&mut self.commands);
        let each = roots.into_iter().map(|(command, roots)| {
            let same = known.remove(command).filter(|watched| watched.sources.are_of(&roots));
            let new =
                || Watched { sources: Sources::new(roots, &self.apart), habits: Habits::default(), failed: false };
            (command.clone(), same.unwrap_or_else(new))
        });
        self.commands = each.collect();
    }

    /// Runs each command once.
    ///
    /// # Errors
    /// The builds that failed.
    pub async fn first(&mut self, tell: &(dyn Fn(News) + Send + Sync)) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for (command, watched) in &mut self.commands {
            tell(News::Building { command: command.clone(), changed: Vec::new() });
            problems.extend(watched.build(command, &self.folder, tell).await.err());
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Runs the builds that are due because their sources have changed. Returns the commands that succeeded, and whether
    /// each had failed before.
    pub(super) async fn run(&mut self, tell: &(dyn Fn(News) + Send + Sync)) -> BTreeMap<String, Mended> {
        let mut built = BTreeMap::new();
        for (command, watched) in &mut self.commands {
            let now = Instant::now();
            let changed = watched.sources.changes().into_iter().map(|change| change.file);
            watched.habits.changed(changed.collect(), now);
            let Some(changed) = watched.habits.begin(now) else { continue };
            let changed = changed.iter().map(|file| shown(file, &self.folder)).collect();
            tell(News::Building { command: command.clone(), changed });
            let failed_before = watched.failed;
            match watched.build(command, &self.folder, tell).await {
                Ok(()) => drop(built.insert(command.clone(), Mended(failed_before))),
                Err(problem) => tell(News::Refused(problem)),
            }
        }
        built
    }

    /// The earliest time at which a waiting build may start.
    pub(super) fn due(&self) -> Option<Instant> {
        self.commands.values().filter_map(|watched| watched.habits.due()).min()
    }

    /// The folders to watch.
    pub(super) fn folders(&self) -> impl Iterator<Item = PathBuf> {
        self.commands.values().flat_map(|watched| watched.sources.folders())
    }
}

impl Watched {
    async fn build(
        &mut self,
        command: &str,
        folder: &Path,
        tell: &(dyn Fn(News) + Send + Sync),
    ) -> Result<(), Problem> {
        let ended = build(command, folder).await;
        self.failed = ended.is_err();
        for own in self.habits.built(self.sources.changes(), ended.is_ok(), Instant::now()) {
            tell(News::OfBuild { file: shown(&own, folder) });
        }
        ended
    }
}

/// A path relative to the configuration's folder, as in the configuration.
fn shown(file: &Path, folder: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).display().to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Creates a folder with a source and a configuration with this build command.
    fn folder(build: &str) -> (tempfile::TempDir, Builds) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("app.txt"), "one").unwrap();
        let text = format!(
            r#"
            service = {{ name = "builds" }}
            kafka = {{ bootstrap_servers = "nowhere:9092" }}
            plugins.p = {{ path = "p.wasm", build = "{build}" }}
            [[routes]]
            name = "r"
            from = {{ kafka = ["in"], group = "g" }}
            handler = "p"
            "#
        );
        let file = folder.path().join("cofferdam.toml");
        std::fs::write(&file, text).unwrap();
        let config = Config::load(&file, &|_| None).unwrap();
        let builds = Builds::new(&config, &file);
        (folder, builds)
    }

    /// Runs builds until none is due, and returns the commands that succeeded after a failure.
    async fn all(builds: &mut Builds, tell: &(dyn Fn(News) + Send + Sync)) -> Vec<String> {
        let mut mended = Vec::new();
        loop {
            let built = builds.run(tell).await.into_iter();
            mended.extend(built.filter(|(_, Mended(mended))| *mended).map(|(command, _)| command));
            let Some(due) = builds.due() else { return mended };
            tokio::time::sleep_until(due.into()).await;
        }
    }

    #[tokio::test]
    async fn what_a_build_writes_into_its_sources_does_not_start_it_for_ever() {
        let (folder, mut builds) = folder("echo built >> stamp");
        let told = Mutex::new(Vec::new());
        let tell = |news: News| told.lock().unwrap().push(news.to_string());
        builds.first(&tell).await.unwrap();
        let count = || std::fs::read_to_string(folder.path().join("stamp")).unwrap().lines().count();
        builds.run(&tell).await;
        assert_eq!(count(), 1);
        std::fs::write(folder.path().join("app.txt"), "two").unwrap();
        all(&mut builds, &tell).await;
        assert_eq!(count(), 3, "{told:?}");
        let told = told.into_inner().unwrap();
        assert!(
            told.iter().any(|line| line.starts_with("build: ") && line.ends_with("(changed: app.txt)")),
            "{told:?}"
        );
        assert!(told.iter().any(|line| line.ends_with("(changed: stamp)")), "{told:?}");
        assert!(told.last().is_some_and(|line| line.starts_with("stamp changes with every build")), "{told:?}");
    }

    #[tokio::test]
    async fn a_save_during_a_build_starts_one_more_and_a_mended_build_is_named() {
        let (folder, mut builds) = folder("test ! -e broken");
        let save = |name: &str| std::fs::write(folder.path().join(name), "new").unwrap();
        // Saves a source when the build is announced.
        let saved = Mutex::new(0);
        let tell = |news: News| {
            let mut saved = saved.lock().unwrap();
            if matches!(news, News::Building { .. }) && *saved == 0 {
                *saved += 1;
                save("app.txt");
            }
        };
        builds.first(&tell).await.unwrap();
        assert!(builds.due().is_some(), "what was saved during the first build is not lost");
        all(&mut builds, &tell).await;
        save("broken");
        assert!(all(&mut builds, &tell).await.is_empty());
        std::fs::remove_file(folder.path().join("broken")).unwrap();
        let mended = all(&mut builds, &tell).await;
        assert_eq!(mended.len(), 1);
    }
}
