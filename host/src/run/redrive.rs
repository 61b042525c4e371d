//! Two limits on the attempts of a queue's messages: its own `maxReceiveCount`, and the `max_attempts` of the route that reads it.

use std::fmt;

use cofferdam_core::route::Route;
use serde::Serialize;

use crate::broker::sqs::queue::Queue;
use crate::config::Redrive;

/// The redrive policy of a queue, as routes know it.
pub fn of(queue: &Queue) -> Option<Redrive<'_>> {
    let max_receives = queue.max_receives;
    queue.redrive.as_deref().map(|queue| Redrive { queue, max_receives })
}

/// Both limits, and where they stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Limits {
    route: Box<str>,
    queue: Box<str>,
    redrive: Box<str>,
    /// How often the queue hands a message out before it moves it to its redrive queue.
    pub max_receives: u32,
    /// How often the route tries a message before it stores it as an error.
    pub max_attempts: u32,
}

impl Limits {
    /// Those of a route and of the queue that it reads; `None` where the queue moves nothing.
    pub fn of(route: &Route, queue: &Queue) -> Option<Self> {
        Some(Self {
            route: route.name.clone(),
            queue: (*queue.name).into(),
            redrive: queue.redrive.as_deref()?.into(),
            max_receives: queue.max_receives?,
            max_attempts: route.policy.retry.max_attempts,
        })
    }

    /// Whether faults can use the receives of a message up before its attempts.
    pub fn are_tight(&self) -> bool {
        self.max_receives < self.max_attempts
    }

    /// Says at the start what the limits are.
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
