//! Finds the source files of a plugin and their changes.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use ignore::{DirEntry, WalkBuilder};

/// Folders that tool chains write to. They are skipped even without a `.gitignore`.
const WRITTEN: [&str; 8] = ["target", "node_modules", "__pycache__", "build", "dist", "bin", "obj", "vendor"];

/// Maximum number of files. A larger number suggests a wrong folder, for example a home folder.
const MOST: usize = 20_000;

/// Files below folders, as of the last check. Skipped are hidden files, files that a `.gitignore` names, build output, and
/// files that this process writes its output to.
pub(super) struct Sources {
    roots: Vec<PathBuf>,
    /// Files and folders that are never sources.
    apart: Vec<PathBuf>,
    /// Device and inode of the files behind standard output and standard error.
    own: Vec<(u64, u64)>,
    files: BTreeMap<PathBuf, State>,
}

struct State {
    modified: SystemTime,
    length: u64,
    content: u64,
}

/// A source whose content has changed since the last check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) file: PathBuf,
    /// Whether the file is new.
    pub(super) came: bool,
}

impl Sources {
    /// The current files below `roots` (folders or files), without those below `apart`.
    pub(super) fn new(roots: Vec<PathBuf>, apart: &[PathBuf]) -> Self {
        let own = [rustix::fs::fstat(std::io::stdout()), rustix::fs::fstat(std::io::stderr())];
        let own = own.into_iter().flatten().map(|file| (file.st_dev, file.st_ino)).collect();
        let mut sources = Self { roots, apart: apart.to_vec(), own, files: BTreeMap::new() };
        sources.changes();
        sources
    }

    /// Whether `roots` are the roots of these sources.
    pub(super) fn are_of(&self, roots: &[PathBuf]) -> bool {
        self.roots == roots
    }

    /// The folders to watch, because a new file in one of them may be a source.
    pub(super) fn folders(&self) -> BTreeSet<PathBuf> {
        let folders = self.entries().filter(|entry| entry.path().is_dir()).map(DirEntry::into_path);
        folders.chain(self.roots.iter().map(|root| super::files::folder(root))).collect()
    }

    /// Returns the files that were added, removed or changed since the last check. A new modification time alone is no
    /// change.
    pub(super) fn changes(&mut self) -> Vec<Change> {
        let mut files = BTreeMap::new();
        for entry in self.entries().filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file())).take(MOST) {
            let path = entry.into_path();
            let is_own = |file: std::fs::Metadata| self.own.contains(&(file.dev(), file.ino()));
            if std::fs::metadata(&path).is_ok_and(is_own) {
                continue;
            }
            let Ok(state) = look(&path, self.files.get(&path)) else { continue };
            files.insert(path, state);
        }
        let before = std::mem::replace(&mut self.files, files);
        let gone = before.keys().filter(|file| !self.files.contains_key(*file));
        let gone = gone.map(|file| Change { file: file.clone(), came: false });
        let others = self.files.iter().filter_map(|(file, state)| match before.get(file) {
            Some(old) if old.content == state.content => None,
            old => Some(Change { file: file.clone(), came: old.is_none() }),
        });
        gone.chain(others).collect()
    }

    fn entries(&self) -> impl Iterator<Item = DirEntry> {
        let walks = self.roots.iter().map(|root| {
            let mut walk = WalkBuilder::new(root);
            let apart = self.apart.clone();
            let is_source = move |entry: &DirEntry| may_be_source(entry) && apart.iter().all(|it| it != entry.path());
            walk.require_git(false).filter_entry(is_source).build()
        });
        walks.flatten().flatten()
    }
}

fn may_be_source(entry: &DirEntry) -> bool {
    let name = entry.file_name().to_string_lossy();
    match entry.file_type() {
        Some(kind) if kind.is_dir() => entry.depth() == 0 || !WRITTEN.contains(&&*name),
        // Build output, and temporary files of editors.
        _ => !(name.ends_with(".wasm") || name.ends_with('~') || name.ends_with(".swp") || name == "4913"),
    }
}

/// Returns the state of a file. The file is read only if its time or length has changed.
fn look(path: &Path, before: Option<&State>) -> std::io::Result<State> {
    let metadata = std::fs::metadata(path)?;
    let (modified, length) = (metadata.modified()?, metadata.len());
    let unchanged = before.filter(|before| (before.modified, before.length) == (modified, length));
    let content = match unchanged {
        Some(before) => before.content,
        None => {
            let mut hasher = DefaultHasher::new();
            std::fs::read(path)?.hash(&mut hasher);
            hasher.finish()
        }
    };
    Ok(State { modified, length, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_what_says_something_else_and_what_is_built_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("src/app.py", "one");
        write(".gitignore", "generated/\n");
        let mut sources = Sources::new(
            vec![folder.path().to_owned()],
            &[folder.path().join("input"), folder.path().join("app.toml")],
        );
        let have_changed = |sources: &mut Sources| !sources.changes().is_empty();
        assert!(!have_changed(&mut sources));

        for written in [
            "input/in.jsonl",
            "app.toml",
            "target/x.rs",
            "deep/node_modules/x.js",
            "generated/x.py",
            "app.wasm",
            "src/app.py~",
            ".env",
        ] {
            write(written, "two");
            // The walk skips folders without sources.
            assert!(!have_changed(&mut sources), "{written}");
        }
        write("src/app.py", "one");
        assert!(!have_changed(&mut sources), "it was only touched");
        write("src/app.py", "two");
        assert!(have_changed(&mut sources));
        assert!(!have_changed(&mut sources));
        write("src/new/more.py", "three");
        assert!(have_changed(&mut sources), "one has come");
        assert!(sources.folders().contains(&folder.path().join("src/new")));
        // Some editors write a new file and rename it.
        write("src/app.py.tmp", "four");
        std::fs::rename(folder.path().join("src/app.py.tmp"), folder.path().join("src/app.py")).unwrap();
        assert!(have_changed(&mut sources));
        std::fs::remove_file(folder.path().join("src/new/more.py")).unwrap();
        assert!(have_changed(&mut sources), "one has gone");
    }
}
