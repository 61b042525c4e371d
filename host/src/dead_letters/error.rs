//! What can be in the way.

use cofferdam_core::output::Destination;

use crate::exit::{Exit, Problem};

/// Why dead letters cannot be had, or not be dealt with.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A client cannot be made of the configuration.
    #[error("{reason}")]
    Configuration {
        /// What is wrong.
        reason: String,
        /// What would be right.
        remedy: &'static str,
    },
    /// A topic or queue is not there, or cannot be used; others may be.
    #[error("{reason}")]
    Destination {
        /// Which, and why.
        reason: String,
        /// What would be right.
        remedy: &'static str,
    },
    /// A broker does not answer, or says no.
    #[error("{reason}")]
    Broker {
        /// What it was to do, and what it says.
        reason: String,
    },
    /// There is no section of the configuration for where a letter goes.
    #[error("no broker is configured for {0}")]
    NoBroker(Destination),
    /// A copy was not taken for now. What was durable before it is entered.
    #[error("failed to write to {destination}: {reason}")]
    NotTaken {
        /// Where it was to go.
        destination: Destination,
        /// What the broker says.
        reason: Box<str>,
    },
}

impl Error {
    /// Whether it says of one destination that it is not there or cannot be used, and nothing of others.
    pub(super) fn is_of_one_destination(&self) -> bool {
        matches!(self, Self::Destination { .. } | Self::NoBroker(_))
    }

    /// How a command ends because of it, and what would be right.
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
