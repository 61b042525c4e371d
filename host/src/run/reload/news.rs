//! The reports of a reload.

use std::fmt;
use std::time::Duration;

use crate::exit::Problem;

/// Maximum number of files that a report names as the reason of a build; of the others it gives the number.
const NAMED: usize = 3;

/// One report of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A build command starts; its output goes to standard error.
    Building {
        /// The command as configured.
        command: String,
        /// The changed sources; empty at the first build.
        changed: Vec<String>,
    },
    /// A source changes with every build, so it starts no more builds.
    OfBuild {
        /// The path relative to the configuration's folder.
        file: String,
    },
    /// A new version is compiled, unless it is in the cache, and started beside the running version.
    Loading {
        /// The plugin's name.
        plugin: String,
        /// The digest of the new version's file.
        digest: Box<str>,
    },
    /// New messages go to the new version of the plugin from now on.
    Replaced {
        /// The plugin's name.
        plugin: String,
        /// The digest of the new version's file.
        digest: Box<str>,
        /// Time since the change was detected.
        took: Duration,
    },
    /// After a refused version or a failed build, file and configuration are those of the running version again.
    Well {
        /// The plugin's name.
        plugin: String,
        /// The digest of its file.
        digest: Box<str>,
    },
    /// A build succeeded and produced the running version again.
    Same {
        /// The plugin's name.
        plugin: String,
        /// The digest of its file.
        digest: Box<str>,
    },
    /// A build failed, or a version does not load or start. The previous version keeps running.
    Refused(Problem),
    /// The configuration is invalid. The previous configuration stays in use.
    Misconfigured(Vec<Problem>),
    /// The configuration is valid again and equal to the one in use.
    Configured,
    /// Warnings about the new configuration.
    Doubtful(Vec<Problem>),
    /// Configuration changes that take effect only at a restart.
    Restart {
        /// The changed sections, plugins and routes; empty if no change waits any more.
        of: Vec<String>,
    },
}

impl News {
    /// Writes the report to the log.
    pub fn log(&self) {
        match self {
            Self::Building { command, .. } => tracing::info!(event = "plugin_building", command, "{self}"),
            Self::OfBuild { .. } => tracing::info!(event = "plugin_building", "{self}"),
            Self::Loading { plugin, digest } => {
                tracing::info!(event = "plugin_loading", plugin, digest, "compiling and starting the new version");
            }
            Self::Replaced { plugin, digest, took } => {
                let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                tracing::info!(event = "plugin_replaced", plugin, digest, took_ms, "the new version is running");
            }
            Self::Well { plugin, digest } => tracing::info!(event = "plugin_unchanged", plugin, digest, "{self}"),
            Self::Same { plugin, digest } => tracing::info!(event = "plugin_unchanged", plugin, digest, "{self}"),
            Self::Refused(problem) => tracing::warn!(event = "plugin_refused", "{problem}"),
            Self::Misconfigured(problems) => {
                problems.iter().for_each(|problem| tracing::warn!(event = "configuration_refused", "{problem}"));
            }
            Self::Configured => tracing::info!(event = "configuration_unchanged", "{self}"),
            Self::Doubtful(problems) => {
                problems.iter().for_each(|problem| tracing::warn!(event = "configuration_doubtful", "{problem}"));
            }
            Self::Restart { of } if of.is_empty() => tracing::info!(event = "restart_needed", of = "", "{self}"),
            Self::Restart { of } => tracing::warn!(event = "restart_needed", of = of.join(", "), "{self}"),
        }
    }
}

/// The report as text for people, in one or more lines.
impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Building { command, changed } => {
                write!(f, "build: {command}")?;
                match (changed.get(..NAMED), changed.len().saturating_sub(NAMED)) {
                    _ if changed.is_empty() => Ok(()),
                    (Some(first), more @ 1..) => write!(f, " (changed: {} and {more} more)", first.join(", ")),
                    _ => write!(f, " (changed: {})", changed.join(", ")),
                }
            }
            Self::OfBuild { file } => write!(
                f,
                "{file} changes with every build, so it is treated as build output and starts no build; leave it out of \
                 `sources` or list it in .gitignore"
            ),
            Self::Loading { plugin, digest } => write!(f, "{plugin}: compiling {}", short(digest)),
            Self::Replaced { plugin, digest, took } => {
                write!(f, "{plugin} replaced: {} is running after {} ms", short(digest), took.as_millis())
            }
            Self::Well { plugin, digest } => {
                write!(
                    f,
                    "{plugin} is valid again: file and configuration are those of the running version, {}",
                    short(digest)
                )
            }
            Self::Same { plugin, digest } => {
                write!(f, "{plugin} is unchanged: the build produced the running version, {}", short(digest))
            }
            Self::Refused(problem) => write!(f, "{problem}\nkeeping the previous version"),
            Self::Misconfigured(problems) => {
                problems.iter().try_for_each(|problem| writeln!(f, "{problem}"))?;
                f.write_str("keeping the previous configuration")
            }
            Self::Configured => f.write_str("the configuration is valid again and unchanged"),
            Self::Doubtful(problems) => {
                let lines: Vec<String> = problems.iter().map(|problem| format!("warning: {problem}")).collect();
                f.write_str(&lines.join("\n"))
            }
            Self::Restart { of } if of.is_empty() => f.write_str("no pending change needs a restart"),
            Self::Restart { of } => write!(f, "changes take effect at the next start: {}", of.join(", ")),
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..15).unwrap_or(digest)
}
