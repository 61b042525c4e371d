//! The breaker at its defaults, against outages and bad messages: a table of histories in simulated time.

use std::collections::HashMap;
use std::time::Duration;

use cofferdam_core::action::{Circuit, Fate};
use cofferdam_core::breaker::Breaker;
use cofferdam_core::machine::{Machine, Sabotage};
use cofferdam_core::outcome::Class;
use cofferdam_core::route::{Bounds, Route};
use cofferdam_core::time::Time;
use cofferdam_guarantees::simulation::{SECOND, World, failure, route};

const PARTITIONS: i32 = 4;

/// What comes, and what becomes of it.
#[derive(Debug, Clone, Copy)]
struct Case {
    messages: usize,
    /// Between two messages.
    every: Duration,
    /// How long an attempt takes.
    takes: Duration,
    /// Percent of the messages fail at every attempt, like this.
    bad: u64,
    class: Class,
    /// From here to there percent of the messages fail.
    outage: (Duration, Duration, u64),
    /// In the outage the process is killed this often, and another one starts.
    restart: Option<Duration>,
    concurrency: u32,
}

const QUIET: Duration = Duration::from_secs(10);
const BUSY: Duration = Duration::from_millis(20);

const WELL: Case = Case {
    messages: 1_000,
    every: BUSY,
    takes: Duration::from_millis(20),
    bad: 0,
    class: Class::Retryable,
    outage: (Duration::ZERO, Duration::ZERO, 0),
    restart: None,
    concurrency: 16,
};

/// What came of it.
#[derive(Debug, Default)]
struct Seen {
    /// How often the circuit opened.
    opened: u32,
    dead: usize,
    /// Dead letters of messages that are not bad.
    burned: usize,
    /// From the arrival of a message that is not bad to its end, where no outage was.
    slowest_good: Duration,
    slowest_bad: Duration,
    /// From the end of the outage to the end of the last message that arrived in it.
    recovery: Duration,
}

/// The same for each message, whenever it is asked.
fn chance(seed: u64, number: usize, salt: u64) -> u64 {
    fastrand::Rng::with_seed(seed ^ (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ salt).u64(0..100)
}

struct History {
    case: Case,
    seed: u64,
    world: World,
    start: Time,
    numbers: HashMap<String, (usize, Time)>,
    ends: HashMap<String, Time>,
    settled: usize,
    circuit: Circuit,
    seen: Seen,
}

impl History {
    fn new(case: Case, seed: u64) -> Self {
        Self::with(case, seed, |_| {})
    }

    fn with(case: Case, seed: u64, prepare: fn(&mut Machine)) -> Self {
        let bounds = Bounds { messages: 1_000, bytes: 10_000_000 };
        let route =
            Route { breaker: Breaker::default(), bounds, concurrency: case.concurrency, errors: None, ..route() };
        let world = World::kafka_with(route, PARTITIONS, prepare);
        let start = world.now;
        let (numbers, ends) = (HashMap::new(), HashMap::new());
        Self { case, seed, world, start, numbers, ends, settled: 0, circuit: Circuit::Closed, seen: Seen::default() }
    }

    fn live(mut self) -> Seen {
        let mut next = (0, self.start);
        let mut restart = self.case.restart.map(|every| self.start.after(self.case.outage.0).after(every));
        while self.settled < self.case.messages {
            let arrival = (next.0 < self.case.messages).then_some(next.1);
            let wake = self.world.machine().next_wake();
            let end = self.ends.values().min().copied();
            let at = [arrival, wake, end, restart].into_iter().flatten().min().expect("something is left to happen");
            assert!(at.since(self.start) < Duration::from_secs(200_000), "it comes to its end: {:?}", self.seen);
            self.world.wait(at.since(self.world.now));
            if restart == Some(at) {
                self.world.crash();
                (0..PARTITIONS).for_each(|number| self.world.assign(number));
                self.ends.clear();
                restart = self
                    .case
                    .restart
                    .map(|every| at.after(every))
                    .filter(|at| at.since(self.start) < self.case.outage.1);
            }
            if arrival == Some(at) {
                let id = self.world.write(next.0 as i32 % PARTITIONS, &format!("k{}", next.0), 10);
                self.numbers.insert(id, next);
                next = (next.0 + 1, at.after(self.case.every));
            }
            self.world.fetch();
            self.end_attempts();
            self.world.store_all();
            self.world.answer_commit(true);
            self.world.fetch();
            self.look();
        }
        self.seen
    }

    fn end_attempts(&mut self) {
        for id in self.world.in_hand() {
            self.ends.entry(id).or_insert(self.world.now.after(self.case.takes));
        }
        let now = self.world.now;
        let mut over: Vec<String> =
            self.ends.iter().filter(|(_, end)| **end <= now).map(|(id, _)| id.clone()).collect();
        over.sort();
        for id in over {
            self.ends.remove(&id);
            let number = self.numbers[&id].0;
            if self.is_bad(number) {
                self.world.fail(&id, failure(self.case.class));
            } else if self.is_struck(number, now) {
                self.world.fail(&id, failure(Class::Retryable));
            } else {
                self.world.done(&id, 1);
            }
            self.world.answer_commit(true);
            for id in self.world.in_hand() {
                self.ends.entry(id).or_insert(now.after(self.case.takes));
            }
        }
    }

    fn is_bad(&self, number: usize) -> bool {
        chance(self.seed, number, 1) < self.case.bad
    }

    fn is_struck(&self, number: usize, at: Time) -> bool {
        let (from, to, share) = self.case.outage;
        let at = at.since(self.start);
        from <= at && at < to && chance(self.seed, number, 2) < share
    }

    fn look(&mut self) {
        let circuit = self.world.seen().circuit;
        self.seen.opened += u32::from(self.circuit == Circuit::Closed && circuit != Circuit::Closed);
        self.circuit = circuit;
        let fates = self.world.seen().fates[self.settled..].to_vec();
        self.settled += fates.len();
        for (id, fate) in fates {
            let (number, since) = self.numbers[&id];
            let (bad, took) = (self.is_bad(number), self.world.now.since(since));
            self.seen.dead += usize::from(fate == Fate::DeadLettered);
            self.seen.burned += usize::from(fate == Fate::DeadLettered && !bad);
            let (from, to, share) = self.case.outage;
            let arrived = since.since(self.start);
            if share > 0 && from <= arrived && arrived < to && !bad {
                let late = self.world.now.since(self.start.after(to));
                self.seen.recovery = self.seen.recovery.max(late);
            }
            if bad {
                assert_eq!(fate, Fate::DeadLettered, "{id}");
                self.seen.slowest_bad = self.seen.slowest_bad.max(took);
            } else if share < 100 && !(share > 0 && chance(self.seed, number, 2) < share) {
                self.seen.slowest_good = self.seen.slowest_good.max(took);
            }
        }
    }
}

fn live(case: Case, seed: u64) -> Seen {
    let seen = History::new(case, seed).live();
    println!("{case:?} seed {seed}: {seen:?}");
    seen
}

#[test]
fn bad_messages_among_good_ones_never_open_the_circuit_and_keep_nobody_waiting() {
    for bad in [1, 10, 50] {
        for class in [Class::Retryable, Class::Trapped, Class::Permanent, Class::Malformed] {
            for every in [QUIET, BUSY] {
                let seen = live(Case { messages: 300, bad, class, every, ..WELL }, bad);
                assert_eq!((seen.opened, seen.burned), (0, 0), "{bad} % {class}");
                assert!(seen.slowest_good < SECOND, "{bad} % {class}: {seen:?}");
                assert!(seen.slowest_bad < 30 * SECOND, "{bad} % {class}: {seen:?}");
            }
        }
    }
}

#[test]
fn with_nine_bad_messages_in_ten_the_good_ones_are_handled_within_a_bound() {
    for seed in 0..4 {
        for class in [Class::Retryable, Class::Permanent] {
            for every in [QUIET, 10 * BUSY] {
                let seen = live(Case { messages: 400, bad: 90, class, every, ..WELL }, seed);
                assert_eq!(seen.burned, 0);
                assert!(seen.opened <= 5, "{seen:?}");
                assert!(seen.slowest_good < 300 * SECOND && seen.slowest_bad < 600 * SECOND, "{seen:?}");
            }
        }
    }
}

#[test]
fn two_bad_messages_on_a_quiet_topic_do_not_stop_a_good_one() {
    // The bad ones come first: number 0 and 1.
    let seed = (0..).find(|seed| (0..8).all(|number| (chance(*seed, number, 1) < 50) == (number < 2)));
    let seen = live(Case { messages: 8, bad: 50, every: 2 * SECOND, ..WELL }, seed.expect("one in 256"));
    assert_eq!((seen.opened, seen.dead), (0, 2));
    assert!(seen.slowest_good < SECOND, "{seen:?}");
}

#[test]
fn an_outage_burns_no_message_on_a_busy_route_and_few_on_a_quiet_one() {
    for minutes in [1, 10, 60] {
        let outage = (10 * SECOND, 10 * SECOND + minutes * 60 * SECOND, 100);
        let seen = live(Case { outage, messages: 1_500, ..WELL }, 1);
        assert_eq!((seen.opened, seen.dead), (1, 0), "{minutes} minutes: {seen:?}");
        assert!(seen.recovery < 180 * SECOND, "{seen:?}");
        let messages = 6 * minutes as usize + 60;
        let seen = live(Case { outage, messages, every: QUIET, ..WELL }, 1);
        assert!(seen.dead <= 20, "{minutes} minutes: {seen:?}");
        assert!(seen.recovery < 300 * SECOND, "{seen:?}");
    }
}

#[test]
fn an_outage_with_three_restarts_burns_no_message() {
    let outage = (Duration::ZERO, 3_600 * SECOND, 100);
    let case = Case { outage, restart: Some(900 * SECOND), messages: 200, ..WELL };
    let seen = live(case, 1);
    assert_eq!((seen.opened, seen.dead), (4, 0), "{seen:?}");
    let seen = History::with(case, 1, |machine| machine.sabotage(Sabotage::RestartForgotten)).live();
    assert!(seen.dead > 100, "{seen:?}");
}

#[test]
fn an_outage_with_bad_messages_among_the_good_ones_burns_none_of_these() {
    let outage = (10 * SECOND, 310 * SECOND, 100);
    for bad in [1, 10, 50] {
        let seen = live(Case { outage, bad, messages: 1_000, ..WELL }, bad);
        assert_eq!(seen.burned, 0, "{bad} %: {seen:?}");
        assert!(seen.recovery < 300 * SECOND, "{seen:?}");
    }
}

#[test]
fn while_half_of_the_messages_fail_the_others_are_not_kept_waiting() {
    let outage = (10 * SECOND, 20 * SECOND, 50);
    for every in [QUIET, BUSY] {
        let seen = live(Case { outage, every, messages: 1_000, ..WELL }, 3);
        assert_eq!((seen.opened, seen.dead), (0, 0), "{seen:?}");
        assert!(seen.slowest_good < SECOND, "{seen:?}");
    }
}

#[test]
fn a_dependency_that_is_deployed_anew_is_back_within_seconds() {
    let outage = (10 * SECOND, 18 * SECOND, 100);
    let seen = live(Case { outage, ..WELL }, 1);
    assert_eq!(seen.dead, 0);
    assert!(seen.recovery < 30 * SECOND, "{seen:?}");
}

#[test]
fn a_slow_dependency_with_some_timeouts_stops_nobody() {
    let slow = Case { takes: 5 * SECOND, every: 2 * SECOND, class: Class::TimedOut, bad: 30, messages: 300, ..WELL };
    let seen = live(slow, 2);
    assert_eq!((seen.opened, seen.burned), (0, 0));
    assert!(seen.slowest_good < 60 * SECOND, "{seen:?}");
}

#[test]
fn a_topic_of_which_everything_fails_for_good_is_not_flushed_into_its_dead_letters() {
    let case = Case { bad: 100, class: Class::Permanent, ..WELL };
    let mut history = History::new(Case { messages: 2_000, ..case }, 1);
    let hour = history.start.after(3_600 * SECOND);
    for number in 0..1_000 {
        let id = history.world.write(number % PARTITIONS, &format!("k{number}"), 10);
        history.numbers.insert(id, (number as usize, history.start));
    }
    history.world.fetch();
    history.end_attempts();
    while let Some(at) = history.world.machine().next_wake().into_iter().chain(history.ends.values().copied()).min() {
        if at > hour {
            break;
        }
        history.world.wait(at.since(history.world.now));
        history.world.fetch();
        history.end_attempts();
        history.world.store_all();
        history.world.answer_commit(true);
        history.world.fetch();
        history.look();
    }
    assert!((50..50 + 16 + 66 * 5).contains(&history.seen.dead), "{:?}", history.seen);
}

/// The table is judged too: a breaker that is broken in one of these ways is caught by it.
#[test]
fn a_breaker_that_is_broken_is_caught() {
    // Probes that are retries burn messages in an outage.
    let outage = Case { outage: (10 * SECOND, 3_600 * SECOND, 100), ..WELL };
    let seen = History::with(outage, 1, |machine| machine.sabotage(Sabotage::ProbesAreRetries)).live();
    assert!(seen.dead > 0, "{seen:?}");
    // Retries that count open the circuit because of a few bad messages on a quiet topic.
    let seed = (0..).find(|seed| (0..8).all(|number| (chance(*seed, number, 1) < 50) == (number < 5)));
    let few = Case { messages: 8, bad: 50, every: QUIET, ..WELL };
    let opens = |case, prepare| History::with(case, seed.expect("one in 256"), prepare).live().opened > 0;
    assert!(!opens(few, |_| {}) && opens(few, |machine| machine.sabotage(Sabotage::RetriesTrip)));
    // Messages that end well and do not count let bad ones among them open it.
    let many = Case { messages: 300, bad: 10, ..WELL };
    assert!(!opens(many, |_| {}) && opens(many, |machine| machine.sabotage(Sabotage::SuccessDoesNotCount)));
}
