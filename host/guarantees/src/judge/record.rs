//! What is known of one record.

use std::sync::Arc;

use cofferdam_core::action::Fate;
use cofferdam_core::outcome::Class;
use cofferdam_core::time::Time;

use super::effects::Effects;
use crate::{Effect, Terms};

/// Index of a record, in the order of production.
pub(super) type Number = u32;

#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: Arc<str>,
    pub(super) lane: Option<u32>,
    /// The event that it carries, where duplicates are suppressed.
    pub(super) event: Option<u32>,
    /// Partition and offset; `None` on a queue.
    pub(super) place: Option<(u32, i64)>,
    /// When it was produced.
    pub(super) produced: Time,
    /// Who has it, or had it and has not ended with it; rarely more than one.
    pub(super) receipts: Vec<Receipt>,
    /// How it ended, once all that it led to was durable; it may be handled again after.
    pub(super) complete: Option<End>,
    /// Said to be durable by any host.
    pub(super) durable: Effects,
    /// Found at the end.
    pub(super) found: Effects,
    /// Most outputs that an attempt has asked for.
    pub(super) asked: u32,
    /// The outputs that the last attempt by right asked for, if it ended well.
    pub(super) last_asked: Option<u32>,
    /// The broker or queue has confirmed that it is done with.
    pub(super) acknowledged: bool,
    /// The broker has confirmed a commit that says so of it, though it is above the commit point.
    pub(super) finished: bool,
    /// A host has asked the broker or queue to be done with it.
    pub(super) claimed: bool,
    /// It was in flight at a fault, and may be repeated once.
    pub(super) licensed: bool,
    /// It was in flight at any fault.
    pub(super) at_risk: bool,
    /// The queue has moved it away.
    pub(super) moved: bool,
    /// A host has handed it back last, and for no reason outside of itself.
    pub(super) handed_back: bool,
    /// It is being repeated, by right, until it is complete again.
    pub(super) repeating: bool,
    pub(super) outstanding: bool,
    /// Nobody is to handle it any more: its topic was deleted, or the group's offset was moved behind it.
    pub(super) gone: bool,
    /// It is to be handled again: the group's offset was moved before it.
    pub(super) again: bool,
    /// Its dead letter was refused for ever, at least in one form.
    pub(super) refused: bool,
    /// The highest attempt number seen.
    pub(super) highest: u32,
    /// The lowest number that the next receipt may begin with: so many attempts and one less are known for good.
    pub(super) floor: u32,
    /// The process that has handed it back last, which knows the attempts on it whatever the source counts.
    pub(super) returned_by: u32,
}

/// How a record ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Handled,
    Stored,
    Ignored,
    Suppressed,
}

/// One receipt of a record by a host, until it is settled and acknowledged.
#[derive(Debug, Clone, Default)]
pub(super) struct Receipt {
    pub(super) host: u32,
    /// When the host took it on.
    pub(super) since: Time,
    /// The partition or lease is gone, whether the host knows or not.
    pub(super) stale: bool,
    /// It was finished before: the host has nothing to do with it.
    pub(super) finished: bool,
    /// It is not in flight: a commit says that it is finished, whether the answer to that has come or not.
    pub(super) known: bool,
    /// It goes on with a repeat that was begun, by right, under a receipt before.
    pub(super) goes_on: bool,
    /// Number of the last attempt; 0 before the first.
    pub(super) attempt: u32,
    pub(super) running: bool,
    pub(super) last: Option<Class>,
    /// The last attempt ended well with so many outputs.
    pub(super) done: Option<u32>,
    pub(super) effects: Effects,
    /// The store of ids knows its event.
    pub(super) suppressed: bool,
    /// Nobody will ever take the error event.
    pub(super) no_error_event: bool,
    pub(super) settled: Option<Fate>,
    /// The host has lost the lease of another message of its lane.
    pub(super) behind_a_loss: bool,
    /// How it ended, once all that it leads to was durable.
    pub(super) completed: Option<End>,
}

impl Record {
    /// How it ended, by what a reader has found of it.
    pub(super) fn end_as_found(&self) -> Option<End> {
        if self.found.contains(Effect::DeadLetter) {
            return Some(End::Stored);
        }
        self.last_asked.is_some_and(|outputs| self.found.has_outputs(outputs)).then_some(End::Handled)
    }

    pub(super) fn new(id: Arc<str>, lane: Option<u32>, place: Option<(u32, i64)>) -> Self {
        Self {
            id,
            lane,
            event: None,
            place,
            produced: Time::default(),
            receipts: Vec::new(),
            complete: None,
            durable: Effects::default(),
            found: Effects::default(),
            asked: 0,
            last_asked: None,
            acknowledged: false,
            finished: false,
            claimed: false,
            licensed: false,
            at_risk: false,
            moved: false,
            handed_back: false,
            repeating: false,
            outstanding: false,
            gone: false,
            again: false,
            refused: false,
            highest: 0,
            floor: 1,
            returned_by: 0,
        }
    }

    /// The host's newest receipt that is not settled.
    pub(super) fn open(&mut self, host: u32) -> Option<&mut Receipt> {
        self.receipts.iter_mut().rev().find(|receipt| receipt.host == host && receipt.settled.is_none())
    }

    /// The host's receipt that comes to this end: of two, the older one is lost.
    pub(super) fn ending(&mut self, host: u32, fate: Fate) -> Option<&mut Receipt> {
        if !matches!(fate, Fate::Revoked | Fate::Released | Fate::Abandoned) {
            return self.open(host);
        }
        self.receipts.iter_mut().find(|receipt| receipt.host == host && receipt.settled.is_none())
    }

    /// The host's receipt whose attempt of this number is running, the oldest first.
    pub(super) fn running(&mut self, host: u32, attempt: u32) -> Option<&mut Receipt> {
        let mine = |receipt: &&mut Receipt| receipt.host == host && receipt.running && receipt.attempt == attempt;
        self.receipts.iter_mut().find(mine)
    }

    /// The host's receipt to which a new effect belongs. Of two, the one that the host has by right: what is durable
    /// for the other helps nobody, and facts do not tell them apart.
    pub(super) fn emitting(&mut self, host: u32, effect: Effect) -> Option<&mut Receipt> {
        let may = |receipt: &Receipt| match effect {
            Effect::Output(index) => receipt.done.is_some_and(|outputs| index < outputs),
            Effect::DeadLetter | Effect::ErrorEvent => receipt.last.is_some(),
        };
        let mine = |receipt: &&mut Receipt| {
            receipt.host == host && receipt.settled.is_none() && may(receipt) && !receipt.effects.contains(effect)
        };
        self.receipts.iter_mut().filter(mine).min_by_key(|receipt| receipt.stale)
    }
}

impl Receipt {
    /// How it ends, if all that it leads to is durable.
    pub(super) fn end(&self, terms: &Terms) -> Option<End> {
        if self.suppressed {
            return Some(End::Suppressed);
        }
        // First: a dead letter may be a late one, of an attempt that was called off.
        if self.done.is_some_and(|outputs| self.effects.has_outputs(outputs)) {
            return Some(End::Handled);
        }
        let stored = self.effects.contains(Effect::DeadLetter)
            && (!terms.error_events || self.no_error_event || self.effects.contains(Effect::ErrorEvent));
        if stored {
            return Some(End::Stored);
        }
        let ignored = terms.ignores_unrouted && self.last == Some(Class::Unrouted) && !self.running;
        ignored.then_some(End::Ignored)
    }
}
