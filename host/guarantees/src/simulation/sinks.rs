//! Where things go: destinations that take, refuse, or cannot be reached for a while.

use std::collections::BTreeSet;

use cofferdam_core::event::{DeliveryId, Event, Refusal};
use cofferdam_core::output::Publication;

use super::{Sending, World, unavailable};
use crate::{Effect, RecordId, What};

/// The name by which the store of ids is down.
pub(super) const STORE: &str = "store";

/// The name by which the source's broker is down.
pub(super) const SOURCE: &str = "source";

/// All destinations.
#[derive(Debug, Default)]
pub struct Sinks {
    /// What was made durable, in order.
    pub stored: Vec<Stored>,
    /// Events that the store of ids knows.
    recorded: BTreeSet<Box<str>>,
    /// Destinations that cannot be reached.
    down: BTreeSet<&'static str>,
    /// The dead letters of some records are refused, in every form.
    refusing: bool,
}

/// Something durable.
#[derive(Debug)]
pub struct Stored {
    /// Id of the record it comes from.
    pub of: String,
    /// What it is.
    pub effect: Effect,
    /// As it was published.
    pub publication: Publication,
}

impl Sinks {
    /// The destination cannot be reached, or can be again.
    pub fn set_down(&mut self, destination: &'static str, down: bool) {
        if down {
            self.down.insert(destination);
        } else {
            self.down.remove(destination);
        }
    }

    /// Whether the destination cannot be reached.
    pub fn is_down(&self, destination: &str) -> bool {
        self.down.contains(destination)
    }

    /// All can be reached again, and take everything.
    pub fn heal(&mut self) {
        self.down.clear();
        self.refusing = false;
    }

    /// From now on the dead letters of some records are refused, in every form.
    pub fn refuse_letters(&mut self) {
        self.refusing = true;
    }

    /// Whether the dead letter of this record would be refused now.
    pub fn refuses_letter_of(&self, record: &str) -> bool {
        self.refusing && record.bytes().map(u32::from).sum::<u32>().is_multiple_of(4)
    }

    /// Whether this is refused whatever comes.
    pub(super) fn refuses(&self, sending: &Sending) -> bool {
        sending.effect() == Effect::DeadLetter && self.refuses_letter_of(&sending.of)
    }

    /// Takes it, told or not.
    pub(super) fn store(&mut self, sending: &Sending) {
        if self.refuses(sending) {
            return;
        }
        let Sending { of, publication, .. } = sending.clone();
        self.stored.push(Stored { of, effect: sending.effect(), publication });
    }

    /// Whether the store of ids knows this event.
    pub(super) fn knows(&self, event: &str) -> bool {
        self.recorded.contains(event)
    }

    pub(super) fn record(&mut self, event: &str) {
        self.recorded.insert(event.into());
    }
}

impl Sending {
    /// What becomes of the record when this is durable.
    pub fn effect(&self) -> Effect {
        match &*self.publication.destination.name {
            "out" => Effect::Output(self.index),
            "dead" => Effect::DeadLetter,
            _ => Effect::ErrorEvent,
        }
    }
}

impl World {
    /// A sink answers one publication of the host: it is durable, or refused.
    pub fn answer(&mut self, index: usize, refusal: Option<Refusal>) {
        let sending = self.host_mut().sending.remove(index);
        let refusal = match self.sinks.refuses(&sending) {
            true if !matches!(refusal, Some(Refusal::Unavailable(_))) => self.some_rejection(),
            _ => refusal,
        };
        let (record, effect) = (sending.of.as_str().into(), sending.effect());
        let Sending { delivery, index, .. } = sending;
        let Some(refusal) = refusal else {
            self.sinks.store(&sending);
            self.note_durable(delivery, record, effect);
            return self.tell(Event::Durable { delivery, index });
        };
        if matches!(refusal, Refusal::Rejected(..)) {
            self.note(What::Refused { record, effect });
        }
        self.tell(Event::NotDurable { delivery, index, refusal });
    }

    /// Publications of the host that keep their order with this one, which is among them: those of its lane for its
    /// destination, as a partition of a topic or a group of a queue keeps them. Without a lane it stands alone.
    pub(super) fn row(&self, index: usize) -> Vec<usize> {
        let sending = &self.host().sending;
        let of = &sending[index];
        let same =
            |other: &Sending| other.publication.destination == of.publication.destination && other.lane == of.lane;
        let place = |at: &usize| *at == index || (of.lane.is_some() && same(&sending[*at]));
        (0..sending.len()).filter(place).collect()
    }

    /// The first of its row.
    pub(super) fn first_of_its_row(&self, index: usize) -> usize {
        self.row(index)[0]
    }

    /// A sink that refuses a publication refuses all that it was given after it of the same row. The first `stored` are
    /// durable all the same: their answer is lost.
    pub(super) fn refuse_row(&mut self, index: usize, stored: usize) {
        let row = self.row(index);
        for index in row.iter().take(stored) {
            self.sinks.store(&self.hosts[self.at].sending[*index]);
        }
        // What the host has not given to the sink yet when it hears of the first refusal it takes back itself.
        let refused: Vec<(DeliveryId, u32)> = {
            let sending = &self.host().sending;
            row.iter().map(|index| (sending[*index].delivery, sending[*index].index)).collect()
        };
        for (delivery, index) in refused {
            let mut sending = self.host().sending.iter();
            let place = sending.position(|sending| (sending.delivery, sending.index) == (delivery, index));
            if let Some(place) = place {
                self.answer(place, unavailable());
            }
        }
    }

    /// What is said of a publication that is refused whatever comes.
    fn some_rejection(&mut self) -> Option<Refusal> {
        if self.dice.bool() { super::rejected() } else { super::invalid() }
    }

    /// Says that something is durable, and whether that still counts.
    pub(super) fn note_durable(&mut self, delivery: DeliveryId, record: RecordId, effect: Effect) {
        let counts = self.machine().delivery(delivery).is_some_and(|delivery| delivery.is_live());
        self.note(match counts {
            true => What::Durable { record, effect },
            false => What::Late { record, effect },
        });
    }

    /// The sinks take all that the host has with them.
    pub fn store_all(&mut self) {
        while !self.host().sending.is_empty() {
            self.answer(0, None);
        }
    }
}
