//! The latest messages, for the page and for sending one again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use cofferdam_core::action::Action;
use cofferdam_core::event::DeliveryId;
use cofferdam_core::machine::Machine;
use cofferdam_core::message::Record;
use cofferdam_core::time::Time;
use tokio::sync::broadcast;

use super::lines::Look;
use super::seen::Seen;
use super::waiting::Waiting;
use crate::cli::{print_coloured, print_json};
use crate::listener::{Listener, Round};

/// Maximum number of messages that a page shows when it is opened.
const KEPT: usize = 200;
/// Maximum number of messages that a page may be behind; it misses older ones.
const BEHIND: usize = 1_000;

/// The latest messages of all routes.
pub(super) struct Recent {
    kept: Mutex<VecDeque<Arc<str>>>,
    /// The last message that came to its end, with its route.
    last: Mutex<Option<(Arc<str>, Arc<Record>)>>,
    news: broadcast::Sender<Arc<str>>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), last: Mutex::default(), news: broadcast::Sender::new(BEHIND) }
    }

    /// Returns the stored messages, and a receiver of all later ones.
    pub(super) fn follow(&self) -> (Vec<Arc<str>>, broadcast::Receiver<Arc<str>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.news.subscribe())
    }

    /// The last message that came to its end, with its route.
    pub(super) fn last(&self) -> Option<(Arc<str>, Arc<Record>)> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, seen: &Seen) {
        if seen.is_settled() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Arc::clone(&seen.route), Arc::clone(&seen.record)));
        }
        let told: Arc<str> = seen.whole().to_string().into();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&told));
        // There may be no open page.
        let _ = self.news.send(told);
    }
}

/// Prints the attempts and outcomes of a route's messages, and stores the latest.
pub(super) struct Watcher {
    route: Arc<str>,
    look: Look,
    json: bool,
    recent: Arc<Recent>,
    waiting: Arc<Waiting>,
    /// The message that was last announced as the next.
    next: Option<DeliveryId>,
}

impl Watcher {
    pub(super) fn new(route: &str, look: Look, json: bool, recent: Arc<Recent>, waiting: Arc<Waiting>) -> Self {
        Self { route: route.into(), look, json, recent, waiting, next: None }
    }

    fn tell(&self, seen: &Seen) {
        self.recent.add(seen);
        if self.json {
            print_json(&seen.line().to_string());
        } else {
            print_coloured(&self.look.text(seen));
        }
    }
}

impl Listener for Watcher {
    fn action(&mut self, action: &Action, machine: &Machine, _: Time) {
        let seen = match *action {
            Action::Settled { delivery, fate } => {
                machine.delivery(delivery).and_then(|delivery| Seen::settled(&self.route, delivery, fate))
            }
            Action::Troubled { delivery, next } => {
                machine.delivery(delivery).map(|delivery| Seen::troubled(&self.route, delivery, next))
            }
            _ => None,
        };
        if let Some(seen) = seen {
            self.tell(&seen);
        }
    }

    /// Announces a message once: after it was taken, the command to try it may still be on its way to the route.
    fn round(&mut self, round: &Round<'_>) {
        let next = round.machine.next_in_line();
        if next != self.next {
            self.next = next;
            let delivery = next.and_then(|id| round.machine.delivery(id));
            self.waiting.set(&self.route, delivery.map(|delivery| delivery.record()));
        }
    }
}
