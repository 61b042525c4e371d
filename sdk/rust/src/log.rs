//! Log lines of the plugin. The host bounds them in lines and bytes, escapes control characters, and adds plugin,
//! route and message.
//!
//! Standard output and standard error become log lines too; these functions add a level.

use std::fmt::Display;

/// How much a line matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Steps and values inside the handler.
    Trace,
    /// For somebody who looks for a bug.
    Debug,
    /// For somebody who watches the service.
    Info,
    /// Something is off and was survived.
    Warn,
    /// Something failed.
    Error,
}

/// Logs steps and values inside the handler.
pub fn trace(line: impl Display) {
    write(Level::Trace, line);
}

/// Logs what helps to find a bug.
pub fn debug(line: impl Display) {
    write(Level::Debug, line);
}

/// Logs what somebody who watches the service wants to know.
pub fn info(line: impl Display) {
    write(Level::Info, line);
}

/// Logs that something is off and was survived.
pub fn warn(line: impl Display) {
    write(Level::Warn, line);
}

/// Logs that something failed.
pub fn error(line: impl Display) {
    write(Level::Error, line);
}

/// Logs a line at a level chosen at run time.
pub fn write(level: Level, line: impl Display) {
    backend::write(level, line.to_string());
}

#[cfg(target_family = "wasm")]
mod backend {
    use super::Level;
    use crate::bindings::wasi::logging::logging;

    pub(super) fn write(level: Level, line: String) {
        let level = match level {
            Level::Trace => logging::Level::Trace,
            Level::Debug => logging::Level::Debug,
            Level::Info => logging::Level::Info,
            Level::Warn => logging::Level::Warn,
            Level::Error => logging::Level::Error,
        };
        logging::log(level, "", &line);
    }
}

#[cfg(not(target_family = "wasm"))]
mod backend {
    use super::Level;
    use crate::test::world;

    pub(super) fn write(level: Level, line: String) {
        world(|world| world.logs.push((level, line)));
    }
}

#[cfg(test)]
mod tests {
    use crate::{log, test};

    #[test]
    fn a_test_sees_the_lines_with_their_levels() {
        log::info(format_args!("{} of {}", 1, 2));
        log::warn("late");
        assert_eq!(test::logs(), [(log::Level::Info, "1 of 2".to_owned()), (log::Level::Warn, "late".to_owned())]);
    }
}
