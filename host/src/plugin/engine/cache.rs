//! The cache of compiled plugins on disk: compiling takes about a second for each 2 MB, loading a compiled plugin only
//! milliseconds.
//!
//! A file contains an [`Image`], followed by the digest of its bytes. If a disk has lost or changed bytes, the host would
//! run machine code that no compiler has made, so the digest is checked at each load.

mod private;

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::image::{Image, NoImage};
use crate::plugin::symbols::Symbols;

/// Maximum size of the cache in bytes. Beyond it, the least recently used files are removed. There is room for a hundred
/// language runtimes, or for ten thousand small plugins.
const BYTES: u64 = 4 << 30;

/// Size of a SHA-256 digest in bytes.
const DIGEST: usize = 32;

/// Part of the file names. Raise it when the format of the files changes.
const FORMAT: &str = "1";

/// A directory of compiled plugins in which only this user can write.
#[derive(Debug)]
pub(in crate::plugin) struct Cache {
    directory: PathBuf,
}

/// Identifies a compiled plugin: the digest of its file, and the properties of the engine that compiled it.
pub(in crate::plugin) struct Key(String);

/// The reason why a file of the cache is not used.
#[derive(Debug, thiserror::Error)]
enum Useless {
    #[error("checksum mismatch")]
    Damaged,
    #[error("failed to read it: {0}")]
    Unreadable(#[from] io::Error),
    #[error(transparent)]
    NoImage(#[from] NoImage),
    /// The error of wasmtime.
    #[error("{}", .0.root_cause())]
    Refused(#[from] wasmtime::Error),
}

impl Cache {
    /// Opens the cache in `directory`, which is created if it does not exist. Returns `None`, with a warning, if it cannot
    /// be used; plugins are then compiled at each load.
    pub(in crate::plugin) fn open(directory: &Path) -> Option<Self> {
        match private::directory(directory) {
            Ok(directory) => Some(Self { directory }),
            Err(error) => {
                tracing::warn!(directory = %directory.display(), %error, "caching of compiled plugins is off");
                None
            }
        }
    }

    /// Returns the component of `key` and its symbols, if it was compiled before and its file is complete. A damaged file is
    /// logged.
    pub(in crate::plugin) fn load(&self, engine: &Engine, key: &Key) -> Option<(Component, Symbols)> {
        let path = self.path(key);
        let file = File::open(&path).ok()?;
        match Self::read(engine, &path, file) {
            Ok(found) => Some(found),
            Err(error) => {
                let file = path.display().to_string();
                tracing::warn!(event = "storage_damaged", file, %error, "a compiled plugin is damaged and is compiled again");
                None
            }
        }
    }

    fn read(engine: &Engine, path: &Path, mut file: File) -> Result<(Component, Symbols), Useless> {
        // The time of its last use. If it cannot be set, the file is only removed earlier.
        let _ = file.set_modified(SystemTime::now());
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (image, digest) = bytes.split_last_chunk::<DIGEST>().ok_or(Useless::Damaged)?;
        if Sha256::digest(image)[..] != digest[..] {
            return Err(Useless::Damaged);
        }
        bytes.truncate(bytes.len() - DIGEST);
        let (_, symbols) = Image::read(bytes)?;
        // SAFETY: `deserialize_file` runs what the file says as machine code, so the file must be one that
        // wasmtime has written, and must not change while it is mapped. It was written by `store`, the only place
        // that puts files of this name here: the directory belongs to us and is closed to everybody else, which
        // `private` has checked when the cache was opened, and so are the folders around it. `store` writes to a file of another name, flushes it
        // and then renames it, so a file of this name is whole and is never written again; it is replaced or
        // removed by name only, which leaves the mapped one as it is. That the disk has kept its bytes was checked
        // just now by their digest, that wasmtime and its settings are the same is in the name, and wasmtime checks
        // it once more. Whoever can write here regardless can write to the memory of this process too, for it runs
        // as the same user.
        Ok((unsafe { Component::deserialize_file(engine, path) }?, symbols))
    }

    /// Stores a compiled plugin. A crash in between leaves the old file or none.
    pub(in crate::plugin) fn store(&self, key: &Key, image: &Image) -> io::Result<()> {
        let image = image.bytes();
        self.make_room(BYTES.saturating_sub(image.len() as u64))?;
        let path = self.path(key);
        let unfinished = self.directory.join(format!("{}.{}.tmp", key.0, uuid::Uuid::new_v4().simple()));
        let written =
            write_durably(&unfinished, &[image, &Sha256::digest(image)]).and_then(|()| fs::rename(&unfinished, &path));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.directory.join(format!("{}.cwasm", key.0))
    }

    /// Removes the least recently used files, including those that crashes have left, until the rest has at most `most`
    /// bytes.
    fn make_room(&self, most: u64) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // Another process may have removed the file.
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
    pub(in crate::plugin) fn new(digest: &[u8], engine: &Engine) -> Self {
        let mut compatible = Hashed(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut compatible);
        let (digest, compatible) = (hex(digest), hex(&compatible.0.finalize()[..8]));
        Self(format!("{digest}-{compatible}-{FORMAT}"))
    }
}

pub(in crate::plugin) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The standard library does not guarantee that its hashers stay the same in later releases.
struct Hashed(Sha256);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the digest is taken from the field")
    }
}

fn write_durably(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
