use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use cofferdam_core::action::Ask;
use cofferdam_core::event::{Assignment, DeliveryId, Ended};
use cofferdam_core::outcome::{Class, Code, Failure};
use cofferdam_guarantees::simulation;

use super::*;
use crate::listener::Phase;

/// The calls of all listeners, in one order.
type Heard = Arc<Mutex<Vec<String>>>;

/// Records each call. It must flush before a stop, and a flush fails after the given number of flushes.
struct Noting {
    name: &'static str,
    heard: Heard,
    flushes: usize,
}

impl Noting {
    fn note(&self, what: &str) {
        self.heard.lock().unwrap().push(format!("{} {what}", self.name));
    }
}

impl Listener for Noting {
    fn event(&mut self, event: &Event, _: &Machine, _: Time) {
        self.note(&format!("event {event:?}"));
    }

    fn action(&mut self, action: &Action, _: &Machine, _: Time) {
        self.note(&format!("action {action:?}"));
    }

    fn must_flush(&self, action: &Action) -> bool {
        matches!(action, Action::Ask(Ask::Commit(_)))
    }

    fn flush(&mut self) -> Result<(), Box<str>> {
        self.note("flush");
        self.flushes = self.flushes.checked_sub(1).ok_or("the disk is full")?;
        Ok(())
    }

    fn round(&mut self, round: &Round<'_>) {
        self.note(&format!("round {:?}", round.phase));
    }

    fn tick(&mut self, _: &Tick<'_>) {
        self.note("tick");
    }

    fn end(&mut self, end: &End<'_>) {
        self.note(&format!("end {:?}", end.failure));
    }
}

/// Overrides no method of the trait.
struct Deaf;

impl Listener for Deaf {}

fn machine() -> Machine {
    Machine::new(Arc::new(simulation::route()), 1)
}

fn listeners(flushes: usize) -> (Listeners, Heard) {
    let heard = Heard::default();
    let noting = |name, flushes| Box::new(Noting { name, heard: Arc::clone(&heard), flushes }) as Box<dyn Listener>;
    (Listeners::new(vec![noting("a", flushes), Box::new(Deaf), noting("b", usize::MAX)]), heard)
}

fn taken(heard: &Heard) -> Vec<String> {
    std::mem::take(&mut *heard.lock().unwrap())
}

const NOW: Time = Time::from_millis(1_000);

fn commit() -> Action {
    Action::Ask(Ask::Commit(Vec::new()))
}

#[test]
fn listeners_hear_everything_in_the_order_of_the_list() {
    let (mut listeners, heard) = listeners(usize::MAX);
    let machine = machine();
    listeners.event(&Event::Due, &machine, NOW);
    assert!(listeners.action(&Action::Drained, &machine, NOW));
    listeners.flush().unwrap();
    listeners.round(&Round { phase: Phase::Stopped, machine: &machine, now: NOW });
    listeners.tick(&Tick { stuck: None, absence: None, machine: &machine, now: NOW });
    listeners.end(&End { failure: Some("fenced"), machine: &machine, now: NOW });
    let calls = ["event Due", "action Drained", "flush", "round Stopped", "tick", "end Some(\"fenced\")"];
    let expected: Vec<String> = calls.iter().flat_map(|call| ["a", "b"].map(|name| format!("{name} {call}"))).collect();
    assert_eq!(taken(&heard), expected);
}

#[test]
fn an_action_that_must_be_flushed_is_flushed_before_the_next_listener_hears_of_it() {
    let (mut listeners, heard) = listeners(usize::MAX);
    assert!(listeners.action(&commit(), &machine(), NOW));
    let action = format!("action {:?}", commit());
    assert_eq!(taken(&heard), [format!("a {action}"), "a flush".into(), format!("b {action}"), "b flush".into()]);
}

#[test]
fn after_a_flush_that_failed_no_action_is_carried_out_or_heard_of() {
    let (mut listeners, heard) = listeners(0);
    let machine = machine();
    assert!(listeners.action(&Action::Drained, &machine, NOW), "it needs no flush");
    taken(&heard);
    assert!(!listeners.action(&commit(), &machine, NOW));
    assert!(listeners.are_mute());
    assert_eq!(taken(&heard), [format!("a action {:?}", commit()), "a flush".into()]);
    assert!(!listeners.action(&Action::Drained, &machine, NOW), "nothing at all from then on");
    let reason = listeners.flush().unwrap_err();
    assert_eq!(&*reason, "the disk is full; nothing was done after that");
    assert_eq!(taken(&heard), [""; 0], "it is not tried again");
    // Rounds are reported even after a failed flush.
    listeners.round(&Round { phase: Phase::Stopped, machine: &machine, now: NOW });
    assert_eq!(taken(&heard), ["a round Stopped", "b round Stopped"]);
}

#[test]
fn a_flush_of_the_round_that_failed_mutes_the_flow() {
    let (mut listeners, heard) = listeners(1);
    listeners.flush().unwrap();
    listeners.flush().unwrap_err();
    assert!(listeners.are_mute());
    taken(&heard);
    assert!(!listeners.action(&commit(), &machine(), NOW));
    assert_eq!(taken(&heard), [""; 0]);
}

/// Records spans of deliveries as a tracer would: one for each attempt, and one for the whole delivery.
#[derive(Clone, Default)]
struct Tracing(Heard);

impl Tracing {
    fn note(&self, what: &str, id: DeliveryId, machine: &Machine) {
        let delivery = machine.delivery(id).expect("it can be looked at");
        self.0.lock().unwrap().push(format!("{what} {} attempt {}", delivery.record().id(), delivery.attempt()));
    }
}

impl Listener for Tracing {
    fn event(&mut self, event: &Event, machine: &Machine, _: Time) {
        match event {
            Event::Ended(id, ended) => self.note(&format!("ended {}", ended.outcome.class()), *id, machine),
            Event::Durable { delivery, .. } => self.note("durable", *delivery, machine),
            _ => {}
        }
    }

    fn action(&mut self, action: &Action, machine: &Machine, _: Time) {
        match action {
            Action::Handle(id) => self.note("begins", *id, machine),
            Action::Publish { delivery, .. } => self.note("publishes", *delivery, machine),
            Action::Settled { delivery, fate } => self.note(&format!("settled {fate:?}"), *delivery, machine),
            _ => {}
        }
    }
}

#[test]
fn a_listener_can_look_at_the_delivery_of_each_event_and_action() {
    let (mut machine, tracing) = (machine(), Tracing::default());
    let mut listeners = Listeners::new(vec![Box::new(tracing.clone())]);
    let (partition, record) = (simulation::partition(3), simulation::record(3, 7));
    let assigned = Event::Assigned(vec![Assignment::new(partition.clone())]);
    let mut events = VecDeque::from([assigned, Event::Records { partition, records: vec![record] }]);
    while let Some(event) = events.pop_front() {
        listeners.event(&event, &machine, NOW);
        machine.handle(event, NOW);
        while let Some(action) = machine.next_action() {
            assert!(listeners.action(&action, &machine, NOW));
            match action {
                Action::Handle(id) => {
                    let outcome = Failure::new(Class::Permanent, Code::INTERNAL, "no").into();
                    let ended = Ended::new(outcome);
                    events.push_back(Event::Ended(id, Box::new(ended)));
                }
                Action::Publish { delivery, index } => events.push_back(Event::Durable { delivery, index }),
                _ => {}
            }
        }
    }
    // The dead letter comes before the error event.
    let expected = [
        "begins t/3/7 attempt 1",
        "ended permanent t/3/7 attempt 1",
        "publishes t/3/7 attempt 1",
        "publishes t/3/7 attempt 1",
        "durable t/3/7 attempt 1",
        "durable t/3/7 attempt 1",
        "settled DeadLettered t/3/7 attempt 1",
    ];
    assert_eq!(taken(&tracing.0), expected);
}
