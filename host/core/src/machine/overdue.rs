//! Publications that the sink has taken and not answered for a while.
//!
//! A sink keeps a publication as long as its broker is away, so that outputs of a key stay in order. Nothing refuses it
//! then, and nothing would say that the route stands still: attempts would go on, and after the session has ended all of
//! them would be made again. So the machine looks at the oldest unanswered publication, or transaction, at an interval. One
//! that stays unanswered holds the route: no attempt starts whose outputs could not be published, intake pauses, and the
//! trouble is reported.

use std::time::Duration;

use super::Machine;
use super::delivery::{Delivery, State};
use super::timers::Timer;
use crate::action::{Action, Next};
use crate::ids::DeliveryId;
use crate::time::Time;

/// Time between two looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// A publication is overdue when it was the oldest unanswered one for so long, and for as long as a sink may keep it back
/// ([`Route::publish_delay`](crate::route::Route::publish_delay)). A broker that restarts hands its partitions to others
/// within a second or two.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is watched.
#[derive(Debug, Default)]
pub(super) struct Overdue {
    /// A look is to come.
    armed: bool,
    /// The oldest delivery with an unanswered publication, and since when it is watched.
    watched: Option<(DeliveryId, Time)>,
}

fn is_unanswered(delivery: &Delivery) -> bool {
    matches!(delivery.state, State::Publishing(_) | State::Transacting(_)) && delivery.pending > 0
}

impl Machine {
    /// A publication or a transaction is handed out: its answer is watched for.
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
