//! Deliveries go through a real machine; the test plays its environment.

use std::collections::VecDeque;
use std::time::Duration;

use cofferdam_core::Order;
use cofferdam_core::action::{Action, Ask, Blocked, Bound, Fate};
use cofferdam_core::breaker::Breaker;
use cofferdam_core::envelope::Envelope;
use cofferdam_core::event::{Assignment, DeliveryId, Ended, Event, HandlerId, Leased, Partition, Refusal};
use cofferdam_core::machine::Machine;
use cofferdam_core::message::{Header, Position, Record};
use cofferdam_core::outcome::{Class, Code, Failure, Outcome, Usage};
use cofferdam_core::output::Publication;
use cofferdam_core::route::{Bounds, DeadLetterRule, Guarantee};
use cofferdam_core::source::{Lease, SourceTraits};
use cofferdam_core::time::Time;
use cofferdam_core::verdict::Policy;
use cofferdam_guarantees::simulation;
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::{Value, json};

use super::log::Format;
use super::log::tests::logged;
use super::metrics::{ALL, builder, describe};
use super::partitions::Change;
use super::*;
use crate::listener::{Listener as _, Phase, Round};

/// Metrics that sources, sinks and plugins count.
const OF_OTHERS: [&str; 9] = [
    "messages_produced_total",
    "consumer_lag",
    "cofferdam_capability_denied_total",
    "cofferdam_http_requests_total",
    "cofferdam_http_circuit_open",
    "cofferdam_topic_recreated_total",
    "cofferdam_queue_recreated_total",
    "cofferdam_dead_letters",
    "cofferdam_messages_sent_total",
];

/// A route with its machine and telemetry, and the outcomes of the next attempts.
struct World {
    machine: Machine,
    telemetry: Telemetry,
    now: Time,
    attempts: VecDeque<Outcome<Vec<Publication>>>,
    /// Number of publications that fail before they succeed.
    unavailable: u32,
    /// Number of event ids that the store does not record before it does.
    unrecorded: u32,
    events: VecDeque<Event>,
}

impl World {
    fn new(group: Option<&str>) -> Self {
        Self::with(group, Guarantee::default())
    }

    fn with(group: Option<&str>, delivery: Guarantee) -> Self {
        Self::of(Self::route(group, delivery))
    }

    fn route(group: Option<&str>, delivery: Guarantee) -> Route {
        Route {
            name: "price-orders".into(),
            service: "shop".into(),
            group: group.map(Into::into),
            envelope: Envelope::CloudEvents,
            accept: None,
            order: Order::None,
            concurrency: 1,
            bounds: Bounds::default(),
            delivery,
            suppress_duplicates: false,
            breaker: Breaker { failures: 0, dead_letters: 0, ..Breaker::default() },
            commit_interval: Duration::from_secs(1),
            commit_metadata: cofferdam_core::progress::LIMIT,
            revoke_timeout: Duration::from_secs(10),
            publish_delay: Duration::ZERO,
            broker: "kafka",
            source: match &group {
                Some(_) => SourceTraits::log(),
                None => SourceTraits::leased_queue(Lease::default(), Duration::from_secs(600)),
            },
            policy: Policy::default(),
            outputs: Default::default(),
            dead_letter: DeadLetterRule::To(simulation::topic("orders.dlq")),
            errors: None,
        }
    }

    fn of(route: Route) -> Self {
        let route = Arc::new(route);
        Self {
            machine: Machine::new(Arc::clone(&route), 1),
            telemetry: Telemetry::new(route),
            now: Time::from_millis(1_000_000),
            attempts: VecDeque::new(),
            unavailable: 0,
            unrecorded: 0,
            events: VecDeque::new(),
        }
    }

    /// Delivers `count` records of `orders` and runs until they are settled. Attempts without a given outcome succeed.
    fn records(&mut self, count: usize) {
        let partition = partition();
        let assigned = Assignment::new(partition.clone());
        let records = (0..count as i64).map(|offset| record(Position::Offset { partition: 3, offset })).collect();
        self.events.extend([Event::Assigned(vec![assigned]), Event::Records { partition, records }]);
        self.run();
    }

    fn run(&mut self) {
        while let Some(event) = self.events.pop_front() {
            self.telemetry.event(&event, &self.machine, self.now);
            self.machine.handle(event, self.now);
            while let Some(action) = self.machine.next_action() {
                self.telemetry.action(&action, &self.machine, self.now);
                self.carry_out(action);
            }
            self.telemetry.round(&Round { phase: Phase::Running, machine: &self.machine, now: self.now });
            let idle = self.events.is_empty() && self.machine.in_flight() > 0;
            if let Some(wake) = self.machine.next_wake().filter(|_| idle) {
                self.now = self.now.max(wake);
                self.events.push_back(Event::Due);
            }
        }
        assert_eq!(self.machine.in_flight(), 0, "all is settled");
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Handle(id) => {
                let outcome = self.attempts.pop_front().unwrap_or(Outcome::Done(Vec::new()));
                let ended = ended(outcome);
                self.events.push_back(Event::Ended(id, Box::new(ended)));
            }
            Action::Publish { delivery, index } => {
                let answer = self.published(delivery, index);
                self.events.push_back(answer);
            }
            Action::Ask(Ask::Commit(positions)) => self.events.push_back(Event::Committed(positions)),
            Action::Ask(Ask::Delete { delivery, .. }) => self.events.push_back(Event::Deleted(vec![delivery])),
            Action::Record(id) if self.unrecorded == 0 => self.events.push_back(Event::Recorded(vec![id])),
            Action::Record(id) => {
                self.unrecorded -= 1;
                self.events.push_back(Event::NotRecorded(vec![id], "no space left".into()));
            }
            Action::Transact { .. } => unreachable!("the route has no transactions"),
            // Only the telemetry needs this action.
            _ => {}
        }
    }

    fn published(&mut self, delivery: DeliveryId, index: u32) -> Event {
        if self.unavailable == 0 {
            return Event::Durable { delivery, index };
        }
        self.unavailable -= 1;
        Event::NotDurable { delivery, index, refusal: Refusal::Unavailable("down".into()) }
    }
}

fn partition() -> Partition {
    Partition { topic: "orders".into(), number: 3 }
}

fn record(position: Position) -> Record {
    let event = r#"{"specversion":"1.0","id":"e-1","source":"/s","type":"order.placed","entityid":"o-7"}"#;
    Record {
        source: "orders".into(),
        position,
        key: None,
        headers: [Header::text("correlation-id", "c-9")].into(),
        payload: Some(event.into()),
        timestamp_ms: None,
    }
}

fn ended(outcome: Outcome<Vec<Publication>>) -> Ended {
    let usage = Usage { wall_us: 2_000, cpu_us: 150, memory_peak_bytes: 1 << 20, ..Usage::default() };
    let handler = HandlerId { name: "price".into(), digest: "sha256:0".into() };
    let trace = cofferdam_core::event::Trace {
        message: "e-1".into(),
        correlation: "c-9".into(),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        tracestate: None,
    };
    Ended { outcome, usage, handler: Some(Arc::new(handler)), trace, opened: None }
}

fn fails(class: Class, code: &str, text: &str) -> Outcome<Vec<Publication>> {
    Failure::new(class, Code::of_handler(code), text).into()
}

fn output() -> Publication {
    Publication { destination: simulation::topic("orders.priced"), ..simulation::output() }
}

/// Runs `act` with its own recorder.
fn measured(act: impl FnOnce(&PrometheusHandle)) {
    let recorder = builder().unwrap().build_recorder();
    let handle = recorder.handle();
    ::metrics::with_local_recorder(&recorder, || {
        describe();
        act(&handle);
    });
}

/// Returns the value of a series, which must exist once.
fn value(scrape: &str, series: &str) -> f64 {
    let mut found = scrape.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = found.next().unwrap_or_else(|| panic!("no {series} in\n{scrape}")).parse().unwrap();
    assert_eq!(found.next(), None, "{series} stands there once");
    value
}

/// Returns the lines of `event` that `act` logs.
fn lines(words: &str, event: &str, act: impl FnOnce()) -> Vec<Value> {
    let text = logged(Format::Json, Some(words), act);
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["event"] == event).collect()
}

/// Removes the fields of `line` that differ from run to run.
fn steady(mut line: Value) -> Value {
    let fields = line.as_object_mut().unwrap();
    assert!(fields.shift_remove("timestamp").is_some());
    line
}

#[test]
fn every_metric_stands_in_a_scrape_after_messages_went_through_the_machine() {
    measured(|scrape| {
        let mut world = World::new(Some("pricing"));
        world.attempts = [
            fails(Class::Retryable, "SERVICE_UNAVAILABLE", "later"),
            fails(Class::Permanent, "VALIDATION_ERROR", "no price"),
            Outcome::Done(vec![output()]),
        ]
        .into();
        world.unavailable = 1;
        world.records(3);
        let partition = Partition { topic: "orders".into(), number: 3 };
        let since = Time::from_millis(1_795_237_296_120);
        let blocked = Action::Blocked(Blocked { partition, bound: Bound::InFlight, behind: 17, since });
        world.telemetry.action(&blocked, &world.machine, world.now);
        let text = scrape.render();
        let labels = r#"{route="price-orders",topic="orders",partition="3",bound="in_flight"}"#;
        assert_eq!(value(&text, &format!("cofferdam_partition_blocked_since_seconds{labels}")), 1_795_237_296.12);
        assert_eq!(value(&text, &format!("cofferdam_partition_blocked_offset{labels}")), 17.0);
        for name in ALL.iter().map(|metric| metric.name).filter(|name| !OF_OTHERS.contains(name)) {
            assert!(text.contains(&format!("# HELP {name} ")), "{name} is described\n{text}");
            assert!(text.lines().any(|line| line.starts_with(name) && line.contains('{')), "{name} is shown\n{text}");
        }
        let consumed = |status| {
            value(
                &text,
                &format!(r#"messages_consumed_total{{topic="orders",consumer_group="pricing",status="{status}"}}"#),
            )
        };
        assert_eq!(["done", "dead_lettered", "released"].map(consumed), [2.0, 1.0, 0.0]);
        assert_eq!(value(&text, r#"dlq_messages_total{topic="orders",error_type="VALIDATION_ERROR"}"#), 1.0);
        let attempts = |outcome, code| {
            let labels = format!(r#"{{route="price-orders",outcome="{outcome}",code="{code}"}}"#);
            value(&text, &format!("cofferdam_attempts_total{labels}"))
        };
        assert_eq!(attempts("done", ""), 2.0);
        assert_eq!(attempts("retryable", "SERVICE_UNAVAILABLE"), 1.0);
        let duration = "message_processing_duration_seconds";
        let labels = r#"topic="orders",consumer_group="pricing""#;
        assert_eq!(value(&text, &format!("{duration}_count{{{labels}}}")), 4.0);
        for (bound, within) in [("0.001", 0.0), ("0.01", 4.0), ("0.1", 4.0), ("1", 4.0), ("10", 4.0), ("+Inf", 4.0)] {
            assert_eq!(value(&text, &format!("{duration}_bucket{{{labels},le=\"{bound}\"}}")), within, "{bound}");
        }
        let put_off =
            |next| value(&text, &format!(r#"cofferdam_rescheduled_total{{route="price-orders",next="{next}"}}"#));
        assert_eq!(["retry", "defer", "hold"].map(put_off), [1.0, 0.0, 1.0]);
        assert_eq!(value(&text, r#"cofferdam_route_holding{route="price-orders"}"#), 0.0);
        assert_eq!(value(&text, r#"cofferdam_received_total{route="price-orders"}"#), 3.0);
    });
}

#[test]
fn the_gauges_follow_holding_pauses_and_rebalance() {
    measured(|scrape| {
        let world = World::new(Some("pricing"));
        let (one, two) = (partition(), Partition { topic: "orders".into(), number: 4 });
        world.telemetry.state.holding(true);
        world.telemetry.state.paused(true);
        world.telemetry.partitions.rebalance(Change::Assigned, [&one, &two].into_iter());
        world.telemetry.partitions.rebalance(Change::Lost, [&one].into_iter());
        let text = scrape.render();
        assert_eq!(value(&text, r#"cofferdam_route_holding{route="price-orders"}"#), 1.0);
        assert_eq!(value(&text, r#"cofferdam_route_paused{route="price-orders"}"#), 1.0);
        assert_eq!(value(&text, r#"cofferdam_assigned_partitions{route="price-orders"}"#), 1.0);
        assert_eq!(value(&text, r#"cofferdam_rebalances_total{route="price-orders",change="lost"}"#), 1.0);
    });
}

#[test]
fn a_guest_cannot_make_series_without_end() {
    measured(|scrape| {
        let mut world = World::new(Some("pricing"));
        let codes = CODES_OF_HANDLERS + 50;
        world.attempts = (0..codes).map(|n| fails(Class::Permanent, &format!("CODE_{n}"), "")).collect();
        // The codes of the host are counted by name, whatever guests return.
        world.attempts.push_back(Failure::new(Class::Malformed, Code::MALFORMED_ENVELOPE, "").into());
        world.records(codes + 1);
        let text = scrape.render();
        let dead = |code: &str| value(&text, &format!(r#"dlq_messages_total{{topic="orders",error_type="{code}"}}"#));
        assert_eq!(text.matches("dlq_messages_total{").count(), CODES_OF_HANDLERS + 2);
        assert_eq!((dead("CODE_0"), dead("OTHER"), dead("MALFORMED_ENVELOPE")), (1.0, 50.0, 1.0));
        let other = r#"cofferdam_attempts_total{route="price-orders",outcome="permanent",code="OTHER"}"#;
        assert_eq!(value(&text, other), 50.0);
    });
}

#[test]
fn a_line_about_a_message_says_where_it_stands_and_how_to_follow_it() {
    let text = "no\nprice \u{1b}[31m for \"x\"";
    let lines = lines("warn", "message_dlq", || {
        let mut world = World::new(Some("pricing"));
        world.attempts = [fails(Class::Permanent, "VALIDATION_ERROR", text)].into();
        world.records(1);
    });
    let [line] = <[Value; 1]>::try_from(lines).unwrap();
    let expected = json!({
        "level": "WARN", "event": "message_dlq", "message": "a message was stored as a dead letter",
        "route": "price-orders", "topic": "orders", "partition": 3, "offset": 0, "consumer_group": "pricing",
        "attempt": 1, "latency_ms": 0, "message_id": "e-1", "correlation_id": "c-9",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "entity_id": "o-7",
        "outcome": "permanent", "code": "VALIDATION_ERROR", "text": r#"no\nprice \u{1b}[31m for "x""#,
        "destination": "kafka:orders.dlq", "target": "cofferdam::delivery",
    });
    assert_eq!(steady(line), expected);
}

#[test]
fn every_message_that_is_handled_is_told_at_debug_and_not_at_info() {
    let told = |words, event| lines(words, event, || World::new(Some("pricing")).records(2)).len();
    assert_eq!((told("debug", "message_consumed"), told("debug", "message_acked")), (2, 2));
    assert_eq!((told("info", "message_consumed"), told("info", "message_acked")), (0, 0));
    assert_eq!(told("info,cofferdam::delivery=debug", "message_acked"), 2);
}

#[test]
fn a_message_that_goes_on_later_is_told_with_the_wait_and_the_reason() {
    let lines = lines("info", "message_nacked", || {
        let route = World::route(Some("pricing"), Guarantee::default());
        let mut world = World::of(Route { suppress_duplicates: true, ..route });
        world.attempts = [
            fails(Class::Deferred, "NOT_YET", "wait"),
            fails(Class::Retryable, "RATE_LIMITED", "slower"),
            Failure::host(Code::PLUGIN_UNAVAILABLE, "no plugin").into(),
            Outcome::Done(vec![output()]),
        ]
        .into();
        (world.unavailable, world.unrecorded) = (1, 1);
        world.records(1);
    });
    let told = |name| lines.iter().map(|line| line[name].as_str().unwrap_or("-")).collect::<Vec<_>>();
    assert_eq!(told("next"), ["defer", "retry", "hold", "hold", "hold"]);
    assert_eq!(told("level"), ["INFO", "WARN", "WARN", "WARN", "WARN"]);
    let codes = ["NOT_YET", "RATE_LIMITED", "PLUGIN_UNAVAILABLE", "OUTPUT_UNAVAILABLE", "STORE_UNAVAILABLE"];
    assert_eq!(told("code"), codes);
    assert_eq!(lines[4]["text"], "no space left");
    // A deferral does not count; the attempt after the retry is the second.
    assert_eq!(lines.iter().map(|line| line["attempt"].as_u64()).collect::<Vec<_>>(), [1, 1, 2, 2, 2].map(Some));
    assert!(lines.iter().all(|line| line["wait_ms"].as_u64().is_some_and(|wait| wait > 0)), "{lines:?}");
}

#[test]
fn an_abandoned_message_is_said_to_come_again_only_where_it_does() {
    let told = |delivery| {
        let lines = lines("warn", "message_nacked", || {
            let mut world = World::with(Some("pricing"), delivery);
            let partition = partition();
            let assigned = Assignment::new(partition.clone());
            world.machine.handle(Event::Assigned(vec![assigned]), world.now);
            let records = vec![record(Position::Offset { partition: 3, offset: 0 })];
            world.machine.handle(Event::Records { partition, records }, world.now);
            let (_, delivery) = world.machine.deliveries().next().unwrap();
            world.telemetry.deliveries.settled(delivery, Fate::Abandoned, world.now);
        });
        let [line] = <[Value; 1]>::try_from(lines).unwrap();
        ["level", "next", "message"].map(|field| line[field].as_str().unwrap().to_owned())
    };
    for delivery in [Guarantee::AtLeastOnce, Guarantee::ExactlyOnce] {
        let [level, next, message] = told(delivery);
        assert_eq!((&*level, &*next), ("WARN", "abandoned"));
        assert!(message.ends_with("will be redelivered"), "{message}");
    }
    let [level, next, message] = told(Guarantee::AtMostOnce);
    assert_eq!((&*level, &*next), ("ERROR", "abandoned"));
    assert!(message.contains("is lost") && !message.contains("redelivered"), "{message}");
}

#[test]
fn a_dead_letter_that_cannot_be_stored_is_named_as_the_reason() {
    let lines = lines("info", "message_nacked", || {
        let mut world = World::new(Some("pricing"));
        world.attempts = [fails(Class::Permanent, "VALIDATION_ERROR", "")].into();
        world.unavailable = 1;
        world.records(1);
    });
    assert_eq!(lines[0]["code"], "DEAD_LETTER_UNAVAILABLE");
}

#[test]
fn a_wave_of_failures_is_counted_to_the_last_and_told_in_few_lines() {
    let count = 1_000;
    let mut told = Vec::new();
    measured(|scrape| {
        told = lines("warn", "message_dlq", || {
            let mut world = World::new(Some("pricing"));
            world.attempts = (0..count).map(|_| fails(Class::Permanent, "VALIDATION_ERROR", "")).collect();
            world.records(count);
        });
        let dead = value(&scrape.render(), r#"dlq_messages_total{topic="orders",error_type="VALIDATION_ERROR"}"#);
        assert_eq!(dead, count as f64);
    });
    assert_eq!(told.len(), LINES_PER_SECOND as usize);
    let dropped = lines("warn", "lines_dropped", || {
        let mut world = World::new(Some("pricing"));
        world.attempts = (0..count).map(|_| fails(Class::Permanent, "VALIDATION_ERROR", "")).collect();
        world.records(count);
        // Dropping the telemetry logs the rest.
    });
    assert_eq!(dropped.len(), 1);
    assert_eq!((&dropped[0]["of"], &dropped[0]["lines"]), (&json!("message_dlq"), &json!(990)));
}

#[test]
fn on_a_queue_the_topic_is_the_queue_and_the_group_is_the_route() {
    measured(|scrape| {
        let lines = lines("debug", "message_acked", || {
            let mut world = World::new(None);
            let leased = Leased {
                record: record(Position::MessageId("m-5".into())),
                receipt: "r-1".into(),
                receives: 1,
                until: Some(world.now.after(Duration::from_secs(60))),
            };
            world.events.push_back(Event::Messages(vec![leased]));
            world.run();
        });
        assert_eq!(lines[0]["broker_message_id"], "m-5");
        assert_eq!((lines[0].get("partition"), lines[0].get("offset")), (None, None));
        let done = r#"messages_consumed_total{topic="orders",consumer_group="price-orders",status="done"}"#;
        assert_eq!(value(&scrape.render(), done), 1.0);
    });
}
