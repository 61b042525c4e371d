//! A directory that only this user can change.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// Creates `directory`, or checks that it belongs to this user and that nobody else may write there, nor replace it by
/// renaming one of its parents. Returns its path without symbolic links, so that a later change of a link has no effect.
pub(super) fn directory(directory: &Path) -> io::Result<PathBuf> {
    if let Some(parent) = directory.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    if !fs::symlink_metadata(directory)?.is_dir() {
        return Err(io::Error::other("not a directory"));
    }
    let directory = directory.canonicalize()?;
    let found = fs::metadata(&directory)?;
    if found.mode() & 0o077 != 0 {
        return Err(io::Error::other("accessible to other users; expected mode 0700"));
    }
    let probe = directory.join(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    let ours = File::create_new(&probe)?.metadata()?.uid();
    fs::remove_file(&probe)?;
    if found.uid() != ours {
        return Err(io::Error::other("owned by another user"));
    }
    let groups = rustix::process::getgroups()?.into_iter().map(|group| group.as_raw());
    let groups: Vec<u32> = groups.chain([rustix::process::getegid().as_raw()]).collect();
    for parent in directory.ancestors().skip(1) {
        if let Some(why) = changed_by_others(&fs::metadata(parent)?, ours, &groups) {
            return Err(io::Error::other(format!("the folder {} {why}", parent.display())));
        }
    }
    Ok(directory)
}

/// Why other users could rename entries of the folder `found`; `None` if they cannot. Members of a group of this process are
/// trusted: volumes of containers belong to a group that gives the process write access.
fn changed_by_others(found: &Metadata, ours: u32, groups: &[u32]) -> Option<&'static str> {
    const STICKY: u32 = 0o1000;
    let mode = found.mode();
    if found.uid() != ours && found.uid() != 0 {
        return Some("is owned by another user");
    }
    // With the sticky bit, users can rename only their own files.
    if mode & STICKY != 0 {
        return None;
    }
    if mode & 0o002 != 0 {
        return Some("is writable by everyone");
    }
    (mode & 0o020 != 0 && !groups.contains(&found.gid()))
        .then_some("is writable by a group that this process is not in")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_parent_that_others_can_change_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let (parent, inner) = (folder.path().join("parent"), folder.path().join("parent/a/cache"));
        fs::create_dir_all(inner.parent().unwrap()).unwrap();
        let set = |mode| fs::set_permissions(&parent, fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o700, 0o755, 0o775, 0o1777] {
            set(mode);
            assert_eq!(directory(&inner).unwrap(), inner.canonicalize().unwrap(), "{mode:o}");
        }
        set(0o757);
        let error = directory(&inner).unwrap_err().to_string();
        assert_eq!(error, format!("the folder {} is writable by everyone", parent.display()));
    }

    #[test]
    fn the_parents_that_it_makes_are_for_this_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let storage = folder.path().join("state/storage");
        directory(&storage.join("compiled")).unwrap();
        for made in [&storage, &folder.path().join("state")] {
            assert_eq!(fs::metadata(made).unwrap().mode() & 0o777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn a_link_is_followed_once() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        assert_eq!(directory(&link.join("cache")).unwrap(), real.canonicalize().unwrap().join("cache"));
        symlink(real.join("cache"), folder.path().join("cache")).unwrap();
        assert_eq!(directory(&folder.path().join("cache")).unwrap_err().to_string(), "not a directory");
    }
}
