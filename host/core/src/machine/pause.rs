//! Pauses a route by command, and lets single messages through meanwhile.

use super::Machine;
use crate::action::Action;
use crate::command::Command;
use crate::ids::DeliveryId;
use crate::time::Time;

/// Whether a command has paused the route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Pause {
    #[default]
    Off,
    On {
        /// Number of requested attempts that have not started.
        tries: u32,
    },
}

impl Pause {
    pub(super) fn is_on(self) -> bool {
        self != Self::Off
    }

    /// Whether an attempt may start.
    pub(super) fn lets_start(self) -> bool {
        self != Self::On { tries: 0 }
    }

    /// Number of startable messages to receive; `None` if no pause limits it. It is one more than the requested attempts, so
    /// that the user sees the next message.
    pub(super) fn wanted(self) -> Option<u32> {
        match self {
            Self::Off => None,
            Self::On { tries } => Some(tries.saturating_add(1)),
        }
    }

    /// Records the start of an attempt.
    pub(super) fn started(&mut self) {
        if let Self::On { tries } = self {
            *tries = tries.saturating_sub(1);
        }
    }
}

impl Machine {
    /// Whether the route is paused by a command.
    pub fn is_paused(&self) -> bool {
        self.pause.is_on()
    }

    /// In a pause, the delivery that [`Command::TryOne`] would start now; `None` if there is none, or if another rule also
    /// holds the route back.
    pub fn next_in_line(&self) -> Option<DeliveryId> {
        let turn = self.turn_beside_a_pause().ok().filter(|_| self.is_paused())?;
        self.ready.iter_in_turn(turn).copied().find(|id| self.is_waiting(*id))
    }

    pub(super) fn command(&mut self, command: Command, now: Time) {
        match command {
            // In a drain, deliveries that cannot be handed back are handled within the limit of the drain.
            Command::Pause if self.draining.is_draining() => {}
            Command::Pause => self.set_pause(Pause::On { tries: 0 }),
            #[cfg(feature = "sabotage")]
            Command::Resume if self.is_sabotaged(super::Sabotage::ResumeForgotten) => {}
            Command::Resume => self.set_pause(Pause::Off),
            Command::TryOne => {
                if let Pause::On { tries } = &mut self.pause {
                    *tries = tries.saturating_add(1);
                }
            }
            Command::Drain { finish, flush } => {
                #[cfg(feature = "sabotage")]
                let pause = self.pause;
                self.set_pause(Pause::Off);
                #[cfg(feature = "sabotage")]
                if self.is_sabotaged(super::Sabotage::PauseOutlastsDrain) {
                    self.pause = pause;
                }
                self.drain(finish, flush, now);
            }
        }
    }

    fn set_pause(&mut self, pause: Pause) {
        let before = std::mem::replace(&mut self.pause, pause);
        if before.is_on() != pause.is_on() {
            self.actions.push_back(Action::Paused(pause.is_on()));
        }
    }
}
