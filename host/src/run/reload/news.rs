//! What a reload tells people.

use std::fmt;
use std::time::Duration;

use crate::exit::Problem;

/// Files that are named as the reason of a build; of more, how many.
const NAMED: usize = 3;

/// One thing that people want to know of a reload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A build command is run; its words go to standard error.
    Building {
        /// As configured.
        command: String,
        /// The sources that started it; none at the first build.
        changed: Vec<String>,
    },
    /// A source changes with every build and starts none from now on.
    OfBuild {
        /// Relative to the configuration's folder.
        file: String,
    },
    /// A new version is compiled, where it was not before, and started beside the one at work.
    Loading {
        /// The plugin's name.
        plugin: String,
        /// The digest of the new version's file.
        digest: Box<str>,
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
    /// What was refused is mended, and the file is that of the version at work.
    Well {
        /// The plugin's name.
        plugin: String,
        /// The digest of its file.
        digest: Box<str>,
    },
    /// A build ended well and made the file of the version at work once more.
    Same {
        /// The plugin's name.
        plugin: String,
        /// The digest of its file.
        digest: Box<str>,
    },
    /// Something does not build, load or start: the version that was there goes on.
    Refused(Problem),
    /// The configuration cannot be read: the one that was there goes on.
    Misconfigured(Vec<Problem>),
    /// The configuration can be read again, and says what the one at work says.
    Configured,
    /// What is allowed in the new configuration and probably not meant.
    Doubtful(Vec<Problem>),
    /// Changes of the configuration that the running host cannot take over.
    Restart {
        /// What differs from the start: sections, plugins, routes. Nothing, where that was so before.
        of: Vec<String>,
    },
}

impl News {
    /// As a line of the log.
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

/// For people, in one or more lines.
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
            Self::Restart { of } if of.is_empty() => f.write_str("no change waits for a restart any more"),
            Self::Restart { of } => write!(f, "changes take effect at the next start: {}", of.join(", ")),
        }
    }
}

fn short(digest: &str) -> &str {
    digest.get(..15).unwrap_or(digest)
}
