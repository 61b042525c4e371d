//! Effects before acknowledgement: outputs, or the dead letter and the error event.

use super::Machine;
use super::delivery::{Delivery, State, Tenure};
use super::timers::Timer;
use crate::action::{Action, Fate, Next};
use crate::dead_letter;
use crate::event::{DeliveryId, Refusal};
use crate::outcome::{Class, Code, Failure};
use crate::output::Publication;
use crate::time::Time;
use crate::verdict::Reason;

/// Where the dead letter stands among the publications of a failure; the error event follows.
const DEAD_LETTER: u32 = 0;

impl Machine {
    /// Hands out all publications; when the last is durable, the delivery is settled with `fate`.
    pub(super) fn publish(&mut self, id: DeliveryId, publications: Vec<Publication>, fate: Fate, now: Time) {
        self.deliveries[id].storing = fate == Fate::DeadLettered;
        if self.route.is_exactly_once() {
            self.prepare(id, publications, fate, now);
            return;
        }
        let count = u32::try_from(publications.len()).expect("the limit on outputs is far lower");
        let delivery = &mut self.deliveries[id];
        delivery.publications = publications;
        delivery.state = State::Publishing(fate);
        if count == 0 {
            self.settle(id, fate, now);
            return;
        }
        delivery.pending = count;
        let offset = matches!(delivery.tenure, Tenure::Offset { .. });
        for index in 0..count {
            self.actions.push_back(Action::Publish { delivery: id, index });
        }
        // The outputs are on their way in order, and the commit point waits for them: the next of the key may run.
        // A queue acknowledges each message for itself, so there the next one waits for durability.
        if fate == Fate::Done && offset {
            self.step_aside(id);
        }
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::CommitBeforePublish) && offset {
            self.acknowledge(id, fate, now);
        } else if self.is_sabotaged(super::Sabotage::DeleteBeforeDurable) && !offset {
            self.delete(id);
        }
    }

    pub(super) fn durable(&mut self, id: DeliveryId, now: Time) {
        let delivery = &mut self.deliveries[id];
        delivery.pending -= 1;
        if delivery.state == State::Publishing(Fate::Done) {
            self.account.outputs += 1;
        }
        self.answered(id, now);
    }

    pub(super) fn not_durable(&mut self, id: DeliveryId, index: u32, refusal: Refusal, now: Time) {
        let delivery = &mut self.deliveries[id];
        delivery.pending -= 1;
        match (refusal, delivery.state) {
            (Refusal::Rejected(code, text), State::Publishing(Fate::Done)) => {
                delivery.reject(|| Failure::contract(code, text));
            }
            (Refusal::Rejected(..), State::Publishing(_)) if index == DEAD_LETTER => {
                if make_bare(delivery) {
                    delivery.pending += 1;
                    self.actions.push_back(Action::Publish { delivery: id, index });
                } else {
                    delivery.refuse(index);
                }
            }
            // An error event that nobody will ever take is no reason to stand still: the original is stored.
            (Refusal::Rejected(..), State::Publishing(_)) => {}
            // What was sent may have arrived: sent again, it would be there twice.
            (Refusal::Unavailable(text), State::Publishing(Fate::Done)) if self.route.is_at_most_once() => {
                let failure = || Failure::new(Class::HostFault, Code::OUTPUT_UNAVAILABLE, text);
                delivery.reject(failure);
            }
            #[cfg(feature = "sabotage")]
            (_, State::Publishing(Fate::DeadLettered)) if self.sabotage == Some(super::Sabotage::DeadLetterDropped) => {
            }
            _ => delivery.refuse(index),
        }
        self.answered(id, now);
    }

    /// A transaction was aborted because of one publication: it goes otherwise, the rest stays. False where there is no
    /// other way: a dead letter that is rejected even bare holds the route, for the original is stored nowhere else.
    pub(super) fn reject_prepared(
        &mut self,
        id: DeliveryId,
        index: u32,
        code: Code,
        text: Box<str>,
        now: Time,
    ) -> bool {
        let Some(delivery) = self.deliveries.get_mut(id) else { return true };
        match delivery.state {
            State::Prepared(Fate::Done) => {
                self.note(id, Failure::contract(code, text), now);
                self.store(id, Reason::Permanent, now);
            }
            State::Prepared(_) if index == DEAD_LETTER => return make_bare(delivery),
            State::Prepared(_) => delivery.publications.truncate(index as usize),
            _ => {}
        }
        true
    }

    /// One publication less is out.
    fn answered(&mut self, id: DeliveryId, now: Time) {
        let delivery = &mut self.deliveries[id];
        if delivery.pending > 0 {
            return;
        }
        let State::Publishing(fate) = delivery.state else {
            self.retire(id);
            return;
        };
        if let Some(rejection) = delivery.take_rejection() {
            // It would be refused again whatever the handler does, and the next of the key may have run: no retry.
            self.note(id, rejection, now);
            self.store(id, Reason::Permanent, now);
        } else if delivery.is_refused() {
            let wait = self.hold(id);
            self.actions.push_back(Action::Troubled { delivery: id, next: Next::Hold(wait) });
            self.timers.set(now.after(wait), Timer::Publish(id));
        } else {
            self.settle(id, fate, now);
        }
    }

    /// Tries again what was refused.
    pub(super) fn publish_again(&mut self, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        if !matches!(delivery.state, State::Publishing(_)) || delivery.pending > 0 {
            return;
        }
        let refused = delivery.take_refused();
        delivery.pending = u32::try_from(refused.len()).expect("no more than there are publications");
        self.actions.extend(refused.into_iter().map(|index| Action::Publish { delivery: id, index }));
    }
}

/// With the reason beside it the original may have become too large; alone it once had room. Says whether there was
/// something to take away.
fn make_bare(delivery: &mut Delivery) -> bool {
    let publication = &mut delivery.publications[DEAD_LETTER as usize];
    let bare = dead_letter::bare(&delivery.record, publication.destination.clone());
    let differs = *publication != bare;
    *publication = bare;
    differs
}
