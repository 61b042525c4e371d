//! `invoke --watch`: calls the plugin again when the content of the plugin, message or configuration file has changed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use super::super::{Ended, run, say};
use super::{Arguments, once};
use crate::exit::{Exit, Problem};
use crate::run::reload::files::{self, Files};
use crate::signal::Signals;

/// Runs until a signal.
pub(super) fn main(arguments: &Arguments) -> Ended {
    let paths = paths(arguments)?;
    let runtime = run::runtime()?;
    let (mut signals, mut files) = {
        let _within = runtime.enter();
        let unwatched = |error| Problem::new(Exit::Unavailable, format!("failed to watch files: {error}"), "");
        (Signals::listen(), Files::new().map_err(unwatched)?)
    };
    loop {
        // Watched before they are read, so that no change is missed.
        files.watch(paths.iter().map(|path| files::folder(path)));
        let contents = contents(&paths);
        if let Err(problems) = once(arguments) {
            say(&problems, arguments.output.json);
        }
        let interrupted = runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = signals.next() => return true,
                    () = files.changed() => {}
                }
                files.watch(paths.iter().map(|path| files::folder(path)));
                if self::contents(&paths) != contents {
                    return false;
                }
            }
        });
        if interrupted {
            return Ok(Exit::Interrupted);
        }
        if !arguments.output.json {
            tell!("--");
        }
    }
}

fn paths(arguments: &Arguments) -> Result<Vec<PathBuf>, Problem> {
    let message = arguments.message.as_deref();
    if message == Some(Path::new("-")) {
        let what = "--watch cannot watch standard input";
        return Err(Problem::new(Exit::Usage, what, "write the message to a file, and name the file with --message"));
    }
    let config = arguments.route.as_ref().map(|_| arguments.config.as_path());
    let paths = [Some(arguments.plugin.as_path()), message, config].into_iter().flatten();
    Ok(paths.map(ToOwned::to_owned).collect())
}

/// Returns a digest of the contents of the files. An unreadable file is part of the digest as such.
fn contents(paths: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    paths.iter().for_each(|path| std::fs::read(path).ok().hash(&mut hasher));
    hasher.finish()
}
