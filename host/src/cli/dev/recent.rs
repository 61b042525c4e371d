//! The last messages: for the page, and to be sent again.

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

/// Messages that a page shows when it is opened, at most.
const KEPT: usize = 200;
/// Messages that a page may be behind; of those over it, it hears nothing.
const BEHIND: usize = 1_000;

/// What was seen last, on all routes.
pub(super) struct Recent {
    kept: Mutex<VecDeque<Arc<str>>>,
    /// The last that came to its end.
    last: Mutex<Option<Arc<Record>>>,
    news: broadcast::Sender<Arc<str>>,
}

impl Recent {
    pub(super) fn new() -> Self {
        Self { kept: Mutex::default(), last: Mutex::default(), news: broadcast::Sender::new(BEHIND) }
    }

    /// What is kept, and all that comes from now on.
    pub(super) fn follow(&self) -> (Vec<Arc<str>>, broadcast::Receiver<Arc<str>>) {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        (kept.iter().cloned().collect(), self.news.subscribe())
    }

    /// The last message that came to its end.
    pub(super) fn last(&self) -> Option<Arc<Record>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn add(&self, seen: &Seen) {
        if seen.is_settled() {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&seen.record));
        }
        let told: Arc<str> = seen.whole().to_string().into();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&told));
        // Nobody may be looking.
        let _ = self.news.send(told);
    }
}

/// Prints what becomes of the messages of a route, and keeps the last.
pub(super) struct Watcher {
    route: Arc<str>,
    look: Look,
    json: bool,
    recent: Arc<Recent>,
    waiting: Arc<Waiting>,
    /// The message that was named as the next.
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

    /// One that was taken is named once: the command to try it may be on its way.
    fn round(&mut self, round: &Round<'_>) {
        let next = round.machine.next_in_line();
        if next != self.next {
            self.next = next;
            let delivery = next.and_then(|id| round.machine.delivery(id));
            self.waiting.set(&self.route, delivery.map(|delivery| delivery.record()));
        }
    }
}
