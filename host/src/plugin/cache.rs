//! Compiled plugins, kept on disk: compiling takes a second for each 2 MB, loading what was compiled half a
//! millisecond.

use std::fs::{self, DirBuilder, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// What is kept, bytes; beyond, what was not used for longest goes. Room for a hundred language runtimes, or for ten
/// thousand small plugins.
const BYTES: u64 = 4 << 30;

/// A directory of compiled plugins that nobody else may write to.
#[derive(Debug)]
pub(super) struct Cache {
    directory: PathBuf,
}

/// Which compiled plugin: the digest of its file, and what the engine that compiled it was like.
pub(super) struct Key(String);

impl Cache {
    /// The cache in `directory`, which is made where there is none. `None`, with a warning, where it cannot be
    /// used; plugins are then compiled at each load.
    pub(super) fn open(directory: &Path) -> Option<Self> {
        match private(directory) {
            Ok(()) => Some(Self { directory: directory.into() }),
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "compiled plugins are not kept");
                None
            }
        }
    }

    /// The component of `key`, if it was compiled before.
    pub(super) fn load(&self, engine: &Engine, key: &Key) -> Option<Component> {
        let path = self.path(key);
        // The time of its last use; that it cannot be noted only lets it go sooner.
        let _ = File::open(&path).ok()?.set_modified(SystemTime::now());
        // SAFETY: `deserialize_file` runs what the file says as machine code, so the file must be one that
        // wasmtime has written, and must not change while it is mapped. It was written by `store`, the only place
        // that puts files of this name here: the directory belongs to us and is closed to everybody else, which
        // `private` has checked when the cache was opened. `store` writes to a file of another name, flushes it
        // and then renames it, so a file of this name is whole and is never written again; it is replaced or
        // removed by name only, which leaves the mapped one as it is. That wasmtime and its settings are the same
        // is in the name, and wasmtime checks it once more. Whoever can write here regardless can write to the
        // memory of this process too, for it runs as the same user.
        match unsafe { Component::deserialize_file(engine, &path) } {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(file = %path.display(), error = %error.root_cause(), "a compiled plugin is of no use and is compiled again");
                None
            }
        }
    }

    /// Keeps what `engine` has compiled. A crash in between leaves the old file or none.
    pub(super) fn store(&self, key: &Key, compiled: &[u8]) -> io::Result<()> {
        self.make_room(BYTES.saturating_sub(compiled.len() as u64))?;
        let path = self.path(key);
        let unfinished = self.directory.join(format!("{}.{}.tmp", key.0, uuid::Uuid::new_v4().simple()));
        let written = write_durably(&unfinished, compiled).and_then(|()| fs::rename(&unfinished, &path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}.cwasm", key.0))
    }

    /// Removes what was not used for longest, what crashes left behind included, until the rest has `most` bytes.
    fn make_room(&self, most: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // It may have gone by now.
            let Ok(found) = entry.metadata() else { continue };
            files.push((found.modified().unwrap_or(SystemTime::UNIX_EPOCH), found.len(), entry.path()));
        }
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, size, _)| size).sum();
        for (_, size, path) in files {
            if bytes <= most {
                break;
            }
            fs::remove_file(path)?;
            bytes -= size;
        }
        Ok(())
    }
}

impl Key {
    pub(super) fn new(digest: &[u8], engine: &Engine) -> Self {
        let mut compatible = Hashed(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut compatible);
        let (digest, compatible) = (hex(digest), hex(&compatible.0.finalize()[..8]));
        Self(format!("{digest}-{compatible}"))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The standard library's hashers are not promised to be the same in the next release.
struct Hashed(Sha256);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the digest is taken from the field")
    }
}

/// Makes `directory`, or checks that it is ours and nobody else may write there.
fn private(directory: &Path) -> io::Result<()> {
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(directory)?;
    if !found.is_dir() {
        return Err(io::Error::other("it is no directory"));
    }
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other("other users have access to it (it should have mode 0700)"));
    }
    let probe = directory.join(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    let ours = File::create_new(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    if found.uid() == ours { Ok(()) } else { Err(io::Error::other("it belongs to another user")) }
}

fn write_durably(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_makes_room() {
        let parent = tempfile::tempdir().unwrap();
        let cache = Cache::open(&parent.path().join("cache")).unwrap();
        let key = |name: &str| Key(name.into());
        let hour = |hour: u64| SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(hour * 3_600);
        for (name, used) in [("a", 3), ("b", 1), ("c", 2), ("d", 4)] {
            cache.store(&key(name), &[0; 100]).unwrap();
            File::open(cache.path(&key(name))).unwrap().set_modified(hour(used)).unwrap();
        }
        cache.make_room(250).unwrap();
        assert_eq!(["a", "b", "c", "d"].map(|name| cache.path(&key(name)).exists()), [true, false, false, true]);
    }

    #[test]
    fn what_is_loaded_was_used() {
        let parent = tempfile::tempdir().unwrap();
        let cache = Cache::open(&parent.path().join("cache")).unwrap();
        let (engine, key) = (Engine::default(), Key("a".into()));
        cache.store(&key, &engine.precompile_component(b"\0asm\x0d\0\x01\0").unwrap()).unwrap();
        File::open(cache.path(&key)).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert!(cache.load(&engine, &key).is_some());
        assert!(fs::metadata(cache.path(&key)).unwrap().modified().unwrap() > SystemTime::UNIX_EPOCH);
    }
}
