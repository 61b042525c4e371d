use cofferdam_core::breaker::Breaker;
use cofferdam_core::command::Command;
use cofferdam_core::event::{Assignment, Ended, Event, Refusal};
use cofferdam_core::outcome::{Class, Outcome};
use cofferdam_core::route::Route;
use cofferdam_guarantees::simulation;

use super::*;
use crate::admin::Health;

/// A route with one record whose output a topic answers as told, and the listener that hears of it.
struct World {
    machine: Machine,
    listener: HealthListener,
    health: Arc<Health>,
    now: Time,
    /// Whether each attempt fails.
    fails: bool,
}

impl World {
    fn new() -> Self {
        let (health, now) = (Health::new(), Time::from_millis(1_000));
        let listener = HealthListener::new(health.route("one", now));
        let breaker = Breaker { failures: 1, ..Breaker::default() };
        let route = Route { breaker, ..simulation::route() };
        Self { machine: Machine::new(Arc::new(route), 1), listener, health, now, fails: false }
    }

    /// Tells the machine, and its listener what it answers; publications are refused for now, or durable.
    fn tell(&mut self, event: Event, takes: bool) {
        let mut events = std::collections::VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            self.machine.handle(event, self.now);
            while let Some(action) = self.machine.next_action() {
                self.listener.action(&action, &self.machine, self.now);
                events.extend(answer(action, takes, self.fails));
            }
        }
    }

    /// The state, the destination that is waited for, and why, as the page shows them after a round.
    fn page(&mut self, phase: Phase) -> (State, Option<String>) {
        self.listener.round(&Round { phase, machine: &self.machine, now: self.now });
        let page = serde_json::to_value(&self.health.pages()[0]).unwrap();
        let waits_for = page.get("waits_for").map(|it| format!("{}: {}", it["destination"], it["reason"]));
        (self.health.pages()[0].state, waits_for)
    }
}

fn answer(action: Action, takes: bool, fails: bool) -> Option<Event> {
    match action {
        Action::Handle(id) => {
            let outcome = match fails {
                true => Outcome::Failed(Box::new(simulation::failure(Class::Retryable))),
                false => Outcome::Done(vec![simulation::output()]),
            };
            let ended = Ended::new(outcome);
            Some(Event::Ended(id, Box::new(ended)))
        }
        Action::Publish { delivery, index } if takes => Some(Event::Durable { delivery, index }),
        Action::Publish { delivery, index } => {
            Some(Event::NotDurable { delivery, index, refusal: Refusal::Unavailable("down".into()) })
        }
        _ => None,
    }
}

#[test]
fn health_names_a_destination_while_it_takes_nothing_and_forgets_it_when_it_does() {
    let mut world = World::new();
    let partition = simulation::partition(3);
    world.tell(Event::Assigned(vec![Assignment::new(partition.clone())]), true);
    assert_eq!(world.page(Phase::Running), (State::Running, None));
    world.tell(Event::Records { partition, records: vec![simulation::record(3, 7)] }, false);
    let waits = Some(r#""kafka:out": "down""#.to_owned());
    assert_eq!(world.page(Phase::Running), (State::Holding, waits.clone()));
    assert_eq!(world.page(Phase::Draining), (State::Draining, waits.clone()));
    while world.machine.is_holding() {
        world.now = world.machine.next_wake().expect("it is offered again").max(world.now);
        world.tell(Event::Due, true);
    }
    assert_eq!(world.page(Phase::Running), (State::Running, None));
}

#[test]
fn a_route_whose_circuit_is_open_says_so_until_a_probe_succeeds() {
    let mut world = World::new();
    world.fails = true;
    let partition = simulation::partition(3);
    world.tell(Event::Assigned(vec![Assignment::new(partition.clone())]), true);
    world.tell(Event::Records { partition: partition.clone(), records: vec![simulation::record(3, 7)] }, true);
    assert_eq!(world.page(Phase::Running), (State::CircuitOpen, None));
    world.fails = false;
    while let Some(wake) = world.machine.next_wake() {
        world.now = wake.max(world.now);
        world.tell(Event::Due, true);
    }
    // Where the first message has ended meanwhile, the next one is the probe.
    world.tell(Event::Records { partition, records: vec![simulation::record(3, 8)] }, true);
    assert_eq!(world.page(Phase::Running), (State::Running, None));
}

#[test]
fn a_route_that_a_command_has_paused_is_paused_until_another_resumes_it() {
    let mut world = World::new();
    world.tell(Event::Command(Command::Pause), true);
    assert_eq!(world.page(Phase::Running), (State::Paused, None));
    assert_eq!(world.page(Phase::Draining), (State::Draining, None));
    world.tell(Event::Command(Command::Resume), true);
    assert_eq!(world.page(Phase::Running), (State::Running, None));
}

#[test]
fn the_end_of_a_flow_stops_its_route_and_keeps_the_reason() {
    let mut world = World::new();
    let (machine, now) = (&world.machine, world.now);
    world.listener.end(&End { failure: Some("fenced"), machine, now });
    assert_eq!(world.health.pages()[0].state, State::Stopped);
    assert_eq!(world.health.unready(), ["route `one` is stopped: fenced"]);
}
