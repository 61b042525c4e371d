//! Findings on the brokers about a configuration: `check --brokers` prints them, and the start of `run` acts on them.
//!
//! A problem prevents the start of `run`. A violated condition does not: `run` logs it, and the route holds or works with
//! restrictions; `check --brokers` fails if it is grave.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::exit::{Exit, Problem};

/// All findings, in the order of display.
#[derive(Debug, Default)]
pub struct Findings {
    /// Problems that prevent a start.
    pub problems: Vec<Problem>,
    /// Violated conditions of routes.
    pub unfit: Vec<Unfit>,
    /// Both limits of each route whose queue has a redrive policy.
    pub limits: Vec<Limits>,
    /// Topics and queues that the start creates.
    pub creates: Vec<Arc<str>>,
}

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    /// The route.
    pub route: Box<str>,
    /// The violated condition.
    pub what: String,
    /// The consequence and the remedy.
    pub remedy: String,
    /// Whether dead letters may be lost or not stored. If false, the route works as configured.
    pub is_grave: bool,
    /// Whether a permission is missing.
    pub is_right: bool,
}

impl Findings {
    /// Logs all findings, and returns the problems.
    ///
    /// # Errors
    /// The problems, if there are any.
    pub fn log(self) -> Result<(), Vec<Problem>> {
        for Unfit { route, what, remedy, is_grave, is_right } in self.unfit {
            if is_right {
                tracing::warn!(event = "not_authorized", route, remedy, "{what}");
            } else if is_grave {
                tracing::warn!(event = "topic_unfit", route, remedy, "{what}");
            } else {
                tracing::info!(event = "topic_unfit", route, remedy, "{what}");
            }
        }
        self.limits.iter().for_each(Limits::log);
        if self.problems.is_empty() { Ok(()) } else { Err(self.problems) }
    }

    /// Removes and returns the findings that make `check --brokers` fail: all problems, and the grave violated
    /// conditions.
    pub fn failures(&mut self) -> Vec<Problem> {
        let (grave, unfit) = std::mem::take(&mut self.unfit).into_iter().partition(|unfit: &Unfit| unfit.is_grave);
        self.unfit = unfit;
        let grave: Vec<Unfit> = grave;
        let grave = grave.into_iter().map(|Unfit { route, what, remedy, .. }| {
            Problem::new(Exit::Configuration, what, remedy).at(format!("route {route}"))
        });
        std::mem::take(&mut self.problems).into_iter().chain(grave).collect()
    }
}

/// The receive limit of a queue and the attempt limit of the route that reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The route.
    pub route: Box<str>,
    /// The queue that it reads.
    pub queue: Box<str>,
    /// The queue to which the redrive policy moves messages.
    pub redrive: Box<str>,
    /// How often the queue delivers a message before it moves the message to its redrive queue (`maxReceiveCount`).
    pub max_receives: u32,
    /// How often the route attempts a message before it stores the message as a dead letter (`max_attempts`).
    pub max_attempts: u32,
}

impl Limits {
    /// Returns whether faults can exhaust the receives of a message before the route has made all attempts.
    pub fn are_tight(&self) -> bool {
        self.max_receives < self.max_attempts
    }

    /// Logs the limits at the start.
    pub fn log(&self) {
        let Self { route, queue, redrive, max_receives, max_attempts } = self;
        macro_rules! say {
            ($level:ident) => {
                tracing::$level!(
                    event = "redrive_policy",
                    %route,
                    %queue,
                    %redrive,
                    max_receive_count = max_receives,
                    max_attempts,
                    "{self}"
                )
            };
        }
        if self.are_tight() { say!(warn) } else { say!(info) }
    }
}

/// One sentence with both numbers.
impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { route, queue, redrive, max_receives, max_attempts } = self;
        write!(
            f,
            "queue `{queue}` moves a message to `{redrive}` after {max_receives} receives (maxReceiveCount), route `{route}` makes {max_attempts} attempts (max_attempts)"
        )?;
        if self.are_tight() {
            write!(
                f,
                "; a retry uses no receive, but a kill, an expired visibility timeout or a stop does; set maxReceiveCount to {max_attempts} or more"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_are_said_and_what_to_do_where_they_do_not_fit() {
        let limits = |max_receives, max_attempts| Limits {
            route: "r".into(),
            queue: "in".into(),
            redrive: "moved".into(),
            max_receives,
            max_attempts,
        };
        let tight = limits(1, 4).to_string();
        assert!(tight.contains("after 1 receives (maxReceiveCount)") && tight.contains("4 attempts (max_attempts)"));
        assert!(tight.ends_with("set maxReceiveCount to 4 or more"), "{tight}");
        let wide = limits(4, 4);
        assert!(!wide.are_tight() && wide.to_string().ends_with("(max_attempts)"), "{wide}");
    }
}
