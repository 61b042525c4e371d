//! Handles the end of an attempt.

use std::time::Duration;

use super::Machine;
use super::delivery::{State, Trouble};
use super::timers::Timer;
use crate::action::{Action, Fate, Next};
use crate::dead_letter::{PROFILE, Report};
use crate::event::Ended;
use crate::ids::DeliveryId;
use crate::outcome::{Class, Failure, Outcome};
use crate::progress::Tried;
use crate::retry::Retry;
use crate::source::Acknowledgement;
use crate::time::Time;
use crate::verdict::{DeliveryFacts, Reason, Verdict, judge};

/// Backoff of held deliveries.
const HOLD: Retry = Retry {
    max_attempts: u32::MAX,
    initial_delay: Duration::from_millis(500),
    max_delay: Duration::from_secs(15),
    multiplier: 2.0,
    jitter: 0.2,
    max_age: Duration::MAX,
};

impl Machine {
    pub(super) fn ended(&mut self, id: DeliveryId, mut ended: Box<Ended>, now: Time) {
        self.running -= 1;
        let delivery = &mut self.deliveries[id];
        if delivery.state == State::Forgotten {
            self.watch.undecided(id);
            self.step_aside(id);
            self.retire(id);
            return;
        }
        delivery.end_attempt();
        delivery.state = State::Parked;
        let outcome = std::mem::replace(&mut ended.outcome, Outcome::Done(Vec::new()));
        match outcome {
            Outcome::Done(publications) => {
                delivery.ended = Some(ended);
                self.free_opened(id);
                self.let_go(id);
                self.attempt_succeeded();
                self.publish(id, publications, Fate::Done, now);
            }
            Outcome::Failed(failure) => {
                ended.outcome = Outcome::Failed(failure.clone());
                let opened = ended.opened.take();
                delivery.ended = Some(ended);
                if let Some(opened) = opened {
                    self.keep_opened(id, opened);
                }
                self.failed(id, *failure, now);
            }
        }
    }

    fn failed(&mut self, id: DeliveryId, failure: Failure, now: Time) {
        let class = failure.class;
        if class != Class::HostFault {
            self.let_go(id);
            self.note(id, failure.clone(), now);
            self.attempt_failed(id, &failure, now);
        } else {
            self.watch.undecided(id);
        }
        let ends_here = self.draining.is_draining() && self.is_last_receive(id);
        let delivery = &mut self.deliveries[id];
        let facts = DeliveryFacts {
            attempt: delivery.attempt,
            same_fault: delivery.trouble().map_or(0, Trouble::same_fault),
            age: now.since(delivery.received),
            chance: self.chance.f64(),
        };
        match judge(&failure, facts, &self.route.policy) {
            Verdict::Retry(_) | Verdict::Defer(_) if self.route.is_at_most_once() => {
                self.store(id, Reason::OnlyOnce, now)
            }
            // If it were handed back, the queue's redrive policy would move it without a reason.
            Verdict::Retry(_) | Verdict::Defer(_) if ends_here => self.store(id, Reason::LastReceive, now),
            Verdict::Retry(wait) => {
                delivery.count_ahead();
                #[cfg(feature = "sabotage")]
                if self.sabotage == Some(super::Sabotage::AttemptForgotten) {
                    delivery.attempt -= 1;
                }
                self.count_attempt(id, now);
                self.account.retried += 1;
                self.put_off(id, Next::Retry(wait), now);
            }
            Verdict::Defer(wait) => {
                self.note_progress(id);
                self.account.deferred += 1;
                self.put_off(id, Next::Defer(wait), now);
            }
            Verdict::DeadLetter(reason) => self.store(id, reason, now),
            Verdict::Ignore => self.settle(id, Fate::Ignored, now),
            Verdict::Forget if self.is_lost_by_itself(id) => self.lease_lost(id),
            // A lost partition or connection takes its deliveries along, but this delivery still belongs to this host: no
            // other host will handle the record, and it has no lease that ends. If it were forgotten, the commit point would
            // never move past it.
            Verdict::Hold | Verdict::Forget => {
                let wait = self.hold(id);
                self.put_off(id, Next::Hold(wait), now);
            }
            Verdict::Stop => {
                self.actions.push_back(Action::Stop(failure.text));
                let wait = self.hold(id);
                self.put_off(id, Next::Hold(wait), now);
            }
        }
    }

    /// Reports the attempt to the broker before the next one starts.
    fn count_attempt(&mut self, id: DeliveryId, now: Time) {
        if let Some(commit) = self.note_progress(id) {
            self.deliveries[id].counted = commit;
            #[cfg(feature = "sabotage")]
            if self.is_sabotaged(super::Sabotage::AttemptNotAwaited) {
                self.deliveries[id].counted = 0;
            }
            self.commit_soon(now);
        }
    }

    /// Adds the number of attempts and the time of receipt to the next commit. Returns the number of that commit.
    fn note_progress(&mut self, id: DeliveryId) -> Option<u64> {
        let delivery = &self.deliveries[id];
        let (key, offset) = delivery.offset()?;
        let tried = Tried { attempt: delivery.attempt, since: delivery.received };
        Some(self.partitions.tried(key, offset, tried))
    }

    /// Adds a failure to the delivery's history.
    pub(super) fn note(&mut self, id: DeliveryId, failure: Failure, now: Time) {
        let delivery = &mut self.deliveries[id];
        delivery.trouble = Some(Trouble::add(delivery.trouble.take(), failure, now));
    }

    /// Stores the delivery as a dead letter, with its newest failure.
    pub(super) fn store(&mut self, id: DeliveryId, reason: Reason, now: Time) {
        let delivery = &self.deliveries[id];
        let (Some(trouble), Some(ended)) = (&delivery.trouble, &delivery.ended) else {
            unreachable!("only a delivery that has failed is stored");
        };
        let report = Report {
            profile: PROFILE,
            route: &self.route,
            record: &delivery.record,
            failure: &trouble.failure,
            reason,
            attempt: delivery.attempt,
            attempts: &trouble.attempts,
            assumed: delivery.assumed(),
            handler: ended.handler.as_ref(),
            usage: ended.usage,
            trace: &ended.trace,
            now,
        };
        let publications = report.publications();
        self.becomes_dead_letter(id, now);
        self.publish(id, publications, Fate::DeadLettered, now);
    }

    /// Schedules another attempt; the delivery stays in its lane.
    ///
    /// A message of a queue keeps its lease meanwhile, and so do those behind it. Each release costs the message a receive,
    /// and a queue with a redrive policy moves a message away after `maxReceiveCount` receives, even if no handler has seen
    /// it. A queue also delivers a released message again while later ones of its group are in flight, so the host must keep
    /// the order.
    fn put_off(&mut self, id: DeliveryId, next: Next, now: Time) {
        self.actions.push_back(Action::Troubled { delivery: id, next });
        let (Next::Retry(wait) | Next::Defer(wait) | Next::Hold(wait) | Next::Refused(wait)) = next;
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::RetryOvertakes) && self.deliveries[id].partition().is_some() {
            self.step_aside(id);
        }
        #[cfg(feature = "sabotage")]
        if self.route.source.acknowledges_each() && self.release_wrongly(id, wait) {
            return;
        }
        let delivery = &self.deliveries[id];
        let (held, draining) = (matches!(next, Next::Hold(_)), self.draining.is_draining());
        let goes_back = match self.route.source.acknowledgement {
            Acknowledgement::Cumulative => None,
            // If others wait behind it in a drain, it cannot be handed back, because the queue would move them away.
            Acknowledgement::Each if draining => Some(!self.has_waiting(id) && !self.is_last_receive(id)),
            Acknowledgement::Each => Some(!held && self.waits_in_its_queue(id, wait)),
        };
        match goes_back {
            Some(true) => self.hand_back(id, wait.min(self.longest_delay(id, now))),
            None if self.is_leaving(id) => self.drop_lane(id, Fate::Revoked),
            None if draining => self.drop_lane(id, Fate::Released),
            _ => {
                if let Some(lane) = delivery.lane {
                    self.lanes.halt(lane, true);
                }
                self.timers.set(now.after(wait), Timer::Again(id));
            }
        }
    }

    /// Sabotage: hands a message back although that is wrong. Returns whether it did.
    #[cfg(feature = "sabotage")]
    fn release_wrongly(&mut self, id: DeliveryId, wait: Duration) -> bool {
        if self.is_sabotaged(super::Sabotage::NeighboursGivenBack) {
            self.hand_back(id, wait);
            return true;
        }
        let keeps_later = self.is_sabotaged(super::Sabotage::ReleaseKeepsLater);
        if keeps_later {
            let withdrawn = self.withdraw(id);
            self.hand_back_all(&withdrawn[..1], wait);
            withdrawn[1..].iter().for_each(|id| self.ready.push_first(*id));
        }
        keeps_later
    }

    /// Ends the wait of a parked delivery.
    pub(super) fn again(&mut self, id: DeliveryId) {
        let Some(delivery) = self.deliveries.get_mut(id) else { return };
        if delivery.state != State::Parked {
            return;
        }
        delivery.state = State::Waiting;
        if let Some(lane) = delivery.lane {
            self.lanes.halt(lane, false);
        }
        self.enqueue(id);
    }

    /// Whether the message is delivered again without further action, because its lease ends.
    fn is_lost_by_itself(&self, id: DeliveryId) -> bool {
        let source = &self.route.source;
        #[cfg(feature = "sabotage")]
        if self.is_sabotaged(super::Sabotage::ForgottenThoughHeld) && source.acknowledges_each() {
            return true;
        }
        source.lease.is_some() && !self.deliveries[id].pledged
    }

    /// Whether the partition of the delivery is being revoked.
    pub(super) fn is_leaving(&self, id: DeliveryId) -> bool {
        self.deliveries[id].partition().is_some_and(|partition| self.partitions.is_leaving(partition))
    }

    /// Ends the delivery, which goes back to its source, with all that must not come before it: what waits behind it, and
    /// what has handed the lane on or runs while its outputs have to wait for this delivery.
    pub(super) fn drop_lane(&mut self, id: DeliveryId, fate: Fate) {
        let order = self.deliveries[id].lane.map_or_else(Vec::new, |lane| self.lanes.in_order(lane));
        let behind = order.iter().position(|other| *other == id).map_or(order.len(), |place| place + 1);
        #[cfg(feature = "sabotage")]
        let behind = if self.is_sabotaged(super::Sabotage::BehindRefusedStays) { order.len() } else { behind };
        self.drop_behind(id, fate);
        for later in order.into_iter().skip(behind) {
            let delivery = &mut self.deliveries[later];
            match delivery.state {
                // Its attempt may end, but its outputs would come first.
                State::Running => {
                    delivery.go_back_too();
                    self.cut_behind(later, fate);
                }
                // What is sent already arrives before any repeat.
                State::Publishing(_) if !delivery.is_refused() => {}
                State::Waiting | State::Parked | State::Publishing(_) | State::Standing(_) => {
                    self.drop_behind(later, fate)
                }
                _ => {}
            }
        }
    }

    /// Ends the delivery with all that wait behind it.
    fn drop_behind(&mut self, id: DeliveryId, fate: Fate) {
        for dropped in self.withdraw(id) {
            self.finish(dropped, fate);
        }
    }

    /// Ends what waits behind a delivery that runs.
    fn cut_behind(&mut self, id: DeliveryId, fate: Fate) {
        let Some(lane) = self.deliveries[id].lane else { return };
        for behind in self.lanes.cut(lane, id) {
            self.deliveries[behind].lane = None;
            self.finish(behind, fate);
        }
    }

    /// Counts the delivery as held by the host or a destination. Returns the backoff.
    pub(super) fn hold(&mut self, id: DeliveryId) -> Duration {
        let delivery = &mut self.deliveries[id];
        delivery.holds = delivery.holds.saturating_add(1);
        let wait = HOLD.delay(delivery.holds, None, self.chance.f64());
        if std::mem::take(&mut delivery.stands) {
            self.refused -= 1;
        }
        if !delivery.held {
            delivery.held = true;
            self.held += 1;
            if self.held == 1 {
                self.actions.push_back(Action::Holding(true));
            }
        }
        wait
    }

    /// Ends the hold of the delivery.
    pub(super) fn let_go(&mut self, id: DeliveryId) {
        let delivery = &mut self.deliveries[id];
        delivery.holds = 0;
        if std::mem::take(&mut delivery.stands) {
            self.refused -= 1;
        }
        if delivery.held {
            delivery.held = false;
            self.held -= 1;
            if self.held == 0 {
                self.actions.push_back(Action::Holding(false));
            }
        }
    }
}
