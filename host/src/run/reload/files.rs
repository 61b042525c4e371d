//! Watches folders for changes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Quiet time before a change is reported. Editors and compilers change a file in several steps.
const QUIET: Duration = Duration::from_millis(20);
/// Maximum delay of a report if changes arrive all the time.
const LATEST: Duration = Duration::from_millis(500);

/// The watched folders, each without its subfolders.
///
/// Folders are watched instead of files: an editor that writes a new file and renames it replaces the old file, and a watch
/// of the old file would end.
pub(crate) struct Files {
    watcher: RecommendedWatcher,
    /// The folders with their inodes: a folder that was deleted and created again needs a new watch.
    folders: BTreeMap<PathBuf, u64>,
    changes: mpsc::UnboundedReceiver<()>,
}

impl Files {
    pub(crate) fn new() -> notify::Result<Self> {
        let (sender, changes) = mpsc::unbounded_channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // After an error a change may be lost, so an error counts as a change.
            if event.map_or(true, |event| is_change(&event.kind)) {
                let _ = sender.send(());
            }
        })?;
        Ok(Self { watcher, folders: BTreeMap::new(), changes })
    }

    /// Watches these folders too; folders that don't exist are left out.
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

    /// Waits for a change since the last call, and then for a quiet time.
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

/// Whether an event is a change. A read access is none; this process reads the files itself.
fn is_change(kind: &EventKind) -> bool {
    match kind {
        EventKind::Access(access) => *access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// The inode of a folder; `None` if it does not exist.
fn inode(folder: &Path) -> Option<u64> {
    fs::metadata(folder).ok().filter(fs::Metadata::is_dir).map(|folder| folder.ino())
}

/// The folder that contains the file.
pub(crate) fn folder(file: &Path) -> PathBuf {
    match file.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
