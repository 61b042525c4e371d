//! Finds publications that a sink has accepted and not answered for a while.
//!
//! A sink keeps a publication as long as its broker is unavailable, so that the outputs of a key stay in order. The sink
//! refuses nothing then, so no event would show that the route is blocked: attempts would go on, and all of them would be
//! repeated after the session has ended. So the machine checks the oldest unanswered publication, or transaction, at an
//! interval. If it stays unanswered, the route holds: no attempt starts whose outputs could not be published, intake pauses,
//! and the trouble is reported.

use std::time::Duration;

use super::Machine;
use super::delivery::{Delivery, State};
use super::timers::Timer;
use crate::action::{Action, Next};
use crate::ids::DeliveryId;
use crate::time::Time;

/// Interval between two checks.
const INTERVAL: Duration = Duration::from_secs(1);

/// Time after which the oldest unanswered publication is overdue, in addition to the time for which a sink may delay it
/// ([`Route::publish_delay`](crate::route::Route::publish_delay)). A broker that restarts hands over its partitions within
/// one or two seconds.
const PATIENCE: Duration = Duration::from_secs(3);

/// The watched publication.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// Whether a check is scheduled.
    armed: bool,
    /// The oldest delivery with an unanswered publication, and since when it is watched.
    watched: Option<(DeliveryId, Time)>,
}

fn is_unanswered(delivery: &Delivery) -> bool {
    matches!(delivery.state, State::Publishing(_) | State::Transacting(_)) && delivery.pending > 0
}

impl Machine {
    /// Watches for the answer of a publication or a transaction.
    pub(super) fn watch_publication(&mut self, id: DeliveryId, now: Time) {
        if !self.overdue.armed {
            self.overdue = Overdue { armed: true, watched: Some((id, now)) };
            self.timers.set(now.after(INTERVAL), Timer::Overdue);
        }
    }

    pub(super) fn check_overdue(&mut self, now: Time) {
        let watched = self.overdue.watched.filter(|(id, _)| self.deliveries.get(*id).is_some_and(is_unanswered));
        let patience = PATIENCE + self.route.publish_delay;
        if let Some((id, _)) = watched.filter(|(id, since)| !self.deliveries[*id].held && now.since(*since) >= patience)
        {
            self.hold(id);
            self.actions.push_back(Action::Troubled { delivery: id, next: Next::Hold(INTERVAL) });
        }
        let oldest = || {
            let unanswered = self.deliveries.iter().filter(|(_, delivery)| is_unanswered(delivery));
            unanswered.min_by_key(|(_, delivery)| delivery.number).map(|(id, _)| (id, now))
        };
        let watched = watched.or_else(oldest);
        self.overdue = Overdue { armed: watched.is_some(), watched };
        if watched.is_some() {
            self.timers.set(now.after(INTERVAL), Timer::Overdue);
        }
    }
}
