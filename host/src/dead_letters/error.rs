//! The errors of commands on dead letters.

use cofferdam_core::output::Destination;

use crate::exit::{Exit, Problem};

/// The reason why dead letters cannot be read or processed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration does not allow a client to be made.
    #[error("{reason}")]
    Configuration {
        /// What is wrong.
        reason: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// A topic or queue does not exist or cannot be used; others may be usable.
    #[error("{reason}")]
    Destination {
        /// The name, and the reason.
        reason: String,
        /// The remedy.
        remedy: &'static str,
    },
    /// A broker does not answer or refuses.
    #[error("{reason}")]
    Broker {
        /// The request, and the broker's answer.
        reason: String,
    },
    /// The configuration has no section for the broker of a destination.
    #[error("no broker is configured for {0}")]
    NoBroker(Destination),
    /// A copy was refused temporarily. Copies that were durable before are recorded.
    #[error("failed to write to {destination}: {reason}")]
    NotTaken {
        /// The destination of the copy.
        destination: Destination,
        /// The broker's answer.
        reason: Box<str>,
    },
}

impl Error {
    /// Whether the error concerns one destination only, which does not exist or cannot be used.
    pub(super) fn is_of_one_destination(&self) -> bool {
        matches!(self, Self::Destination { .. } | Self::NoBroker(_))
    }

    /// The exit code and the remedy for a command that fails with this error.
    pub fn problem(&self) -> Problem {
        let (exit, remedy) = match self {
            Self::Configuration { remedy, .. } => (Exit::Configuration, (*remedy).to_owned()),
            Self::NoBroker(destination) => (Exit::Configuration, format!("add the section [{}]", destination.broker)),
            Self::Destination { remedy, .. } => (Exit::Unavailable, (*remedy).to_owned()),
            Self::Broker { .. } | Self::NotTaken { .. } => (Exit::Unavailable, String::new()),
        };
        Problem::new(exit, self.to_string(), remedy)
    }
}
