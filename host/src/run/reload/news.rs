//! What a reload tells people.

use std::fmt;
use std::time::Duration;

use crate::exit::Problem;

/// One thing that people want to know of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A build command is run; its words go to standard error.
    Building {
        /// As configured.
        command: String,
    },
    /// Messages go to a new version of this plugin from now on.
    Replaced {
        /// Its name.
        plugin: String,
        /// The digest of the new version's file.
        digest: Box<str>,
        /// From the moment its file, its table or its sources were seen to have changed.
        took: Duration,
    },
    /// Something does not build, load or start: the version that was there goes on.
    Refused(Problem),
    /// The configuration cannot be read: the one that was there goes on.
    Misconfigured(Vec<Problem>),
    /// Changes of the configuration that the running host cannot take over.
    Restart {
        /// What has changed: sections, plugins, routes.
        of: Vec<String>,
    },
}

impl News {
    /// As a line of the log.
    pub fn log(&self) {
        match self {
            Self::Building { command } => tracing::info!(event = "plugin_building", command),
            Self::Replaced { plugin, digest, took } => {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(event = "plugin_replaced", plugin, digest, took_ms);
            }
            Self::Refused(problem) => tracing::warn!(event = "plugin_refused", "{problem}"),
            Self::Misconfigured(problems) => {
                problems.iter().for_each(|problem| tracing::warn!(event = "configuration_refused", "{problem}"));
            }
            Self::Restart { of } => tracing::warn!(event = "restart_needed", of = of.join(", "), "{self}"),
        }
    }
}

/// For people, in one or more lines.
impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Building { command } => write!(f, "build: {command}"),
            Self::Replaced { plugin, digest, took } => {
                let short = digest.get(..15).unwrap_or(digest);
                write!(f, "{plugin} is new: {short}, after {} ms", took.as_millis())
            }
            Self::Refused(problem) => write!(f, "{problem}\nthe version before goes on"),
            Self::Misconfigured(problems) => {
                problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
                f.write_str("the configuration before goes on")
            }
            Self::Restart { of } => write!(f, "changed, and taken over at the next start only: {}", of.join(", ")),
        }
    }
}
