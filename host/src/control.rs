//! Commands to running routes.

use std::fmt;
use std::sync::Arc;

use cofferdam_core::command::Command;
use tokio::sync::mpsc;

/// Maximum number of waiting commands of a route. A flow takes commands before other events, so only a flood fills it.
const WAITING: usize = 16;

/// A handle of a running route, for the admin server and `dev`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RouteHandle {
    name: Arc<str>,
    commands: mpsc::Sender<Command>,
}

/// The route has ended and accepts no commands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HasEnded {
    /// The route.
    pub route: Arc<str>,
}

impl fmt::Display for HasEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "route `{}` has ended; expected a route at work", self.route)
    }
}

impl std::error::Error for HasEnded {}

impl RouteHandle {
    /// Makes a handle of the route with this name, and the receiver of its commands for the flow.
    pub fn new(name: &str) -> (Self, mpsc::Receiver<Command>) {
        let (commands, heard) = mpsc::channel(WAITING);
        (Self { name: name.into(), commands }, heard)
    }

    /// The name of the route in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends a command, which the flow carries out soon. [`Command::Drain`] ends the route; other routes continue, and the
    /// host ends with its last route.
    ///
    /// # Errors
    /// The route has ended.
    pub async fn send(&self, command: Command) -> Result<(), HasEnded> {
        self.commands.send(command).await.map_err(|_| HasEnded { route: Arc::clone(&self.name) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn commands_reach_the_route_in_their_order_and_one_that_has_ended_says_so() {
        let (handle, mut heard) = RouteHandle::new("orders");
        for command in [Command::Pause, Command::TryOne, Command::Resume] {
            handle.clone().send(command).await.unwrap();
            assert_eq!(heard.recv().await, Some(command));
        }
        drop(heard);
        let refused = handle.send(Command::Pause).await.unwrap_err();
        assert_eq!(refused.to_string(), "route `orders` has ended; expected a route at work");
    }
}
