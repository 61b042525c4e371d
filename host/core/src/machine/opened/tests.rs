use std::time::Duration;

use super::*;
use crate::action::Action;
use crate::envelope::{Envelope, counted};
use crate::event::{Ended, Event, Leased};
use crate::message::{Headers, Position, Record};
use crate::outcome::{Class, Code, Failure, Outcome};
use crate::output::Publication;
use crate::output::samples::topic;
use crate::route::{Bounds, Route};
use crate::source::{Lease, SourceTraits};
use crate::time::Time;

/// A machine at work, and the workers: each attempt decodes as a worker does, and gives back what a failed one has decoded.
struct World {
    machine: Machine,
    route: Route,
    now: Time,
    /// Attempts handed out and not ended.
    running: Vec<DeliveryId>,
}

impl World {
    /// One attempt at a time, on a queue: a retry waits in the machine.
    fn new(route: Route) -> Self {
        counted::take();
        let source = SourceTraits::leased_queue(Lease::default(), Duration::from_secs(3_600));
        let route = Route { source, concurrency: 1, ..route };
        let machine = Machine::new(route.clone().into(), 1);
        Self { machine, route, now: Time::from_millis(1), running: Vec::new() }
    }

    fn tell(&mut self, event: Event) {
        self.machine.handle(event, self.now);
        while let Some(action) = self.machine.next_action() {
            if let Action::Handle(id) = action {
                self.running.push(id);
            }
        }
    }

    fn receive(&mut self, texts: &[&str]) {
        let message = |(number, text): (usize, &&str)| Leased {
            record: Record {
                source: "q".into(),
                position: Position::MessageId(number.to_string().into()),
                key: None,
                headers: Headers::default(),
                payload: Some((*text).to_owned().into()),
                timestamp_ms: None,
            },
            receipt: number.to_string().into(),
            receives: 1,
            until: Some(self.now.after(Duration::from_secs(30))),
        };
        let messages = texts.iter().enumerate().map(message).collect();
        self.tell(Event::Messages(messages));
    }

    /// The attempt that runs ends like this. Its worker has decoded the envelope, unless it was decoded.
    fn end(&mut self, outcome: Outcome<Vec<Publication>>) -> DeliveryId {
        let id = self.running.remove(0);
        let delivery = self.machine.delivery(id).expect("it runs");
        let undecoded = || Arc::new(Opened::new(Arc::clone(delivery.record())));
        let opened = delivery.opened().map_or_else(undecoded, Arc::clone);
        self.route.admit(&opened).expect("well formed");
        let opened = matches!(outcome, Outcome::Failed(_)).then_some(opened);
        self.tell(Event::Ended(id, Box::new(Ended { opened, ..Ended::new(outcome) })));
        id
    }

    fn fail(&mut self) -> DeliveryId {
        self.end(Failure::new(Class::Retryable, Code::INTERNAL, "as told").into())
    }

    /// Until an attempt runs.
    fn wait(&mut self) {
        while self.running.is_empty() {
            self.now = self.machine.next_wake().expect("a retry waits").max(self.now);
            self.tell(Event::Due);
        }
    }

    fn is_kept(&self, id: DeliveryId) -> bool {
        self.machine.delivery(id).is_some_and(|delivery| delivery.opened().is_some())
    }

    fn bytes(&self) -> usize {
        self.machine.audit().expect("the books agree");
        usize::try_from(self.machine.in_use().bytes).expect("few")
    }
}

fn cloud_events() -> Route {
    Route { envelope: Envelope::CloudEvents, ..Route::sample() }
}

fn event(id: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"{id}","source":"/s","type":"t","data":{{"amount":1}}}}"#)
}

fn output() -> Publication {
    Publication {
        destination: topic("out"),
        key: None,
        headers: Headers::default(),
        payload: None,
        timestamp_ms: None,
        group: None,
        deduplication: None,
    }
}

#[test]
fn an_envelope_is_decoded_once_for_all_attempts_of_a_delivery() {
    for suppress_duplicates in [false, true] {
        let mut world = World::new(Route { suppress_duplicates, ..cloud_events() });
        world.receive(&[&event("e-1")]);
        assert_eq!(counted::take(), usize::from(suppress_duplicates), "before its worker has it");
        world.fail();
        assert_eq!(counted::take(), usize::from(!suppress_duplicates), "at its first attempt");
        for _ in 0..2 {
            world.wait();
            let id = world.fail();
            assert!(world.is_kept(id));
        }
        world.wait();
        world.end(Outcome::Done(Vec::new()));
        assert_eq!(counted::take(), 0, "at its retries");
    }
}

#[test]
fn an_envelope_that_nobody_asks_for_is_not_decoded() {
    let mut world = World::new(cloud_events());
    world.receive(&[&event("e-1"), "not an event at all"]);
    let waiting = world.machine.deliveries().map(|(id, _)| id).find(|id| !world.running.contains(id)).expect("one");
    assert!(world.machine.delivery(waiting).expect("it waits").opened().is_none());
    world.tell(Event::LeaseLost(vec![waiting]));
    assert_eq!(counted::take(), 0);
}

#[test]
fn a_raw_record_has_nothing_to_decode_or_to_keep() {
    let mut world = World::new(Route::sample());
    world.receive(&["some bytes"]);
    world.fail();
    assert_eq!((counted::take(), world.bytes()), (0, "some bytes".len()));
}

#[test]
fn a_decoded_envelope_counts_as_in_flight_until_it_is_freed() {
    let text = event("e-1");
    let mut world = World::new(cloud_events());
    world.receive(&[&text]);
    assert_eq!(world.bytes(), text.len());
    let id = world.fail();
    // Four attributes, and the id once more; the payload is part of the record's.
    let attributes = "specversion1.0ide-1source/stypet".len() + 4 * 32;
    assert_eq!(world.bytes(), text.len() + attributes + "e-1".len());
    world.wait();
    assert_eq!(world.end(Outcome::Done(vec![output()])), id);
    assert!(!world.is_kept(id), "its outputs are on their way");
    assert_eq!(world.bytes(), text.len() + output().size());
    world.tell(Event::Durable { delivery: id, index: 0 });
    world.tell(Event::Deleted(vec![id]));
    world.tell(Event::Due);
    assert_eq!(world.bytes(), 0);
}

#[test]
fn an_envelope_that_does_not_fit_into_the_bound_is_decoded_again() {
    let text = event("e-1");
    let mut world = World::new(Route { bounds: Bounds { messages: 10, bytes: text.len() as u64 }, ..cloud_events() });
    world.receive(&[&text]);
    let id = world.fail();
    assert!(!world.is_kept(id));
    assert_eq!((counted::take(), world.bytes()), (1, text.len()));
    world.wait();
    world.fail();
    assert_eq!(counted::take(), 1);
}

#[test]
fn at_the_bound_an_envelope_stays_that_is_small_beside_its_record() {
    let large = event("e-1").replace("\"amount\":1", &format!("\"amount\":{}", "1".repeat(1_000)));
    let mut world = World::new(Route { bounds: Bounds { messages: 10, bytes: large.len() as u64 }, ..cloud_events() });
    world.receive(&[&large]);
    let id = world.fail();
    assert!(world.is_kept(id));
    assert!(world.bytes() > large.len() && world.bytes() < large.len() + large.len() / 4);
}

#[test]
fn the_envelope_of_a_delivery_that_ends_after_a_failure_is_freed() {
    let mut world = World::new(cloud_events());
    world.receive(&[&event("e-1")]);
    let id = world.fail();
    assert!(world.is_kept(id));
    world.tell(Event::LeaseLost(vec![id]));
    world.tell(Event::Due);
    assert_eq!(world.bytes(), 0);
}
