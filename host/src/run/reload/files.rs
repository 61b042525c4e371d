//! Tells when something has changed in folders.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Editors and compilers change a file in several steps; it is looked at when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(20);
/// And at the latest after so long, where something comes all the time.
const LATEST: Duration = Duration::from_millis(500);

/// Folders that are watched, each without those in it.
///
/// Folders and not files: an editor that writes a new file and renames it takes the old one, and any watch of it, away.
pub(crate) struct Files {
    watcher: RecommendedWatcher,
    /// With their inodes: one that was deleted and made again is another.
    folders: BTreeMap<PathBuf, u64>,
    changes: mpsc::UnboundedReceiver<()>,
}

impl Files {
    pub(crate) fn new() -> notify::Result<Self> {
        let (sender, changes) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error may have swallowed a change, so it counts for one.
            if event.map_or(true, |event| is_change(&event.kind)) {
                let _ = sender.send(());
            }
        })?;
        Ok(Self { watcher, folders: BTreeMap::new(), changes })
    }

    /// Watches these folders too; those that are not there (any more) are left out.
    pub(crate) fn watch(&mut self, folders: impl IntoIterator<Item = PathBuf>) {
        for folder in folders {
            let Some(inode) = inode(&folder) else { continue };
            if self.folders.get(&folder) == Some(&inode) {
                continue;
            }
            match self.watcher.watch(&folder, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.folders.insert(folder, inode)),
                Err(error) => {
                    tracing::warn!(folder = %folder.display(), %error, "failed to watch a folder for changes")
                }
            }
        }
    }

    /// Ends when something has changed since the last call, and nothing more has come for a moment.
    pub(crate) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            return std::future::pending().await;
        }
        let latest = Instant::now() + LATEST;
        loop {
            let quiet = (Instant::now() + QUIET).min(latest);
            match timeout_at(quiet, self.changes.recv()).await {
                Ok(Some(())) if Instant::now() < latest => {}
                _ => return,
            }
        }
    }
}

/// That a file is read is no change; we do it ourselves.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// Of a folder that is there.
fn inode(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().filter(fs::Metadata::is_dir).map(|folder| folder.ino())
}

/// The folder that a file is in.
pub(crate) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
